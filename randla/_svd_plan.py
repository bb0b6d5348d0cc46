"""What a call asks for, checked, and the method that serves it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ._core import validate
from ._svd_products import Operator, Products, Sparse

_METHODS = ("auto", "subspace", "krylov", "gram", "exact")
_PRECISIONS = ("auto", "same", "mixed")
_DEFAULT_ITERATIONS = 4
_SMALL = 64  # sides up to which LAPACK is as fast
_WIDEST_GRAM = 1500


class Plan:
    """What a call asks for, checked; `of` adds the shape."""

    def __init__(
        self,
        k: int | None,
        rtol: float | None,
        max_rank: int | None,
        n_oversamples: int,
        n_iter: int | str,
        method: str,
        precision: str,
        center: bool,
    ) -> None:
        if (k is None) == (rtol is None):
            given = "both" if k is not None else "neither"
            raise ValueError(f"give either k or rtol, got {given}")
        self.k = None if k is None else validate.integer("k", k)
        self.rtol = None if rtol is None else _fraction("rtol", rtol)
        if max_rank is not None and rtol is None:
            raise ValueError("max_rank goes with rtol; with k the rank is known")
        self.max_rank = None if max_rank is None else validate.integer("max_rank", max_rank)
        self.n_oversamples = validate.integer("n_oversamples", n_oversamples)
        validate.inside("n_oversamples", self.n_oversamples, 0, 2**31)
        self.n_iter = None
        if not (isinstance(n_iter, str) and n_iter == "auto"):
            if isinstance(n_iter, str):
                raise ValueError(f"n_iter must be an integer or 'auto', got {n_iter!r}")
            self.n_iter = validate.integer("n_iter", n_iter)
            validate.inside("n_iter", self.n_iter, 0, 1000)
        validate.option("method", method, _METHODS)
        if rtol is not None and method in ("krylov", "gram"):
            raise ValueError(
                f"method={method!r} needs k; rtol goes with 'auto', 'subspace', 'exact'"
            )
        self.method = method
        validate.option("precision", precision, _PRECISIONS)
        self.precision = precision
        if not isinstance(center, (bool, np.bool_)):
            raise TypeError(f"center must be True or False, got {type(center).__name__}")
        self.center = bool(center)

    def uncentred(self) -> Plan:
        """The same of a matrix that is centred already."""
        plan = copy.copy(self)
        plan.center = False
        return plan

    @property
    def iterations(self) -> int:
        return _DEFAULT_ITERATIONS if self.n_iter is None else self.n_iter

    def of(self, shape: tuple[int, ...], least_rows: int = 1) -> None:
        """Check what depends on the shape of A."""
        if len(shape) < 2:
            raise ValueError(f"A must have at least two dimensions, got shape {shape}")
        m, n = shape[-2:]
        if m == 0 or n == 0:
            raise ValueError(f"A must not be empty in its last two dimensions, got shape {shape}")
        if m < least_rows:
            raise ValueError(f"A must have at least {least_rows} rows, got {m}")
        if len(shape) > 2 and self.rtol is not None:
            raise ValueError("rtol would give the matrices of a batch different sizes; pass k")
        for name, value in (("k", self.k), ("max_rank", self.max_rank)):
            if value is not None:
                validate.inside(name, value, 1, min(m, n), " = [1, min(m, n)]")

    def choose(self, A: Products) -> str:
        """The method for a matrix that is tall."""
        (m, p), wanted = A.shape, self.method
        if self.rtol is not None:
            return (
                "exact" if wanted == "exact" or (wanted == "auto" and p <= _SMALL) else "adaptive"
            )
        assert self.k is not None
        width = self.k + self.n_oversamples
        if wanted != "auto":
            return "exact" if wanted == "subspace" and width >= p and A.dense else wanted
        if width >= p:
            return "exact"
        if self.n_iter is not None:
            return "subspace"
        if 2 * self.k >= p or p <= _SMALL:
            return "exact"
        inner: Any = A
        while hasattr(inner, "of"):
            inner = inner.of
        if isinstance(inner, Operator):  # whose products may be dear
            return "krylov"
        if isinstance(inner, Sparse):
            return "subspace"
        # flops of A^H A, of its eigenvectors at their lower rate, of the passes
        passes = 4 * (self.iterations + 1) * m * p * width
        return "gram" if p <= _WIDEST_GRAM and m * p**2 + 25 * p**3 <= passes else "subspace"


def _fraction(name: str, value: Any) -> float:
    number = validate.fraction(name, value)
    if number == 0:
        raise ValueError(f"{name} must be in (0, 1), got {value}")
    return number
