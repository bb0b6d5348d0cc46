"""RandomizedSVD and RandomizedPCA beside scikit-learn's."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from randla.sklearn import RandomizedPCA, RandomizedSVD

DIGITS = load_digits().data
SPARSE = sp.random_array((400, 150), density=0.1, rng=0, format="csr")
# but for array libraries, which scikit-learn takes only with SCIPY_ARRAY_API in the environment
CHECKS = [
    (estimator, check)
    for one in (
        RandomizedSVD(random_state=0),
        RandomizedPCA(random_state=0),
        RandomizedPCA(2, random_state=0),
        RandomizedPCA(0.9, whiten=True, random_state=0),
    )
    for estimator, check in estimator_checks_generator(one)
    if check.func.__name__ != "check_array_api_input"
]


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=lambda x: getattr(getattr(x, "func", x), "__name__", "")
)
def test_estimator(estimator, check):
    check(estimator)


def aligned(ours, theirs):
    """Theirs with the signs of ours."""
    return theirs * np.sign((ours * theirs).sum(axis=1))[:, None]


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize(
    "given", [DIGITS, DIGITS.astype(np.float32), SPARSE], ids=lambda x: x.dtype
)
def test_pca_as_the_peer(given, whiten):
    ours = RandomizedPCA(8, whiten=whiten, n_iter=15, random_state=0).fit(given)
    dense = given.toarray() if sp.issparse(given) else given
    theirs = PCA(8, whiten=whiten, svd_solver="full").fit(dense)
    close = {"rtol": 1e-3, "atol": 1e-3}
    for name in (
        "singular_values_", "explained_variance_", "explained_variance_ratio_", "mean_",
        "noise_variance_", "n_components_", "n_samples_", "n_features_in_",
    ):  # fmt: skip
        assert np.allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-3), name
    if given is SPARSE:  # its last components lie close together
        return
    assert np.allclose(ours.components_, aligned(ours.components_, theirs.components_), **close)
    scores = ours.transform(given)
    assert scores.dtype == ours.components_.dtype == given.dtype
    assert np.allclose(scores.T, aligned(scores.T, theirs.transform(dense).T), atol=2e-2)
    back = ours.inverse_transform(scores)
    wanted = theirs.inverse_transform(theirs.transform(dense))
    assert np.allclose(back, wanted, atol=1e-2)
    if whiten:
        assert np.allclose(scores.std(axis=0, ddof=1), 1, atol=1e-4)


def test_share_of_the_variance():
    for share in (0.5, 0.9, 0.95):
        ours, theirs = RandomizedPCA(share, random_state=0), PCA(share, svd_solver="full")
        assert ours.fit(DIGITS).n_components_ == theirs.fit(DIGITS).n_components_
        assert ours.explained_variance_ratio_.sum() >= share
        assert np.isclose(ours.noise_variance_, theirs.noise_variance_)
    sparse = RandomizedPCA(0.5, random_state=0).fit(SPARSE)
    exact = PCA(0.5, svd_solver="full").fit(SPARSE.toarray())
    assert exact.n_components_ <= sparse.n_components_ <= 1.2 * exact.n_components_ + 5
    kept = RandomizedSVD(0.99, random_state=0).fit(DIGITS)
    total = (DIGITS**2).sum()
    assert (kept.singular_values_**2).sum() >= 0.99 * total
    assert (kept.singular_values_[:-1] ** 2).sum() < 0.99 * total


def test_all_components():
    X = DIGITS[:40, :20]
    ours, theirs = RandomizedPCA().fit(X), PCA().fit(X)
    assert ours.n_components_ == 20
    assert ours.noise_variance_ == theirs.noise_variance_ == 0
    assert np.allclose(ours.inverse_transform(ours.transform(X)), X)
    constant = RandomizedPCA(2, whiten=True).fit(np.ones((9, 5)))
    assert not constant.transform(np.ones((9, 5))).any()


@pytest.mark.parametrize("given", [DIGITS, SPARSE, sp.csc_matrix(SPARSE)], ids=type)
def test_svd_as_the_peer(given):
    ours = RandomizedSVD(6, n_iter=15, method="subspace", random_state=0)
    theirs = TruncatedSVD(6, algorithm="arpack", random_state=0).fit(given)
    scores = ours.fit_transform(given)
    for name in ("singular_values_", "explained_variance_", "explained_variance_ratio_"):
        assert np.allclose(getattr(ours, name), getattr(theirs, name), rtol=5e-3), name
    assert np.allclose(scores, ours.transform(given))
    assert np.allclose(ours.inverse_transform(scores), scores @ ours.components_)
    dense = given.toarray() if sp.issparse(given) else given
    mine = np.linalg.norm(dense - ours.inverse_transform(scores))
    best = np.linalg.norm(dense - theirs.inverse_transform(theirs.transform(given)))
    assert mine <= 1.001 * best


def test_names_and_frames():
    X = pd.DataFrame(DIGITS[:50, :10], columns=list("abcdefghij"))
    for estimator, stem in (
        (RandomizedPCA(3), "randomizedpca"),
        (RandomizedSVD(3), "randomizedsvd"),
    ):
        t = clone(estimator).set_output(transform="pandas").fit(X)
        names = [f"{stem}{i}" for i in range(3)]
        assert t.get_feature_names_out().tolist() == names
        F = t.transform(X)
        assert F.columns.tolist() == names
        assert F.index.equals(X.index)


def test_copies_and_pipelines():
    for estimator in (RandomizedPCA(3, random_state=1), RandomizedSVD(3, random_state=1)):
        t = clone(estimator).fit(SPARSE)
        wanted = t.transform(SPARSE)
        assert np.array_equal(pickle.loads(pickle.dumps(t)).transform(SPARSE), wanted)
        assert np.array_equal(clone(t).fit(SPARSE).transform(SPARSE), wanted)
        pipe = make_pipeline(clone(estimator))
        assert np.allclose(pipe.fit_transform(SPARSE), wanted, atol=1e-12)


def test_what_is_refused():
    for wrong, text in (
        ({"n_components": 0}, "'n_components' parameter"),
        ({"n_components": 1.5}, "'n_components' parameter"),
        ({"n_iter": -1}, "'n_iter' parameter"),
        ({"method": "lanczos"}, "'method' parameter"),
        ({"n_components": 65}, "n_components=65 must be at most min.*n_features = 64"),
    ):
        for cls in (RandomizedPCA, RandomizedSVD):
            with pytest.raises(ValueError, match=text):
                cls(**wrong).fit(DIGITS)
    with pytest.raises(ValueError, match=r"X must have shape \(n_samples, 2\), got \(3, 4\)"):
        RandomizedPCA(2).fit(DIGITS).inverse_transform(np.ones((3, 4)))


@pytest.mark.parametrize("sizes", [[1] * 20 + [1777], [200] * 8 + [197], [1797]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_partial_fit_as_the_peer(sizes, dtype):
    """Components as near to the best ones as those of IncrementalPCA, for any batches."""
    X = DIGITS.astype(dtype)
    exact = PCA(10, svd_solver="full").fit(DIGITS)
    theirs = IncrementalPCA(10, batch_size=200).fit(DIGITS)
    ours = RandomizedPCA(10, random_state=0)
    for batch in np.split(X, np.cumsum(sizes)[:-1]):
        ours.partial_fit(batch)

    def left(pca):
        centred = DIGITS - DIGITS.mean(axis=0)
        V = pca.components_.astype(float)
        return np.linalg.norm(centred - centred @ V.T @ V)

    assert left(ours) <= 1.01 * left(exact)
    assert left(theirs) <= 1.01 * left(exact)
    assert np.allclose(ours.mean_, DIGITS.mean(axis=0), atol=1e-5)
    assert ours.n_samples_seen_ == ours.n_samples_ == 1797
    assert ours.components_.dtype == dtype
    for name, close in (
        ("explained_variance_", 0.08), ("explained_variance_ratio_", 0.08),
        ("singular_values_", 0.04), ("noise_variance_", 0.05),
    ):  # fmt: skip
        assert np.allclose(getattr(ours, name), getattr(exact, name), rtol=close), name
    assert ours.transform(X[:3]).shape == (3, 10)
    assert ours.info_.method == "stream"


def test_partial_fit_of_the_first_batches():
    ours = RandomizedPCA(3, random_state=0).partial_fit(DIGITS[:2])
    assert ours.n_samples_seen_ == 2
    assert not hasattr(ours, "components_")
    with pytest.raises(NotFittedError):
        ours.transform(DIGITS)
    ours.partial_fit(DIGITS[2:3])
    assert "components_" not in vars(ours)  # until they are asked for
    assert ours.transform(DIGITS).shape == (1797, 3)
    other = pickle.loads(pickle.dumps(ours)).partial_fit(DIGITS[3:40])
    ours.partial_fit(sp.csr_array(DIGITS[3:40]))
    assert np.array_equal(ours.components_, other.components_)
    assert np.array_equal(
        ours.components_, RandomizedPCA(3, random_state=0).partial_fit(DIGITS[:40]).components_
    )


def test_partial_fit_and_fit():
    ours = RandomizedPCA(3, random_state=0).partial_fit(DIGITS[:100])
    ours.fit(DIGITS)
    assert not hasattr(ours, "n_samples_seen_")
    assert ours.partial_fit(DIGITS[:100]).n_samples_seen_ == 100
    ours.set_params(n_components=4)
    with pytest.raises(ValueError, match="n_components=4 differs from 3 of earlier calls"):
        ours.partial_fit(DIGITS)
    with pytest.raises(ValueError, match="n_components=65 must be at most n_features = 64"):
        RandomizedPCA(65).partial_fit(DIGITS)
    for wanted in (None, 0.9):
        with pytest.raises(ValueError, match="partial_fit needs an integer n_components, got"):
            RandomizedPCA(wanted).partial_fit(DIGITS)
        assert not hasattr(RandomizedPCA(wanted), "partial_fit")


def test_features_that_are_constant():
    """A basis that is complete was once extended by what it had already."""
    given = np.zeros((100, 500))
    given[:, :30] = np.random.default_rng(0).standard_normal((100, 30)) + 1
    found = RandomizedPCA(0.999, random_state=0).fit(given)
    V = found.components_
    assert np.allclose(V @ V.T, np.eye(len(V)), atol=1e-13)
    assert 0.999 <= found.explained_variance_ratio_.sum() <= 1 + 1e-12
