"""Soft ranks and soft top-k: the public functions, their checks, and the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._core import dispatch, validate

KINDS = ("fermi", "shiva", "laplace", "threshold")
GATE = 0.1  # gate_temperature, where it is not given


def soft_rank(x: Any, *, axis: int = -1, temperature: Any) -> Any:
    r"""Rank the elements along an axis, smoothly: 1 is the highest.

    .. math:: r_i = 1 + \sum_{j \ne i} \sigma((x_j - x_i) / t)

    with the logistic function :math:`\sigma` [1]_: the number of elements above, where an element
    nearer than a few temperatures t counts in part.

    Parameters
    ----------
    x : array_like
        Scores: real numbers of any strides, at least one-dimensional: an array of NumPy or CuPy, a
        tensor of torch (which `randla.torch` serves, with derivatives), or any other array with an
        array-API namespace (these sum all pairs, in their own operations).  Not modified.
    axis : int, default -1
        Along which the elements are compared.
    temperature : float or array_like
        The width t > 0 of the transition, in the units of the scores: one, or one for each row, of
        the shape of `x` without `axis`.

    Returns
    -------
    array
        Of the shape and type of `x`; float64 where `x` holds integers or bool.

    Raises
    ------
    ValueError
        If `x` has no dimension, or a temperature is not positive and finite.
    TypeError
        If the dtype is complex, longdouble, object or a string, or `x` is a masked array, a matrix
        or a JAX tracer.
    numpy.exceptions.AxisError
        If there is no such axis.

    See Also
    --------
    soft_topk : Weights of the largest elements.

    Notes
    -----
    The sums over pairs are made by expansions on bins of a few temperatures each: O(n) for a row of
    n, whatever its elements are, where the sum as it stands takes O(n^2).  Short rows, and elements
    that are far apart, are summed as pairs instead; so are all rows on a GPU.  The error is at most
    1e-6 n in float32, and 1e-13 n in float64.  float16 and bfloat16 are computed in float32.

    A NaN makes the ranks of its row NaN.  Infinite elements rank above, or below, all others, and
    tie among themselves.  A temperature below 2^-1000 counts as 2^-1000; above 2^1000 is an error.

    References
    ----------
    .. [1] "Shiva-DiT", arXiv:2602.05605, equation 5.

    Examples
    --------
    >>> import numpy as np, randla
    >>> x = np.array([3.0, 1.0, 4.0, 1.5])
    >>> randla.soft_rank(x, temperature=0.01).round(3)
    array([2., 4., 1., 3.])
    >>> randla.soft_rank(x, temperature=1.0).round(3)
    array([2.033, 3.456, 1.392, 3.119])

    The ranks of a row always sum to n (n + 1) / 2:

    >>> float(randla.soft_rank(x, temperature=5.0).sum().round(6))
    10.0
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        return adapter.soft_rank(x, dim=axis, temperature=temperature)
    spec = _Spec(x, axis, temperature)
    if spec.xp is not None:
        scores, width = spec.arrays()
        return spec.restore(reference_rank(spec.xp, scores, width))
    matrix = spec.matrix()
    ranks = spec.lib.empty_like(matrix)
    if matrix.size:
        spec.kernels().rank(matrix, spec.lib.asarray(spec.temperature), ranks)
    return spec.restore(ranks)


