"""RandomProjection as scikit-learn expects its transformers, and against its operator."""

import io
import pickle
import tracemalloc

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import SparseRandomProjection, johnson_lindenstrauss_min_dim
from sklearn.utils.estimator_checks import check_estimator

from randla import sketch
from randla.sklearn import RandomProjection

KINDS = ["gaussian", "rademacher", "sparse_sign", "count_sketch", "srht"]


def data(samples=30, features=200, dtype="d", seed=0):
    return np.random.default_rng(seed).standard_normal((samples, features)).astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_checks_of_scikit_learn(kind):
    """All of them; those it skips need an array API that SciPy has switched off."""
    results = check_estimator(RandomProjection(n_components=2, kind=kind), on_skip=None)
    status = [r["status"] for r in results]
    assert status.count("passed") > 40
    assert set(status) <= {"passed", "skipped"}
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= {
        "check_array_api_input"
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_transform_is_a_product(kind, dtype):
    X = data(dtype=dtype)
    projection = RandomProjection(20, kind=kind, random_state=1).fit(X)
    S = projection.operator_
    assert S.shape == (20, 200)
    assert (
        type(S)
        is {
            "gaussian": sketch.Gaussian,
            "rademacher": sketch.Rademacher,
            "sparse_sign": sketch.SparseSign,
            "count_sketch": sketch.CountSketch,
            "srht": sketch.SRHT,
        }[kind]
    )
    Y = projection.transform(X)
    assert Y.dtype == dtype
    assert np.allclose(Y, X @ S.toarray().T, atol=1e-5 if dtype == "f" else 1e-12)
    # one sample or many, dense or sparse
    assert np.allclose(projection.transform(X[:1]), Y[:1], atol=1e-5)
    for form in ("csr", "csc", "coo"):
        for cls in (f"{form}_array", f"{form}_matrix"):
            Z = projection.transform(getattr(sp, cls)(X))
            assert isinstance(Z, np.ndarray)
            assert Z.dtype == dtype
            assert np.allclose(Z, Y, atol=1e-5 if dtype == "f" else 1e-12)
            assert clone(projection).fit(getattr(sp, cls)(X)).operator_ == S


def test_integers_are_computed_in_double_precision():
    X = np.arange(60).reshape(3, 20)
    projection = RandomProjection(5, random_state=0).fit(X)
    assert projection.transform(X).dtype == np.float64
    assert np.array_equal(projection.transform(X), projection.transform(X.astype(float)))


def test_auto_is_the_bound_of_johnson_and_lindenstrauss():
    X = data(25, 3000)
    for eps in (0.3, 0.5, 0.9):
        projection = RandomProjection(eps=eps, random_state=0).fit(X)
        assert projection.n_components_ == johnson_lindenstrauss_min_dim(25, eps=eps)
        assert (
            projection.n_components_
            == SparseRandomProjection(eps=eps).fit(X).n_components_
            == projection.transform(X).shape[1]
        )
    text = (
        r"eps=0\.1 and n_samples=25 lead to a target dimension of 2759, which is larger than the "
        r"original space with n_features=1000"
    )
    with pytest.raises(ValueError, match=text):
        RandomProjection().fit(X[:, :1000])
    with pytest.raises(ValueError, match="n_samples=1 lead to a target dimension of 0,"):
        RandomProjection().fit(X[:1])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "count_sketch"])
def test_auto_keeps_distances(kind):
    X = data(20, 4000)
    Y = RandomProjection(eps=0.3, kind=kind, random_state=3).fit_transform(X)
    first, second = np.triu_indices(20, 1)
    ratio = ((Y[first] - Y[second]) ** 2).sum(1) / ((X[first] - X[second]) ** 2).sum(1)
    assert 0.7 < ratio.min() < ratio.max() < 1.3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_components": 0}, "'n_components' parameter of RandomProjection must be"),
        ({"n_components": 2.5}, "'n_components' parameter"),
        ({"n_components": "all"}, "'n_components' parameter"),
        ({"eps": 0.0}, "'eps' parameter"),
        ({"eps": 1.0}, "'eps' parameter"),
        ({"kind": "fourier"}, "'kind' parameter"),
        ({"random_state": "seed"}, "'random_state' parameter"),
        ({"compute_inverse_components": "yes"}, "'compute_inverse_components' parameter"),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(ValueError, match=text):
        RandomProjection(**{"n_components": 2} | options).fit(data())


