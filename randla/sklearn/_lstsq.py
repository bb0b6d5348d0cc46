"""Linear and ridge regression by sketched least squares."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import lstsq
from ._common import FLOATS, seed


class _Centered:
    """A sparse array with weights for its rows, less a mean that is never subtracted from it."""

    def __init__(self, X: Any, mean: np.ndarray, root: np.ndarray | None) -> None:
        self.shape, self.dtype = X.shape, X.dtype
        self._X, self._mean = X, mean
        self._root = np.ones((X.shape[0], 1), X.dtype) if root is None else root[:, None]

    def matmat(self, V: np.ndarray) -> np.ndarray:
        """Product with a block of vectors."""
        return np.asarray(self._root * (self._X @ V - self._mean @ V))

    def rmatmat(self, W: np.ndarray) -> np.ndarray:
        """Product of the adjoint with a block of vectors."""
        weighted = self._root * W
        return np.asarray(self._X.T @ weighted - np.outer(self._mean, weighted.sum(axis=0)))


class _SketchedRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What both models share: centering, weights, the solve."""

    fit_intercept: bool
    method: str
    tol: float | None
    random_state: Any

    def _solve(self, X: Any, y: Any, sample_weight: Any, damp: float) -> Any:
        X, y = validate_data(
            self, X, y, accept_sparse=("csr", "csc"), dtype=FLOATS, multi_output=True,
            y_numeric=True,
        )  # fmt: skip
        y = y.astype(X.dtype, copy=False)
        single = y.ndim == 1
        Y = y[:, None] if single else y
        weight = root = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
            root = np.sqrt(weight)
        mean = np.zeros(X.shape[1], X.dtype)
        offset = np.zeros(Y.shape[1], X.dtype)
        if self.fit_intercept:
            total = len(Y) if weight is None else weight.sum(dtype=np.float64)
            one = np.ones(len(Y), X.dtype) if weight is None else weight
            mean = np.asarray(one @ X / total, X.dtype).ravel()
            offset = np.asarray(one @ Y / total, X.dtype)
        Y = Y - offset
        A: Any
        if isinstance(X, np.ndarray):
            A = X - mean if self.fit_intercept else X
            A = A if root is None else A * root[:, None]
        elif self.fit_intercept:
            A = _Centered(X, mean, root)
        else:
            A = X if root is None else X.multiply(root[:, None]).tocsr()
        Y = Y if root is None else Y * root[:, None]
        result = lstsq(
            A, Y, damp=damp, method=self.method, tol=self.tol, rng=seed(self.random_state)
        )
        coef = np.ascontiguousarray(result.x.T)
        intercept = offset - coef @ mean
        self.coef_ = coef[0] if single else coef
        self.intercept_ = (intercept[0] if single else intercept) if self.fit_intercept else 0.0
        self.rank_, self.info_ = result.rank, result.info
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_targets)
            Predictions.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=FLOATS, reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class SketchedLinearRegression(_SketchedRegressor):
    """Linear regression by `randla.lstsq`: for many more samples than features.

    Parameters
    ----------
    fit_intercept : bool, default True
        Whether a constant is fitted too.
    method : {"auto", "spir", "fossils", "qr"}, default "auto"
        As for `randla.lstsq`; ``"qr"`` is for dense `X`.
    tol : float, optional
        Backward error to be reached.  Default: 40 roundings.
    random_state : int, RandomState instance or None, default None
        Randomness of the sketch; the result depends on it by rounding errors alone.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_targets, n_features)
        Coefficients; the shortest ones where they are not unique.
    intercept_ : float or ndarray, shape (n_targets,)
        Constants; 0.0 without `fit_intercept`.
    rank_ : int
        Rank of the centered samples.
    info_ : LstsqInfo
        What the solution took, and its backward error.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray, shape ``(n_features_in_,)``
        Their names, if all are strings.

    See Also
    --------
    SketchedRidge : With a penalty.
    sklearn.linear_model.LinearRegression : By singular values.

    Notes
    -----
    As accurate as LAPACK's solvers, and certified: see `randla.lstsq`.  float32 stays float32.
    Sparse samples stay sparse: the mean is taken off in products.

    Examples
    --------
    >>> import numpy as np
    >>> from randla.sklearn import SketchedLinearRegression
    >>> X = np.random.default_rng(0).standard_normal((5000, 4))
    >>> model = SketchedLinearRegression(random_state=0).fit(X, X @ [1, 2, 3, 4] + 5)
    >>> np.round(model.coef_, 6), round(float(model.intercept_), 6)
    (array([1., 2., 3., 4.]), 5.0)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "fit_intercept": ["boolean"],
        "method": [StrOptions({"auto", "spir", "fossils", "qr"})],
        "tol": [Interval(Real, 0, 1, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        method: str = "auto",
        tol: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.method = method
        self.tol = tol
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SketchedLinearRegression:
        """Fit the coefficients.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array_like, shape (n_samples,), optional
            Weights of the squared errors.

        Returns
        -------
        SketchedLinearRegression
            This object.
        """
        self._solve(X, y, sample_weight, 0.0)
        return self


class SketchedRidge(_SketchedRegressor):
    """Ridge regression by `randla.lstsq`: for many more samples than features.

    Minimises ``norm(y - X w)**2 + alpha * norm(w)**2``, the constant being free.

    Parameters
    ----------
    alpha : float, default 1.0
        Penalty, at least 0.
    fit_intercept : bool, default True
        Whether a constant is fitted too.
    method : {"auto", "spir", "fossils", "qr"}, default "auto"
        As for `randla.lstsq`; ``"qr"`` is for dense `X`.
    tol : float, optional
        Backward error to be reached.  Default: 40 roundings.
    random_state : int, RandomState instance or None, default None
        Randomness of the sketch; the result depends on it by rounding errors alone.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_targets, n_features)
        Coefficients.
    intercept_ : float or ndarray, shape (n_targets,)
        Constants; 0.0 without `fit_intercept`.
    rank_ : int
        Rank of the centered samples with the rows of the penalty.
    info_ : LstsqInfo
        What the solution took, and its backward error.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray, shape ``(n_features_in_,)``
        Their names, if all are strings.

    See Also
    --------
    SketchedLinearRegression : Without a penalty.
    sklearn.linear_model.Ridge : By several other methods.

    Notes
    -----
    The penalty needs no normal equations, whose errors would be those of the square of the
    condition number: see `randla.lstsq`.

    Examples
    --------
    >>> import numpy as np
    >>> from randla.sklearn import SketchedRidge
    >>> X = np.random.default_rng(0).standard_normal((5000, 4))
    >>> model = SketchedRidge(alpha=10.0, random_state=0).fit(X, X @ [1, 2, 3, 4] + 5)
    >>> np.round(model.coef_, 2)
    array([1.  , 2.  , 2.99, 3.99])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        **SketchedLinearRegression._parameter_constraints,
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        method: str = "auto",
        tol: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.method = method
        self.tol = tol
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SketchedRidge:
        """Fit the coefficients.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array_like, shape (n_samples,), optional
            Weights of the squared errors.

        Returns
        -------
        SketchedRidge
            This object.
        """
        self._solve(X, y, sample_weight, float(self.alpha) ** 0.5)
        return self