def soft_topk(
    x: Any,
    k: Any,
    *,
    axis: int = -1,
    kind: str = "fermi",
    temperature: Any,
    gate_temperature: Any = None,
) -> Any:
    r"""Weigh the elements along an axis from 0 to 1, near 1 for the k largest.

    Parameters
    ----------
    x : array_like
        Scores, as for `soft_rank`.
    k : float or array_like
        How many are selected: one number, or one for each row, of the shape of `x` without `axis`.
        From 0 to n; any finite number for ``"shiva"``; an integer from 1 to n - 1 for
        ``"threshold"``.
    axis : int, default -1
        Along which the elements are compared.
    kind : {"fermi", "shiva", "laplace", "threshold"}, default "fermi"
        How the weights p come about:

        * ``"fermi"``: :math:`p_i = \sigma((x_i - b) / t)`, b such that the sum is k.  The limit of
          entropic optimal transport, with twice this t for its regulariser.
        * ``"laplace"``: the same with the distribution function of Laplace [1]_, whose tails are as
          long, and which is steeper in the middle.
        * ``"threshold"``: logistic around the mean of the elements of rank k and k + 1 [2]_: above
          1/2 exactly for the k largest.  The sum is not k, and k has no gradient.
        * ``"shiva"``: :math:`\sigma((k - r_i) / (g n))` with the ranks r of `soft_rank` and the
          temperature g of the gate [3]_.  The sum is not k.
    temperature : float or array_like
        The width t > 0 of the transition, in the units of the scores: one, or one for each row.
    gate_temperature : float or array_like, optional
        In parts of the row, g below, for ``"shiva"`` alone; 0.1 by default.

    Returns
    -------
    array
        Weights in [0, 1], of the shape and type of `x`; float64 where `x` holds integers or bool.

    Raises
    ------
    ValueError
        If k or a temperature is out of range, `kind` is unknown, or `gate_temperature` is given to
        another kind than ``"shiva"``.
    TypeError
        As for `soft_rank`.
    numpy.exceptions.AxisError
        If there is no such axis.

    See Also
    --------
    soft_rank : Ranks instead of weights.
    topk_mask : The weights where the temperature is 0.

    Notes
    -----
    O(n) for each row.  For ``"fermi"`` and ``"laplace"`` the threshold b is found by Newton's
    method in a bracket, and :math:`|\sum p - k| \le 4 u n`, u the unit roundoff of the dtype.

    A NaN makes the weights of its row NaN.  Infinite elements are taken at their limits: equal ones
    tie, and share what their place leaves them.

    References
    ----------
    .. [1] M. Struski et al., "LapSum: one method to differentiate them all: ranking, sorting and
       top-k selection", ICML 2025, arXiv:2503.06242.
    .. [2] "DFTopK: differentiable fast top-K selection", arXiv:2510.11472.
    .. [3] "Shiva-DiT", arXiv:2602.05605, equations 6 and 30.

    Examples
    --------
    >>> import numpy as np, randla
    >>> x = np.array([0.2, 0.9, 0.4, 0.1])
    >>> p = randla.soft_topk(x, 2, temperature=0.1)
    >>> p.round(3), float(p.sum().round(12))
    (array([0.225, 0.997, 0.682, 0.096]), 2.0)
    >>> randla.soft_topk(x, 2, temperature=1e-9)
    array([0., 1., 1., 0.])
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        return adapter.soft_topk(
            x, k, dim=axis, kind=kind, temperature=temperature, gate_temperature=gate_temperature
        )
    validate.option("kind", kind, KINDS)
    spec = _Spec(x, axis, temperature)
    gate = check_gate(kind, gate_temperature)
    numbers, gates = spec.numbers("k", k), spec.positive("gate_temperature", gate)
    check_k(numbers, kind, spec.n)
    if spec.xp is not None:
        scores, width = spec.arrays()
        parts = (spec.column(numbers), width, spec.column(gates))
        return spec.restore(reference_topk(spec.xp, kind, scores, *parts))
    matrix = spec.matrix()
    weights = spec.lib.empty_like(matrix)
    if matrix.size:
        binding = spec.kernels()
        rows = (spec.lib.asarray(v) for v in (numbers, spec.temperature, gates))
        binding.soft(binding.KINDS[kind], matrix, *rows, weights)
    return spec.restore(weights)


# ---- arguments -----------------------------------------------------------------------------------


def check_gate(kind: str, gate: Any) -> Any:
    """Give the temperature of the gate, which belongs to one kind."""
    if gate is None:
        return GATE
    if kind != "shiva":
        raise ValueError(f"gate_temperature is for kind 'shiva', got it for {kind!r}")
    return gate


def check_number(k: float, kind: str, n: int) -> None:
    """Require a k that a kind can select."""
    if kind == "shiva":
        if not -math.inf < k < math.inf:
            raise ValueError(f"k must be finite, got {k:g}")
        return
    low, high = (1, n - 1) if kind == "threshold" else (0, n)
    if not low <= k <= high:
        raise ValueError(f"k must be in [{low}, {high}], got {k:g}")
    if kind == "threshold" and k != int(k):
        raise ValueError(f"k must be an integer for kind 'threshold', got {k:g}")


def check_temperature(name: str, value: float) -> None:
    """Require a width that the kernels take."""
    if not 0 < value <= 2.0**1000:
        raise ValueError(f"{name} must be positive and finite, got {value:g}")


def check_k(k: np.ndarray, kind: str, n: int) -> None:
    """Require what a kind can select, of every row."""
    if k.size:
        broken = k[np.floor(k) != k] if kind == "threshold" else k[:0]
        for value in (k.min(), k.max(), *broken[:1]):  # a NaN is both
            check_number(float(value), kind, n)


def numbers(name: str, value: Any, batch: tuple[int, ...]) -> np.ndarray:
    """Give one number, or one for each row, as a float64 vector."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got bool")
    try:
        given = np.asarray(dispatch.to_numpy(value))
    except (TypeError, ValueError, AttributeError):
        given = np.asarray(None)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a number or an array of them, got {type(value).__name__}")
    if given.shape not in ((), batch):
        raise ValueError(f"{name} must be a number or have shape {batch}, got shape {given.shape}")
    return np.ascontiguousarray(given, np.float64).reshape(-1)


