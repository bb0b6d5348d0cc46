"""Nystroem beside scikit-learn's, and what it says of its error."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import Nystroem as Peer
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics.pairwise import kernel_metrics, pairwise_kernels, rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from randla.sklearn import Nystroem

X, Y = load_digits(return_X_y=True)
X = X / 16
# but for array libraries, which scikit-learn takes only with SCIPY_ARRAY_API in the environment
CHECKS = [
    (estimator, check)
    for one in (Nystroem(random_state=0), Nystroem(landmarks="pivots", tol=0.1, random_state=0))
    for estimator, check in estimator_checks_generator(one)
    if check.func.__name__ != "check_array_api_input"
]


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=lambda x: getattr(getattr(x, "func", x), "__name__", "")
)
@pytest.mark.filterwarnings("ignore:n_components=.* is more than n_samples")
def test_estimator(estimator, check):
    check(estimator)


def missing(F, K):
    """Share of the trace."""
    return 1 - (F**2).sum() / np.trace(K)


def error(F, K):
    """Relative, in the Frobenius norm."""
    return np.linalg.norm(K - F @ F.T) / np.linalg.norm(K)


@pytest.mark.parametrize("landmarks", ["uniform", "pivots"])
@pytest.mark.parametrize("kernel", sorted(kernel_metrics()))
def test_every_kernel_as_the_peer(kernel, landmarks):
    given = X[:300]
    with np.errstate(divide="ignore"):
        K = pairwise_kernels(given, metric=kernel)
    ours = Nystroem(kernel, n_components=60, landmarks=landmarks, random_state=0)
    F = ours.fit_transform(given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = np.mean([
            error(Peer(kernel, n_components=60, random_state=i).fit_transform(given), K)
            for i in range(8)
        ])  # fmt: skip
    if kernel in ("additive_chi2", "sigmoid"):  # indefinite
        assert np.isnan(ours.error_)
        assert error(F, K) <= 2 * theirs
        return
    assert error(F, K) <= 1.1 * theirs + 1e-6
    assert missing(F, K) >= -1e-12
    assert abs(ours.error_ - missing(F, K)) <= 0.25 * missing(F, K) + 1e-4


def test_the_same_kernel_from_the_same_landmarks():
    for dtype, close in ((np.float64, 1e-9), (np.float32, 1e-4)):
        given = X.astype(dtype)
        ours = Nystroem(gamma=0.1, n_components=150, random_state=0).fit(given)
        assert ours.transform(given).dtype == ours.normalization_.dtype == dtype
        B, K = given[ours.component_indices_], rbf_kernel(given, gamma=0.1)
        assert np.array_equal(B, ours.components_)
        U, s, Vh = np.linalg.svd(K[np.ix_(ours.component_indices_, ours.component_indices_)])
        F = rbf_kernel(given, B, gamma=0.1) @ (U / np.sqrt(np.maximum(s, 1e-12)) @ Vh).T
        G = ours.transform(given)
        assert np.abs(G @ G.T - F @ F.T).max() <= close


def test_pivots_find_what_is_rare():
    """Twenty small groups far from the rest: samples drawn uniformly miss most of them."""
    rng = np.random.default_rng(0)
    centres = 20 * rng.standard_normal((20, 8))
    given = np.concatenate([0.05 * rng.standard_normal((3960, 8)), np.repeat(centres, 2, axis=0)])
    K = rbf_kernel(given, gamma=0.05)
    by_pivots, uniform = (
        np.median([
            missing(Nystroem(gamma=0.05, n_components=1000, landmarks=landmarks, tol=tol,
                             random_state=i).fit_transform(given), K)
            for i in range(3)
        ])
        for landmarks, tol in (("pivots", 1e-6), ("uniform", None))
    )  # fmt: skip
    assert by_pivots < 1e-6 < 1e-3 < uniform
    few = Nystroem(gamma=0.05, n_components=1000, landmarks="pivots", tol=0.001, random_state=0)
    assert 10 <= few.fit(given).n_components_ <= 40


def test_tolerance():
    for tol in (0.3, 0.1, 0.03):
        ours = Nystroem(n_components=1000, gamma=0.05, landmarks="pivots", tol=tol, random_state=0)
        F = ours.fit_transform(X)
        assert F.shape[1] == ours.n_components_ < 1000
        assert missing(F, rbf_kernel(X, gamma=0.05)) <= 1.1 * tol
        assert abs(ours.error_ - tol) <= 0.3 * tol
    with pytest.raises(ValueError, match="tol goes with landmarks='pivots'"):
        Nystroem(tol=0.1).fit(X)


@pytest.mark.parametrize("landmarks", ["uniform", "pivots"])
def test_rank_deficient_kernels_stop_at_their_rank(landmarks):
    """Of 12 directions in 40 features; and of repeated samples."""
    rng = np.random.default_rng(0)
    given = rng.standard_normal((600, 12)) @ rng.standard_normal((12, 40))
    ours = Nystroem("linear", n_components=300, landmarks=landmarks, random_state=0)
    F = ours.fit_transform(given)
    assert ours.n_components_ == 12
    assert np.abs(F @ F.T - given @ given.T).max() <= 1e-9
    assert ours.error_ <= 1e-12
    given = np.repeat(X[:30], 20, axis=0)
    ours = Nystroem(n_components=600, landmarks=landmarks, random_state=0).fit(given)
    assert ours.n_components_ == 30
    assert np.isfinite(ours.normalization_).all()
    assert ours.error_ <= 1e-12
    with np.errstate(all="raise"):
        zeros = Nystroem("linear", n_components=3, landmarks=landmarks, random_state=0)
        assert not zeros.fit_transform(np.zeros((10, 4))).any()


def test_precomputed_and_callable_and_sparse():
    K = rbf_kernel(X, gamma=0.05)
    wanted = Nystroem(gamma=0.05, n_components=80, random_state=0).fit(X)
    F = wanted.transform(X[:50])
    ours = Nystroem("precomputed", n_components=80, random_state=0).fit(K)
    assert np.array_equal(ours.component_indices_, wanted.component_indices_)
    assert np.allclose(ours.transform(K[:50]), F)
    assert np.isclose(ours.error_, wanted.error_)
    with pytest.raises(ValueError, match="must be square"):
        Nystroem("precomputed").fit(K[:, :5])

    def kernel(x, y, gamma):
        return np.exp(-gamma * ((x - y) ** 2).sum())

    few = X[:120]
    ours = Nystroem(kernel, kernel_params={"gamma": 0.05}, n_components=20, random_state=0)
    other = Nystroem(gamma=0.05, n_components=20, random_state=0)
    assert np.allclose(ours.fit_transform(few), other.fit_transform(few))
    sparse = Nystroem(gamma=0.05, n_components=80, random_state=0).fit(sp.csr_array(X))
    assert np.allclose(sparse.transform(sp.csr_array(X[:50])), F)


def test_in_a_pipeline_and_pickled():
    model = make_pipeline(Nystroem(gamma=0.3, n_components=300, random_state=0), RidgeClassifier())
    model.fit(X[:1200], Y[:1200])
    assert model.score(X[1200:], Y[1200:]) > 0.94
    features = model[0]
    again = pickle.loads(pickle.dumps(features))
    assert np.array_equal(again.transform(X[:9]), features.transform(X[:9]))
    assert np.array_equal(clone(features).fit(X[:1200]).components_, features.components_)
    names = features.get_feature_names_out()
    assert len(names) == 300
    assert names[0] == "nystroem0"
    with pytest.warns(UserWarning, match="n_components=100 is more than n_samples=20"):
        Nystroem().fit(X[:20])


@pytest.mark.parametrize("landmarks", ["uniform", "pivots"])
def test_error_of_samples_in_order(landmarks):
    """Samples that tell the error were once the first ones."""
    rng = np.random.default_rng(0)
    given = np.vstack([f * rng.standard_normal((1000, 5)) for f in (0.01, 3)])
    found = Nystroem(gamma=0.5, n_components=300, landmarks=landmarks, random_state=0)
    truth = missing(found.fit_transform(given), rbf_kernel(given, gamma=0.5))
    assert 0.75 * truth <= found.error_ <= 1.25 * truth


@pytest.mark.parametrize("kernel", ["linear", "poly"])
def test_error_where_landmarks_are_most_of_the_trace(kernel):
    given = np.random.default_rng(0).standard_normal((400, 300))
    given[7] *= 1e3
    found = Nystroem(kernel, n_components=100, landmarks="pivots", random_state=0)
    truth = missing(found.fit_transform(given), pairwise_kernels(given, metric=kernel))
    assert 0.75 * truth <= found.error_ <= 1.25 * truth


@pytest.mark.parametrize("landmarks", ["uniform", "pivots"])
@pytest.mark.parametrize("offset", [10, 30, 60, 1000])
def test_samples_far_from_the_origin(offset, landmarks):
    """Distances have the rounding of squares: what is left of the diagonal is larger than eps."""
    given = np.random.default_rng(0).standard_normal((120, 3)) + offset
    given[60:90] = given[:30]
    found = Nystroem(gamma=0.01, n_components=120, landmarks=landmarks, random_state=0)
    F = found.fit_transform(given)
    assert found.error_ <= 1e-6
    assert found.n_components_ < 100
    assert error(F, rbf_kernel(given, gamma=0.01)) <= 1e-6


def test_a_block_of_pivots_that_rounding_spoils():
    """Its kernel had no Cholesky factor, for the limit of rounding that comes first."""
    given = np.random.default_rng(2).standard_normal((120, 3)) + 60
    given[60:] = given[:60]
    found = Nystroem(gamma=0.05, n_components=120, landmarks="pivots", random_state=2).fit(given)
    assert found.n_components_ <= 60
    assert found.error_ <= 1e-6


def test_parameters_of_kernels():
    given, options = X[:100], {"n_components": 20, "random_state": 0}
    ours = Nystroem(kernel_params={"gamma": 5.0}, **options).fit(given)
    assert np.array_equal(
        ours.normalization_, Nystroem(gamma=5.0, **options).fit(given).normalization_
    )
    for kernel, value in ((lambda x, y: x @ y, given), ("precomputed", given @ given.T)):
        with pytest.raises(ValueError, match="gamma, coef0 and degree go with"):
            Nystroem(kernel, gamma=2, **options).fit(value)
    for landmarks in ("uniform", "pivots"):
        with (
            pytest.raises(ValueError, match="kernel of samples of X is not finite"),
            np.errstate(all="ignore"),
        ):
            Nystroem("linear", landmarks=landmarks, **options).fit(given * 1e200)
