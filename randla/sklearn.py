"""Transformers for scikit-learn."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MultiOutputMixin,
    RegressorMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from . import lstsq, sketch

__all__ = ["RandomProjection", "SketchedLinearRegression", "SketchedRidge", "TensorSketch"]

_FLOATS = (np.float64, np.float32)


def _seed(random_state: Any) -> int:
    """An integer is the key of the stream itself; others give one draw of 64 bits."""
    if isinstance(random_state, Integral):
        return int(random_state)
    drawn = check_random_state(random_state).randint(0, 2**64, dtype=np.uint64)
    return int(drawn)


class RandomProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Random projection to few dimensions that keeps distances, without a stored matrix.

    ``transform(X)`` is ``X @ S.T`` with a sketching operator S of `randla.sketch`.

    Parameters
    ----------
    n_components : int or "auto", default "auto"
        Dimensions of the result.  "auto": as many as the lemma of Johnson and Lindenstrauss asks
        for the number of samples and `eps`, whatever the number of features.
    eps : float, default 0.1
        Distortion of squared distances that "auto" allows, in (0, 1).
    kind : str, default "sparse_sign"
        Operator: "sparse_sign", "count_sketch", "srht", "rademacher" or "gaussian".
    compute_inverse_components : bool, default False
        Compute the pseudo-inverse of S in `fit`, for `inverse_transform`.
    random_state : int, RandomState instance or None, default None
        Its randomness; an int makes it reproducible, on every machine.

    Attributes
    ----------
    n_components_ : int
        Dimensions of the result.
    operator_ : randla.sketch.LinearSketch
        The operator, ``(n_components_, n_features_in_)``; ``operator_.toarray()`` are its entries.
    inverse_components_ : ndarray, shape ``(n_features_in_, n_components_)``
        Pseudo-inverse of the operator, if `compute_inverse_components`.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray, shape ``(n_features_in_,)``
        Their names, if all are strings.

    Raises
    ------
    ValueError
        A parameter outside of its range; "auto" asks for more dimensions than there are features;
        X that is not finite, or with another number of features than in `fit`.

    See Also
    --------
    randla.sketch.SparseSign : The default operator.
    sklearn.random_projection.SparseRandomProjection : A stored sparse matrix.

    Notes
    -----
    **Guarantee.**  With ``n_components >= 4 log(n_samples) / (eps**2 / 2 - eps**3 / 3)`` all
    squared distances between samples are kept within a factor ``1 +- eps``, with high probability
    [1]_: proven for "gaussian" and "rademacher", nearly so for "sparse_sign" and "srht".
    "count_sketch" keeps them for samples without dominating features.

    **Cost.**  `fit` draws nothing but a key.  `transform` reads X once and takes 8 additions for
    each entry ("sparse_sign"), or for each nonzero of a sparse X; the result is dense.  float32
    is computed and returned in float32, and no copy of X is made.  The pseudo-inverse takes
    ``O(n_features * n_components**2)`` operations and stores ``n_features * n_components`` numbers,
    once.

    References
    ----------
    .. [1] S. Dasgupta, A. Gupta, "An elementary proof of a theorem of Johnson and Lindenstrauss",
       Random Structures & Algorithms 22 (2003), doi:10.1002/rsa.10073.

    Examples
    --------
    >>> import numpy as np
    >>> from randla.sklearn import RandomProjection
    >>> X = np.random.default_rng(0).standard_normal((25, 3000))
    >>> projection = RandomProjection(eps=0.5, random_state=0)
    >>> Y = projection.fit_transform(X)
    >>> Y.shape
    (25, 154)
    >>> bool(abs(np.linalg.norm(Y[0] - Y[1]) / np.linalg.norm(X[0] - X[1]) - 1) < 0.25)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "kind": [StrOptions({"gaussian", "rademacher", "sparse_sign", "count_sketch", "srht"})],
        "compute_inverse_components": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int | str = "auto",
        *,
        eps: float = 0.1,
        kind: str = "sparse_sign",
        compute_inverse_components: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.eps = eps
        self.kind = kind
        self.compute_inverse_components = compute_inverse_components
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> RandomProjection:
        """Choose the operator.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Only its shape and dtype count.
        y : object, optional
            Ignored.

        Returns
        -------
        RandomProjection
            This object.
        """
        X = self._input(X, reset=True)
        samples, features = X.shape
        if self.n_components == "auto":
            self.n_components_ = int(johnson_lindenstrauss_min_dim(samples, eps=self.eps))
            if self.n_components_ <= 0:
                raise ValueError(
                    f"eps={self.eps} and n_samples={samples} lead to a target dimension of "
                    f"{self.n_components_}, which is invalid"
                )
            if self.n_components_ > features:
                raise ValueError(
                    f"eps={self.eps} and n_samples={samples} lead to a target dimension of "
                    f"{self.n_components_}, which is larger than the original space with "
                    f"n_features={features}"
                )
        else:
            self.n_components_ = int(self.n_components)
        self.operator_ = _OPERATORS[self.kind](
            self.n_components_, features, rng=_seed(self.random_state)
        )
        if self.compute_inverse_components:
            dtype = X.dtype if X.dtype.kind == "f" else np.dtype(np.float64)
            self.inverse_components_ = np.linalg.pinv(self.operator_.toarray(dtype))
        return self

    def transform(self, X: Any) -> Any:
        """Project samples.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray, shape ``(n_samples, n_components_)``
            Of float32 for float32, else float64.
        """
        check_is_fitted(self)
        return self._input(X, reset=False) @ self.operator_.T

    def inverse_transform(self, X: Any) -> Any:
        """Go back to the shortest samples that have these projections.

        Parameters
        ----------
        X : array_like or sparse array, shape ``(n_samples, n_components_)``
            Projections.

        Returns
        -------
        ndarray, shape ``(n_samples, n_features_in_)``
            Projected again, they are `X` up to rounding, where S has full row rank: always in
            practice, but for "count_sketch" whose rows may be empty.

        Notes
        -----
        Without `compute_inverse_components` the pseudo-inverse is computed in each call.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOATS, accept_sparse=("csr", "csc"))
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X must have shape (n_samples, {self.n_components_}), got {tuple(X.shape)}"
            )
        if self.compute_inverse_components:
            return X @ self.inverse_components_.T
        return X @ np.linalg.pinv(self.operator_.toarray(X.dtype)).T

    def _input(self, X: Any, *, reset: bool) -> Any:
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse=("csr", "csc"),
            dtype=_FLOATS,
        )

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