def positive(name: str, value: Any, batch: tuple[int, ...]) -> np.ndarray:
    """Give temperatures as a float64 vector."""
    given = numbers(name, value, batch)
    if given.size:
        for extreme in (given.min(), given.max()):
            check_temperature(name, float(extreme))
    return given


class _Spec:
    """Checked arguments.

    `xp` is the namespace for the reference, None where kernels run, on arrays of the library `lib`.
    """

    __slots__ = ("axis", "batch", "dtype", "lib", "n", "shape", "temperature", "x", "xp")
    dtype: Any
    lib: Any
    xp: Any

    def __init__(self, x: Any, axis: Any, temperature: Any) -> None:
        kind = dispatch.kind_of(x)
        self.xp, self.lib = None, np
        if kind == "cupy":
            self.lib = dispatch.backend("cupy").cupy
        elif kind in ("sequence", "subclass", "tracer"):
            x = validate.as_array("x", x, kind)
        elif kind != "numpy":
            self.xp = dispatch.namespace(x)
        if self.xp is None:
            if validate.compute_char("x", x.dtype) in "FD":
                raise TypeError(f"x has dtype {x.dtype}; expected real numbers")
            self.dtype = x.dtype if x.dtype.kind not in "iub" else np.dtype(np.float64)
        else:
            xp = self.xp
            if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
                raise TypeError(f"x has dtype {x.dtype}; expected real floating, integer or bool")
            self.dtype = x.dtype if xp.isdtype(x.dtype, "real floating") else xp.float64
        self.x, self.shape = x, tuple(x.shape)
        self.axis = validate.axis(axis, len(self.shape), "x")
        self.n = self.shape[self.axis]
        self.batch = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        self.temperature = self.positive("temperature", temperature)

    def numbers(self, name: str, value: Any) -> np.ndarray:
        return numbers(name, value, self.batch)

    def positive(self, name: str, value: Any) -> np.ndarray:
        return positive(name, value, self.batch)

    def kernels(self) -> Any:
        return dispatch.backend("numpy" if self.lib is np else "cupy").topk_soft

    def matrix(self) -> Any:
        """Rows in the dtype that computes."""
        char = "d" if self.dtype == np.float64 else "f"
        validate.fits_memory("x", self.shape, np.dtype(char))
        moved = self.lib.moveaxis(self.x, self.axis, -1)
        packed = validate.packed if self.lib is np else self.lib.ascontiguousarray
        return packed(moved, char).reshape(math.prod(self.batch), self.n)

    def arrays(self) -> tuple[Any, Any]:
        """Scores with the axis last, and the temperatures of rows, for the reference."""
        xp = self.xp
        narrow = xp.finfo(self.dtype).bits < 32
        scores = xp.astype(xp.moveaxis(self.x, self.axis, -1), xp.float32 if narrow else self.dtype)
        return scores, self.column(self.temperature)

    def column(self, values: np.ndarray) -> Any:
        from array_api_compat import device

        xp = self.xp
        dtype = xp.float32 if xp.finfo(self.dtype).bits < 64 else xp.float64
        shape = (*self.batch, 1) if values.size > 1 else (1,)
        column = xp.asarray(values.tolist(), dtype=dtype, device=device(self.x))
        return xp.reshape(column, shape) if values.size else xp.zeros((*self.batch, 1), dtype=dtype)

    def restore(self, rows: Any) -> Any:
        """Rows back to where the axis of x was, in its dtype."""
        if self.xp is not None:
            return self.xp.astype(self.xp.moveaxis(rows, -1, self.axis), self.dtype)
        back = rows.reshape(*self.batch, self.n).astype(self.dtype, copy=False)
        return (
            back
            if self.axis == len(self.shape) - 1
            else self.lib.ascontiguousarray(self.lib.moveaxis(back, -1, self.axis))
        )


