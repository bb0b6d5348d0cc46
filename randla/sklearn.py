"""Transformers for scikit-learn."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from . import sketch

__all__ = ["TensorSketch"]

_FLOATS = (np.float64, np.float32)


def _seed(random_state: Any) -> int:
    """An integer is the key of the stream itself; others give one draw of 64 bits."""
    if isinstance(random_state, Integral):
        return int(random_state)
    drawn = check_random_state(random_state).randint(0, 2**64, dtype=np.uint64)
    return int(drawn)


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
    feature_names_in_ : ndarray of shape (n_features_in_,)
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