_OPERATORS = {
    "gaussian": sketch.Gaussian,
    "rademacher": sketch.Rademacher,
    "sparse_sign": sketch.SparseSign,
    "count_sketch": sketch.CountSketch,
    "srht": sketch.SRHT,
}


class TensorSketch(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Random features of the polynomial kernel ``(gamma <x, y> + coef0)**degree``.

    A drop-in replacement of `sklearn.kernel_approximation.PolynomialCountSketch`: the same
    parameters and the same estimate, by another random draw.

    Parameters
    ----------
    gamma : float, default 1.0
        Factor of inner products, at least 0.
    degree : int, default 2
        Degree of the kernel, in [1, 1024].
    coef0 : float, default 0.0
        Constant of the kernel, at least 0.
    n_components : int, default 100
        Features that come out.  A power of two is fastest.
    random_state : int, RandomState instance or None, default None
        An int is the key of the random stream; others give one draw of 64 bits.

    Attributes
    ----------
    sketch_ : randla.sketch.TensorSketch
        What transforms the rows.
    n_features_in_ : int
        Features that go in.
    feature_names_in_ : ndarray of shape ``(n_features_in_,)``
        Their names, if `fit` saw a data frame with names that are all strings.

    Raises
    ------
    ValueError
        A parameter is outside of its range, `X` is not finite, or has another number of features
        than in `fit`.

    See Also
    --------
    randla.sketch.TensorSketch : The operator, its guarantee and its cost.
    sklearn.kernel_approximation.Nystroem : More accurate in few dimensions.

    Notes
    -----
    float32 stays float32, at about half the time; everything else is computed in float64.  Sparse
    input is never made dense, the result always is.

    References
    ----------
    N. Pham, R. Pagh, "Fast and scalable polynomial kernels via explicit feature maps", KDD 2013,
    doi:10.1145/2487575.2487591.

    Examples
    --------
    >>> import numpy as np
    >>> from randla.sklearn import TensorSketch
    >>> X = np.random.default_rng(0).standard_normal((6, 10)).astype(np.float32)
    >>> F = TensorSketch(n_components=512, random_state=0).fit_transform(X)
    >>> F.shape, F.dtype
    ((6, 512), dtype('float32'))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "gamma": [Interval(Real, 0, None, closed="left")],
        "degree": [Interval(Integral, 1, 1024, closed="both")],
        "coef0": [Interval(Real, 0, None, closed="left")],
        "n_components": [Interval(Integral, 1, 2**30, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        gamma: float = 1.0,
        degree: int = 2,
        coef0: float = 0.0,
        n_components: int = 100,
        random_state: Any = None,
    ) -> None:
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.n_components = n_components
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> TensorSketch:
        """Draw the sketch; of `X` only the number of features matters.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to be transformed.
        y : None
            Ignored.

        Returns
        -------
        TensorSketch
            Itself.
        """
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=_FLOATS)
        self.sketch_ = sketch.TensorSketch(
            int(self.n_components), int(X.shape[1]), int(self.degree),
            gamma=float(self.gamma), coef0=float(self.coef0), rng=_seed(self.random_state),
        )  # fmt: skip
        self._n_features_out = int(self.n_components)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the features of rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Their features.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=_FLOATS, reset=False)
        return np.asarray(self.sketch_.apply(X, axis=1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# ---- linear models -------------------------------------------------------------------------------


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
            self, X, y, accept_sparse=("csr", "csc"), dtype=_FLOATS, multi_output=True,
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
            A, Y, damp=damp, method=self.method, tol=self.tol, rng=_seed(self.random_state)
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
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=_FLOATS, reset=False)
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
