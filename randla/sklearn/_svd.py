"""Decompositions of low rank as transformers."""

from __future__ import annotations

import math
from numbers import Integral, Real
from types import MethodType
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import Stream, StreamingSVD, pca, randomized_svd
from ._common import FLOATS, seed

_SPARSE = ("csr", "csc")


class _LowRank(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What both have in common."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "n_oversamples": [Interval(Integral, 0, None, closed="left")],
        "n_iter": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "method": [StrOptions({"auto", "subspace", "krylov", "gram", "exact"})],
        "random_state": ["random_state"],
    }

    def _options(self, X: Any) -> dict[str, Any]:
        """Arguments of the decomposition."""
        n, p = X.shape
        wanted = min(n, p) if self.n_components is None else self.n_components
        options = {
            "n_oversamples": self.n_oversamples,
            "n_iter": self.n_iter,
            "method": self.method,
            "rng": Stream(seed(self.random_state)),
        }
        if not isinstance(wanted, Integral):
            # a share of the squares of X is the same as an error of what is left
            return {"rtol": math.sqrt(1 - wanted), **options}
        if wanted > min(n, p):
            raise ValueError(
                f"n_components={wanted} must be at most min(n_samples, n_features), with "
                f"n_samples = {n} and n_features = {p}"
            )
        return {"k": int(wanted), **options}

    def _input(self, X: Any, **options: Any) -> Any:
        return validate_data(self, X, accept_sparse=_SPARSE, dtype=FLOATS, **options)

    def _projections(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._projected(self._input(X, reset=False))

    def _projected(self, X: Any) -> Any:
        raise NotImplementedError

    def _scores(self, X: Any) -> np.ndarray:
        """Input of `inverse_transform`."""
        check_is_fitted(self)
        scores: np.ndarray = check_array(X, dtype=FLOATS)
        if scores.shape[1] != self.n_components_:
            raise ValueError(
                f"X must have shape (n_samples, {self.n_components_}), got {scores.shape}"
            )
        return scores

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class RandomizedSVD(_LowRank):
    """Projection to the right singular vectors: latent semantic analysis, of sparse input too.

    Parameters
    ----------
    n_components : int or float, default 2
        Dimensions of the result; in (0, 1) the share of the sum of squares of X that is kept.
    n_oversamples : int, default 10
        Columns beyond `n_components` that iterate.
    n_iter : int or "auto", default "auto"
        Iterations, as for `randla.randomized_svd`.
    method : {"auto", "subspace", "krylov", "gram", "exact"}, default "auto"
        As for `randla.randomized_svd`.
    random_state : int, RandomState instance or None, default None
        Its randomness; an int makes it reproducible.

    Attributes
    ----------
    components_ : ndarray, shape ``(n_components_, n_features_in_)``
        Right singular vectors.
    singular_values_ : ndarray, shape ``(n_components_,)``
        Singular values.
    explained_variance_ : ndarray, shape ``(n_components_,)``
        Variances of the projections.
    explained_variance_ratio_ : ndarray, shape ``(n_components_,)``
        Their share of the variance of all features.
    n_components_ : int
        Dimensions of the result.
    info_ : randla.SVDInfo
        What the decomposition did, with an estimate of its error.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray, shape ``(n_features_in_,)``
        Their names, if all are strings.

    Raises
    ------
    ValueError
        A parameter outside of its range; X that is not finite, or with another number of features
        than in `fit`.

    See Also
    --------
    RandomizedPCA : Centred.
    sklearn.decomposition.TruncatedSVD : The peer.

    References
    ----------
    N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Rev. 53
    (2011), 217-288, arXiv:0909.4061.

    Examples
    --------
    >>> import scipy.sparse
    >>> from randla.sklearn import RandomizedSVD
    >>> X = scipy.sparse.random_array((200, 100), density=0.1, rng=0, format="csr")
    >>> RandomizedSVD(5, random_state=0).fit_transform(X).shape
    (200, 5)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = dict(_LowRank._parameter_constraints)

    def __init__(
        self,
        n_components: Any = 2,
        *,
        n_oversamples: int = 10,
        n_iter: Any = "auto",
        method: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.n_oversamples = n_oversamples
        self.n_iter = n_iter
        self.method = method
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> RandomizedSVD:
        """Decompose X.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        RandomizedSVD
            Itself.
        """
        self.fit_transform(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Decompose X, and project it.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        ndarray, shape ``(n_samples, n_components_)``
            Projections.
        """
        X = self._input(X)
        result = randomized_svd(X, **self._options(X))
        self.components_, self.singular_values_ = np.ascontiguousarray(result.Vh), result.S
        self.n_components_, self.info_ = result.rank, result.info
        projections = X @ self.components_.T
        self.explained_variance_ = projections.var(axis=0)
        total = _total_variance(X)
        self.explained_variance_ratio_ = self.explained_variance_ / (total or 1)
        return projections

    def transform(self, X: Any) -> Any:
        """Project samples.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray, shape ``(n_samples, n_components_)``
            Projections.
        """
        return self._projections(X)

    def _projected(self, X: Any) -> Any:
        return X @ self.components_.T

    def inverse_transform(self, X: Any) -> Any:
        """Go back to the space of the samples.

        Parameters
        ----------
        X : array_like, shape ``(n_samples, n_components_)``
            Projections.

        Returns
        -------
        ndarray, shape ``(n_samples, n_features_in_)``
            Samples of low rank.
        """
        return self._scores(X) @ self.components_


def _total_variance(X: Any) -> float:
    """Sum of the variances of the columns; of a sparse X, too."""
    if isinstance(X, np.ndarray):
        return float(X.var(axis=0, dtype=np.float64).sum())
    data = X.data.astype(np.float64)
    means = np.asarray(X.astype(np.float64).sum(axis=0)).ravel() / X.shape[0]
    return float((data**2).sum() / X.shape[0] - (means**2).sum())


_FOUND = (
    "components_", "explained_variance_", "explained_variance_ratio_", "info_", "mean_",
    "n_components_", "n_samples_", "noise_variance_", "singular_values_",
)  # fmt: skip


class _NotIncrementalError(ValueError, AttributeError):
    """A method that the parameters rule out: scikit-learn asks by hasattr whether there is one."""


class _Incremental:
    """A method that needs an integer `n_components`."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, estimator: Any, owner: Any = None) -> Any:
        if estimator is None:
            return self.function
        if not isinstance(estimator.n_components, Integral):
            raise AttributeError  # on to __getattr__
        return MethodType(self.function, estimator)


class RandomizedPCA(_LowRank):
    """Principal components by randomized decompositions; sparse input is centred but stays sparse.

    Parameters
    ----------
    n_components : int, float or None, default None
        Components; in (0, 1) the share of the variance that they explain; None: all.
    whiten : bool, default False
        Scale the projections to unit variance.
    n_oversamples : int, default 10
        Columns beyond `n_components` that iterate.
    n_iter : int or "auto", default "auto"
        Iterations, as for `randla.pca`.
    method : {"auto", "subspace", "krylov", "gram", "exact"}, default "auto"
        As for `randla.pca`.
    random_state : int, RandomState instance or None, default None
        Its randomness; an int makes it reproducible.

    Attributes
    ----------
    components_ : ndarray, shape ``(n_components_, n_features_in_)``
        Principal axes.
    explained_variance_ : ndarray, shape ``(n_components_,)``
        Variances along them.
    explained_variance_ratio_ : ndarray, shape ``(n_components_,)``
        Their share of the variance of all features.
    singular_values_ : ndarray, shape ``(n_components_,)``
        Singular values of the centred samples.
    mean_ : ndarray, shape ``(n_features_in_,)``
        Means of the features.
    noise_variance_ : float
        Mean variance of the directions that are left out, as for probabilistic components.
    n_components_ : int
        How many there are.
    n_samples_ : int
        Samples seen in `fit`, or in all calls of `partial_fit`.
    n_samples_seen_ : int
        The same; after `partial_fit` alone.
    info_ : randla.SVDInfo
        What the decomposition did, with an estimate of its error.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray, shape ``(n_features_in_,)``
        Their names, if all are strings.

    Raises
    ------
    ValueError
        A parameter outside of its range; X that is not finite, or with another number of features
        than in `fit`.

    See Also
    --------
    RandomizedSVD : Without centring.
    sklearn.decomposition.PCA : The peer; of `partial_fit`, IncrementalPCA.

    References
    ----------
    N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Rev. 53
    (2011), 217-288, arXiv:0909.4061.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from randla.sklearn import RandomizedPCA
    >>> X = load_digits().data
    >>> RandomizedPCA(0.95, random_state=0).fit(X).n_components_
    29
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_LowRank._parameter_constraints,
        "n_components": [*_LowRank._parameter_constraints["n_components"], None],
        "whiten": ["boolean"],
    }

    def __init__(
        self,
        n_components: Any = None,
        *,
        whiten: bool = False,
        n_oversamples: int = 10,
        n_iter: Any = "auto",
        method: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.n_oversamples = n_oversamples
        self.n_iter = n_iter
        self.method = method
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> RandomizedPCA:
        """Find the components.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        RandomizedPCA
            Itself.
        """
        X = self._input(X, ensure_min_samples=2)
        self._forget()
        self._keep(pca(X, **self._options(X)), X.shape)
        return self

    @_Incremental
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any = None) -> RandomizedPCA:
        """Take more samples, in a batch of any size; they are not kept.

        The components are those of `randla.StreamingSVD` of all batches since the last `fit`, and
        are found when they are first asked for.
        There are none until as many samples have come as there are components, and two.
        `n_components` must be an int, else there is no such method: AttributeError, and ValueError.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        RandomizedPCA
            Itself.
        """
        k, first = self.n_components, not hasattr(self, "_stream")
        X = self._input(X, reset=first)
        if first:
            if k > X.shape[1]:
                raise ValueError(
                    f"n_components={k} must be at most n_features = {X.shape[1]} of the samples"
                )
            self._forget()
            self._stream = StreamingSVD(
                X.shape[1], int(k), dtype=X.dtype, left=False, rng=Stream(seed(self.random_state))
            )
        elif k != self._stream.rank:
            raise ValueError(
                f"n_components={k} differs from {self._stream.rank} of earlier calls of "
                f"partial_fit: call fit first"
            )
        self._stream.update_rows(X)
        for name in _FOUND:
            self.__dict__.pop(name, None)
        self.n_samples_seen_ = self._stream.shape[0]
        return self

    def _forget(self) -> None:
        """What earlier fits have left."""
        for name in ("_stream", "n_samples_seen_", *_FOUND):
            self.__dict__.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        """What a stream has found, when it is asked for: that takes longer than a batch."""
        if name in _FOUND and self._has_enough():
            self._keep(self._stream.pca(), self._stream.shape)
            return self.__dict__[name]
        if name == "partial_fit":
            raise _NotIncrementalError(
                f"partial_fit needs an integer n_components, got n_components={self.n_components}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _keep(self, result: Any, shape: tuple[int, int]) -> None:
        self.components_, self.singular_values_ = np.ascontiguousarray(result.Vh), result.S
        self.mean_ = result.mean
        self.explained_variance_ = result.explained_variance
        self.explained_variance_ratio_ = result.explained_variance_ratio
        self.n_components_, self.info_ = result.rank, result.info
        self.n_samples_ = shape[0]
        left, share = min(shape) - result.rank, float(result.explained_variance_ratio.sum())
        total = float(result.explained_variance.sum()) / share if share else 0.0
        self.noise_variance_ = max(1 - share, 0.0) * total / left if left else 0.0

    def _has_enough(self) -> bool:
        """Whether a stream has rows for all components."""
        stream = self.__dict__.get("_stream")
        return stream is not None and bool(stream.shape[0] >= max(2, stream.rank))

    def __sklearn_is_fitted__(self) -> bool:
        # scikit-learn asks before each batch: nothing is to be found for that
        return "components_" in self.__dict__ or self._has_enough()

    def transform(self, X: Any) -> Any:
        """Project samples.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray, shape ``(n_samples, n_components_)``
            Their coordinates, of unit variance if `whiten`.
        """
        return self._projections(X)

    def _projected(self, X: Any) -> Any:
        scores = X @ self.components_.T - (self.mean_ @ self.components_.T)
        return scores / self._deviations(scores.dtype) if self.whiten else scores

    def _deviations(self, dtype: Any) -> np.ndarray:
        """Standard deviations, 1 where there is none."""
        d = np.sqrt(self.explained_variance_)
        least = np.finfo(d.dtype).eps * d.max(initial=0)
        return np.where(d > least, d, 1).astype(dtype)

    def inverse_transform(self, X: Any) -> Any:
        """Go back to the space of the samples.

        Parameters
        ----------
        X : array_like, shape ``(n_samples, n_components_)``
            Coordinates.

        Returns
        -------
        ndarray, shape ``(n_samples, n_features_in_)``
            Samples in the span of the components.
        """
        scores = self._scores(X)
        scores = scores * self._deviations(scores.dtype) if self.whiten else scores
        return scores @ self.components_ + self.mean_
