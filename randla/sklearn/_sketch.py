"""Random projections and features of the polynomial kernel."""

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
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import sketch
from ._common import FLOATS, seed


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
            self.n_components_, features, rng=seed(self.random_state)
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
        X = check_array(X, dtype=FLOATS, accept_sparse=("csr", "csc"))
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
            dtype=FLOATS,
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
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=FLOATS)
        self.sketch_ = sketch.TensorSketch(
            int(self.n_components), int(X.shape[1]), int(self.degree),
            gamma=float(self.gamma), coef0=float(self.coef0), rng=seed(self.random_state),
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
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=FLOATS, reset=False)
        return np.asarray(self.sketch_.apply(X, axis=1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