# ---- reference -----------------------------------------------------------------------------------
#
# The definitions, in array-API operations, with derivatives of any order under the automatic
# differentiation of the library: for libraries without kernels of ours, for second derivatives in
# torch, and as a test of the kernels.  Scores s (..., n); the rest (..., 1), or broadcasts to it.


def _logistic(xp: Any, z: Any) -> Any:
    return 0.5 * (1 + xp.tanh(0.5 * z))  # no overflow, and smooth at 0


def _laplacian(xp: Any, z: Any) -> Any:
    above = z >= 0
    tail = 0.5 * xp.exp(-xp.where(above, z, -z))
    return xp.where(above, 1 - tail, tail)


def _count(xp: Any, mask: Any, dtype: Any) -> Any:
    return xp.sum(xp.astype(mask, dtype), axis=-1, keepdims=True)


def _constant(x: Any) -> Any:
    return x.detach() if hasattr(x, "detach") else x


def reference_rank(xp: Any, s: Any, t: Any) -> Any:
    """Soft ranks, by all pairs."""
    finite = xp.isfinite(s)
    t = xp.where(t < _least(xp, t), xp.full_like(t, _least(xp, t)), t)
    x = xp.where(finite, s, xp.zeros_like(s))
    z = (x[..., None, :] - x[..., :, None]) / t[..., None]
    seen = xp.where(finite[..., None, :], _logistic(xp, z), xp.zeros_like(z))
    above, below = (_count(xp, s == value, s.dtype) for value in (math.inf, -math.inf))
    rank = 0.5 + xp.sum(seen, axis=-1) + above
    rank = xp.where(s == math.inf, 0.5 + 0.5 * above, rank)
    rank = xp.where(s == -math.inf, s.shape[-1] + 0.5 - 0.5 * below, rank)
    missing = xp.any(xp.isnan(s), axis=-1, keepdims=True)
    return xp.where(missing, xp.full_like(rank, math.nan), rank)


def _least(xp: Any, t: Any) -> float:
    return 2.0**-1000 if xp.finfo(t.dtype).bits == 64 else 2.0**-120


def reference_topk(xp: Any, kind: str, s: Any, k: Any, t: Any, gate: Any) -> Any:
    """Soft top-k of any kind."""
    n = s.shape[-1]
    if n == 0:
        return s
    if kind == "shiva":
        return _logistic(xp, (k - reference_rank(xp, s, t)) / (gate * n))
    missing = xp.any(xp.isnan(s), axis=-1, keepdims=True)
    s = xp.where(missing, xp.zeros_like(s), s)
    solved = _reference_threshold if kind == "threshold" else _reference_exact
    p = solved(xp, kind, s, k, t)
    return xp.where(missing, xp.full_like(p, math.nan), p)


