"""Features of a kernel from some of its columns."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ._common import FLOATS, seed

_POOL = 4  # candidates for each landmark
_ASKED = 128  # samples that tell the error
_UNIT = ("chi2", "laplacian", "rbf")  # kernel(x, x) = 1
_BLOCK = 64  # candidates that are proposed at once


class Nystroem(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features whose products are a kernel, by its columns at some of the samples (landmarks).

    Takes the place of scikit-learn's transformer of that name, with a triangle instead of a
    singular value decomposition; it tells its error, stops where rounding begins, and can choose
    landmarks by what the others leave of the kernel.

    Parameters
    ----------
    kernel : str or callable, default "rbf"
        Kernel, as for `sklearn.metrics.pairwise.pairwise_kernels`; ``"precomputed"``: X are the
        values of the kernel between samples, and those of training.
    gamma, coef0, degree : float, optional
        Parameters of kernels that have them.
    kernel_params : dict, optional
        Those of a callable, and others.
    n_components : int, default 100
        Most landmarks.
    tol : float, optional
        Stop where the error, as in `error_` but of the candidates for landmarks, is at most this,
        in (0, 1).  For ``landmarks="pivots"``.
    landmarks : {"uniform", "pivots"}, default "uniform"
        ``"uniform"``: samples drawn uniformly, as the peer has them; ``"pivots"``: randomly pivoted
        Cholesky [1]_ on four times as many samples, which is better where some kinds of them are
        rare.
    random_state : int, RandomState instance or None, default None
        Its randomness; an int makes it reproducible.
    n_jobs : int, optional
        Processes for the kernel.

    Attributes
    ----------
    components_ : ndarray or sparse array, shape ``(n_components_, n_features_in_)``
        Landmarks.
    component_indices_ : ndarray, shape ``(n_components_,)``
        Their numbers among the samples.
    normalization_ : ndarray, shape ``(n_components_, n_components_)``
        The features are ``kernel(X, components_) @ normalization_.T``.
    n_components_ : int
        Landmarks: fewer where these say all that is known of the kernel to rounding, or `tol` is
        reached.
    error_ : float
        What is missing of the trace of the kernel, as a share of it: the mean over samples of
        ``kernel(x, x) - norm(features(x))**2`` over that of ``kernel(x, x)``.  Landmarks miss
        nothing; up to 128 others stand for the rest, and tell it to a tenth or so.  NaN if the
        kernel is not positive semidefinite.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray, shape ``(n_features_in_,)``
        Their names, if all are strings.

    Raises
    ------
    ValueError
        A parameter outside of its range, or that the kernel does not have; X or values of the
        kernel that are not finite; X with another number of features than in `fit`.

    See Also
    --------
    TensorSketch : Features of polynomial kernels, without landmarks.
    sklearn.kernel_approximation.Nystroem : The peer.

    Notes
    -----
    The features of landmarks B are ``K(x, B) L**-H`` with ``K(B, B) = L L**H``: those of
    scikit-learn, ``K(x, B) K(B, B)**-1/2``, but for a rotation, which changes neither products nor
    distances.  A triangle costs a fiftieth of the singular value decomposition there.  It ends
    where what is left of the diagonal is rounding; the peer instead divides by the roots of
    rounding errors, which are about 1e-6, in single precision 1e-2 or so.

    Costs ``k**2 (d + k / 3)`` multiplications for k landmarks and d features.  With
    ``landmarks="pivots"`` each is drawn with a probability proportional to what is left of the
    diagonal, in blocks by rejection [2]_: the expected error is near the least one of that rank,
    for ``4 k**2 (d + k)`` multiplications.

    A kernel that is not positive semidefinite, like the sigmoid, has the features of the peer, with
    the moduli of its eigenvalues.

    References
    ----------
    .. [1] Y. Chen, E. N. Epperly, J. A. Tropp, R. J. Webber, "Randomly pivoted Cholesky: practical
       approximation of a kernel matrix with few entry evaluations", Comm. Pure Appl. Math. 78
       (2025), arXiv:2207.06503.
    .. [2] E. N. Epperly, J. A. Tropp, R. J. Webber, "Embrace rejection: kernel matrix approximation
       by accelerated randomly pivoted Cholesky", 2024, arXiv:2410.03969.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.metrics.pairwise import rbf_kernel
    >>> from randla.sklearn import Nystroem
    >>> X = load_digits().data / 16
    >>> features = Nystroem(gamma=0.05, n_components=300, random_state=0)
    >>> F = features.fit_transform(X)
    >>> K = rbf_kernel(X, gamma=0.05)
    >>> bool(abs(K - F @ F.T).max() < 0.2), bool(features.error_ < 0.04)
    (True, True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "kernel": [StrOptions({*PAIRWISE_KERNEL_FUNCTIONS, "precomputed"}), callable],
        "gamma": [Interval(Real, 0, None, closed="left"), None],
        "coef0": [Interval(Real, None, None, closed="neither"), None],
        "degree": [Interval(Real, 1, None, closed="left"), None],
        "kernel_params": [dict, None],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="neither"), None],
        "landmarks": [StrOptions({"uniform", "pivots"})],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        kernel: Any = "rbf",
        *,
        gamma: Any = None,
        coef0: Any = None,
        degree: Any = None,
        kernel_params: Any = None,
        n_components: int = 100,
        tol: Any = None,
        landmarks: str = "uniform",
        random_state: Any = None,
        n_jobs: Any = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.coef0 = coef0
        self.degree = degree
        self.kernel_params = kernel_params
        self.n_components = n_components
        self.tol = tol
        self.landmarks = landmarks
        self.random_state = random_state
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> Nystroem:
        """Choose landmarks.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        Nystroem
            Itself.
        """
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS)
        n, most, uniform = X.shape[0], self.n_components, self.landmarks == "uniform"
        if self.kernel == "precomputed" and X.shape[1] != n:
            raise ValueError(f"a precomputed kernel must be square, got shape {X.shape}")
        if uniform and self.tol is not None:
            raise ValueError("tol goes with landmarks='pivots'")
        if most > n:
            warnings.warn(
                f"n_components={most} is more than n_samples={n}, and was set to it", stacklevel=2
            )
            most = n
        named = ("gamma", "coef0", "degree")
        if (callable(self.kernel) or self.kernel == "precomputed") and any(
            getattr(self, name) is not None for name in named
        ):
            raise ValueError("gamma, coef0 and degree go with the kernels that have a name")
        self._indefinite = False
        rng = np.random.Generator(np.random.Philox(key=seed(self.random_state)))
        order = rng.permutation(n)
        chosen, inverse = self._landmarks(X, order, most, rng)
        self.components_ = X[:, chosen].T if self.kernel == "precomputed" else X[chosen]
        self.component_indices_, self.n_components_ = chosen, len(chosen)
        self.normalization_ = inverse.astype(X.dtype)
        rest = np.ones(n, bool)
        rest[chosen] = False
        others = rng.permutation(np.flatnonzero(rest))[:_ASKED]
        self.error_ = self._missing(X, chosen, others)
        return self

    def _landmarks(
        self, X: Any, order: np.ndarray, most: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of landmarks, and what normalises their features."""
        # What is left of the diagonal is rounding below this share.  A kernel has more of it than
        # a product: values of "rbf" are off by eps * gamma * norm(x)**2.
        floor = 10 * float(np.finfo(X.dtype).eps)
        while floor < 1e-3:
            try:
                if self.landmarks == "uniform":
                    chosen, L = self._cholesky(X, order[:most], floor)
                else:
                    chosen, L = self._pivots(X, order[: _POOL * most], most, floor, rng)
            except _IndefiniteError:
                floor *= 1e3
            else:
                return chosen, scipy.linalg.lapack.dtrtri(L, lower=1)[0]  # its diagonal is positive
        return order[:most], self._moduli(X, order[:most])

    def _kernel(self, X: Any, rows: Any, columns: Any) -> np.ndarray:
        """Values between samples of these numbers, in double precision."""
        if self.kernel == "precomputed":
            K = X[rows][:, columns]
            K = np.asarray(K.toarray() if hasattr(K, "toarray") else K)
        else:
            K = self._between(X[rows], X[columns])
        if not np.isfinite(K).all():
            raise ValueError("the kernel of samples of X is not finite")
        return K.astype(np.float64, copy=False)

    def _between(self, X: Any, Y: Any) -> np.ndarray:
        given = dict(self.kernel_params or {})
        for name in ("gamma", "coef0", "degree"):
            if getattr(self, name) is not None:
                given[name] = getattr(self, name)
        K: np.ndarray = pairwise_kernels(
            X, Y, metric=self.kernel, filter_params=True, n_jobs=self.n_jobs, **given
        )
        return K

    def _diagonal(self, X: Any, rows: np.ndarray) -> np.ndarray:
        """kernel(x, x), by small square blocks: one by one, calls would be all of the time."""
        if self.kernel in _UNIT:
            return np.ones(len(rows))
        steps = range(0, len(rows), 16)
        blocks = (self._kernel(X, rows[i : i + 16], rows[i : i + 16]) for i in steps)
        return np.concatenate([block.diagonal() for block in blocks] or [np.zeros(0)])

    def _cholesky(self, X: Any, rows: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks among these, all but those that add rounding alone, and L of their kernel."""
        K = self._kernel(X, rows, rows)
        _positive(K.diagonal(), 0.0)
        C, order, rank, _ = scipy.linalg.lapack.dpstrf(K, tol=floor * K.diagonal().max(), lower=1)
        order = order - 1
        L = np.tril(C[:, :rank])
        if rank < len(rows):
            left = K[np.ix_(order, order)].diagonal() - (L**2).sum(axis=1)
            _positive(left, 100 * floor * K.diagonal().max())
            off = np.abs(K[np.ix_(order, order)] - L @ L.T).max()
            _positive(np.array([100 * floor * K.diagonal().max() - off]), 0.0)
        return rows[order[:rank]], L[:rank]

    def _pivots(
        self, X: Any, pool: np.ndarray, most: int, floor: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks drawn by what is left of the diagonal, and L of their kernel.

        Rejection makes a block of candidates, which are drawn by what was left before it, as if
        they had been drawn one after the other.
        """
        left = self._diagonal(X, pool)
        _positive(left, 0.0)
        total, highest, least = left.sum(), left.max(), max(self.tol or 0.0, floor)
        F = np.zeros((len(pool), most))
        chosen: list[int] = []
        while len(chosen) < most and left.sum() > least * total:
            r = len(chosen)
            asked = rng.choice(len(pool), size=min(_BLOCK, most - r), p=left / left.sum())
            H = self._kernel(X, pool[asked], pool[asked]) - F[asked, :r] @ F[asked, :r].T
            taken = []
            for i, u in enumerate(rng.random(len(asked))):
                if H[i, i] > max(u * left[asked[i]], floor * highest):
                    taken.append(asked[i])
                    column = H[:, i] / np.sqrt(H[i, i])
                    H -= np.outer(column, column)
            if not taken:  # rounding is all that is left where candidates were drawn
                left[asked] = 0
                continue
            G = self._kernel(X, pool, pool[taken]) - F[:, :r] @ F[taken, :r].T
            try:
                L = np.linalg.cholesky(G[taken])
            except np.linalg.LinAlgError:
                raise _IndefiniteError from None
            new = scipy.linalg.solve_triangular(L, G.T, lower=True, check_finite=False).T
            F[:, r : r + len(taken)] = new
            left = left - (new**2).sum(axis=1)
            _positive(left, 100 * floor * highest)
            left = np.maximum(left, 0)
            left[taken] = 0
            chosen += taken
        # the last block may have gone further than asked
        rest = total - np.cumsum((F[:, : len(chosen)] ** 2).sum(axis=0))
        enough = np.flatnonzero(rest <= least * total)
        rank = int(enough[0]) + 1 if len(enough) else len(chosen)
        return pool[chosen[:rank]], np.tril(F[chosen[:rank], :rank])

    def _moduli(self, X: Any, rows: np.ndarray) -> np.ndarray:
        """What takes the place of an inverse root where eigenvalues are negative: the peer's."""
        K = self._kernel(X, rows, rows)
        w, V = np.linalg.eigh((K + K.T) / 2)
        roots = np.copysign(np.sqrt(np.maximum(np.abs(w), 1e-12)), w)
        product: np.ndarray = (V / roots) @ V.T
        self._indefinite = True
        return product

    def _missing(self, X: Any, chosen: np.ndarray, others: np.ndarray) -> float:
        """Share of the trace that features lack, where these others stand for all."""
        if self._indefinite:
            return float("nan")
        if not len(others):
            return 0.0
        each = (X.shape[0] - len(chosen)) / len(others)
        diagonal = self._diagonal(X, others)
        F = self._kernel(X, others, self.component_indices_) @ self.normalization_.T
        missing = each * (diagonal.sum() - (F.astype(np.float64) ** 2).sum())
        total = self._diagonal(X, chosen).sum() + each * diagonal.sum()
        return max(0.0, float(missing / total)) if total > 0 else 0.0

    def transform(self, X: Any) -> Any:
        """Features of samples.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray, shape ``(n_samples, n_components_)``
            Features.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        if self.kernel == "precomputed":
            K = X[:, self.component_indices_]
            return K @ self.normalization_.T
        return (
            self._between(X, self.components_).astype(X.dtype, copy=False) @ self.normalization_.T
        )

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class _IndefiniteError(ArithmeticError):
    """The kernel is not positive semidefinite."""


def _positive(left: np.ndarray, rounding: float) -> None:
    if not left.min(initial=0) >= -rounding or not (rounding or left.max(initial=0) > 0):
        raise _IndefiniteError