def test_bad_input():
    with pytest.raises(ValueError, match=r"d must be in \[1, 8\] .*got 9"):
        RandomProjection(9, kind="srht").fit(data(5, 8))
    projection = RandomProjection(3).fit(data(5, 8))
    with pytest.raises(ValueError, match="X has 7 features, but RandomProjection is expecting 8"):
        projection.transform(data(5, 7))
    with pytest.raises(ValueError, match=r"X must have shape \(n_samples, 3\), got \(5, 4\)"):
        projection.inverse_transform(data(5, 4))
    bad = data(5, 8)
    bad[2, 3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        projection.transform(bad)


def test_random_state():
    X = data()
    one, same, other = (RandomProjection(9, random_state=s).fit(X) for s in (4, 4, 5))
    assert one.operator_ == same.operator_ != other.operator_
    assert RandomProjection(9).fit(X).operator_ != RandomProjection(9).fit(X).operator_
    state = np.random.RandomState(0)
    first = RandomProjection(9, random_state=state).fit(X)
    second = RandomProjection(9, random_state=state).fit(X)
    assert first.operator_ != second.operator_
    before = np.random.mtrand._rand.get_state()[1].copy()
    RandomProjection(9, random_state=0).fit(X)
    assert np.array_equal(before, np.random.mtrand._rand.get_state()[1])


def test_names_and_pandas():
    X = pd.DataFrame(data(6, 4), columns=list("abcd"))
    projection = RandomProjection(3, random_state=0).fit(X)
    names = [f"randomprojection{i}" for i in range(3)]
    assert projection.get_feature_names_out().tolist() == names
    assert projection.feature_names_in_.tolist() == list("abcd")
    Y = projection.set_output(transform="pandas").transform(X)
    assert isinstance(Y, pd.DataFrame)
    assert Y.columns.tolist() == names
    assert Y.index.equals(X.index)
    pipeline = make_pipeline(StandardScaler(), RandomProjection(3)).fit(X)
    assert pipeline.get_feature_names_out().tolist() == names


def test_pickle_joblib_clone():
    X = data()
    for kind in KINDS:
        projection = RandomProjection(9, kind=kind, random_state=2).fit(X)
        Y = projection.transform(X)
        buffer = io.BytesIO()
        joblib.dump(projection, buffer)
        buffer.seek(0)
        for again in (pickle.loads(pickle.dumps(projection)), joblib.load(buffer)):
            assert again.transform(X).tobytes() == Y.tobytes()
        assert clone(projection).fit(X).transform(X).tobytes() == Y.tobytes()
        assert clone(projection).get_params() == projection.get_params()
        # an operator is a few words, whatever its size
        assert len(pickle.dumps(RandomProjection(900, kind=kind).fit(data(2, 5000)))) < 2000


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "count_sketch"])
def test_back_to_the_data(kind, computed):
    for dtype in "fd":
        X = data(dtype=dtype)
        options = {"compute_inverse_components": computed, "random_state": 0, "kind": kind}
        projection = RandomProjection(20, **options).fit(X)
        assert hasattr(projection, "inverse_components_") == computed
        Y = projection.transform(X)
        back = projection.inverse_transform(Y)
        assert back.shape == X.shape
        assert back.dtype == dtype
        assert np.allclose(projection.transform(back), Y, atol=1e-4 if dtype == "f" else 1e-10)
        sparse = projection.inverse_transform(sp.csr_array(Y))
        assert np.allclose(sparse, back, atol=1e-4)
        if computed:
            assert projection.inverse_components_.shape == (200, 20)
            assert projection.inverse_components_.dtype == dtype


def test_float32_makes_no_double_copies():
    """Neither fit nor transform holds the operator, or X in double precision."""
    X = data(2000, 3000, "f")
    projection = RandomProjection(500, random_state=0)
    tracemalloc.start()
    projection.fit(X)
    fitted = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    Y = projection.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # scikit-learn's own check of finite numbers may need a bool for each
    assert fitted < X.nbytes / 2
    assert peak < Y.nbytes + X.nbytes / 2