def _reference_threshold(xp: Any, kind: str, s: Any, k: Any, t: Any) -> Any:
    order = xp.sort(s, axis=-1, descending=True)
    place = xp.astype(xp.arange(1, s.shape[-1] + 1, device=getattr(s, "device", None)), s.dtype)
    upper, lower = (
        xp.sum(xp.where(place == k + more, order, xp.zeros_like(order)), axis=-1, keepdims=True)
        for more in (0, 1)
    )
    usual = xp.isfinite(upper) & xp.isfinite(lower)
    middle = xp.where(usual, 0.5 * upper + 0.5 * lower, xp.zeros_like(upper))
    finite = xp.isfinite(s)
    z = (xp.where(finite, s, xp.zeros_like(s)) - middle) / t
    p = xp.where(finite, _logistic(xp, z), xp.astype(s > 0, s.dtype))
    limit = xp.where(upper == math.inf, s >= upper, s > lower)
    limit = xp.where((s == upper) & (s == lower), xp.full_like(s, 0.5), xp.astype(limit, s.dtype))
    return xp.where(usual, p, limit)


def _reference_exact(xp: Any, kind: str, s: Any, k: Any, t: Any) -> Any:
    """Bisection for the threshold, then two steps of Newton's, which carry its derivatives."""
    law = _laplacian if kind == "laplace" else _logistic
    n, finite, zero = s.shape[-1], xp.isfinite(s), xp.zeros_like(s)
    above, below = (_count(xp, s == value, s.dtype) for value in (math.inf, -math.inf))
    inside = n - above - below
    rest = k - above
    none, all_, empty = rest <= 0, rest >= inside, inside == 0
    span = xp.where(empty, xp.ones_like(inside), inside)
    target = xp.where(none | all_, 0.5 * span, rest)
    x = xp.where(finite, s, zero)

    def weights(b: Any) -> Any:
        return xp.where(finite, law(xp, (x - b) / t), zero)

    low = xp.min(xp.where(finite, s, xp.full_like(s, math.inf)), axis=-1, keepdims=True)
    high = xp.max(xp.where(finite, s, xp.full_like(s, -math.inf)), axis=-1, keepdims=True)
    low, high = (xp.where(empty, xp.zeros_like(a), a) for a in (low, high))
    margin = t * (2 * math.log(n + 1) + xp.log(1 + 1 / target) + xp.log(1 + n / (span - target)))
    low, high = _constant(low - margin), _constant(high + margin)
    fixed, fixed_t, fixed_k = _constant(x), _constant(t), _constant(target)
    for _ in range(80):
        middle = 0.5 * low + 0.5 * high
        p = xp.where(finite, law(xp, (fixed - middle) / fixed_t), xp.zeros_like(fixed))
        more = xp.sum(p, axis=-1, keepdims=True) > fixed_k
        low, high = xp.where(more, middle, low), xp.where(more, high, middle)
    b = 0.5 * low + 0.5 * high
    for _ in range(2):
        p = weights(b)
        slope = xp.minimum(p, 1 - p) if kind == "laplace" else p * (1 - p)
        slope = xp.sum(xp.where(finite, slope, zero), axis=-1, keepdims=True)
        flat = slope < 1e-30
        step = t * (xp.sum(p, axis=-1, keepdims=True) - target)
        b = b + xp.where(flat, xp.zeros_like(step), step) / xp.where(
            flat, xp.ones_like(slope), slope
        )
    p = weights(b)
    p = xp.where(none, xp.zeros_like(p), xp.where(all_, xp.ones_like(p), p))
    shared = xp.where(
        rest < 0, k / xp.where(above > 0, above, xp.ones_like(above)), xp.ones_like(rest)
    )
    p = xp.where(s == math.inf, shared, p)
    left = (rest - inside) / xp.where(below > 0, below, xp.ones_like(below))
    return xp.where(
        s == -math.inf, xp.where(left > 0, left, xp.zeros_like(left)), xp.where(finite, p, p)
    )
