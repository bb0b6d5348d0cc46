"""The transformers for scikit-learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.kernel_approximation import PolynomialCountSketch
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import randla
from randla.sklearn import TensorSketch


def rows(count=20, m=6, dtype=np.float64):
    return np.random.default_rng(0).standard_normal((count, m)).astype(dtype)


# but for array libraries, which scikit-learn takes only with SCIPY_ARRAY_API in the environment
CHECKS = [
    (estimator, check)
    for one in (TensorSketch(random_state=0), TensorSketch(degree=3, coef0=1.0))
    for estimator, check in estimator_checks_generator(one)
    if check.func.__name__ != "check_array_api_input"
]


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=lambda x: getattr(getattr(x, "func", x), "__name__", "")
)
def test_estimator(estimator, check):
    check(estimator)


def test_parameters_are_those_of_the_peer():
    ours, theirs = TensorSketch().get_params(), PolynomialCountSketch().get_params()
    assert ours == theirs


def test_estimates_the_kernel_as_well_as_the_peer():
    X = rows(40) / 6**0.5
    options = {"gamma": 0.7, "degree": 3, "coef0": 0.5}
    exact = polynomial_kernel(X, **options)
    error = {}
    for cls in (TensorSketch, PolynomialCountSketch):
        errors = []
        for seed in range(200):
            F = cls(n_components=256, random_state=seed, **options).fit_transform(X)
            errors.append(np.linalg.norm(F @ F.T - exact))
        error[cls] = np.mean(errors)
    assert error[TensorSketch] < 1.1 * error[PolynomialCountSketch]


def test_is_the_operator():
    X = rows()
    t = TensorSketch(gamma=0.5, degree=3, coef0=2, n_components=64, random_state=9).fit(X)
    S = randla.sketch.TensorSketch(64, 6, 3, gamma=0.5, coef0=2, rng=9)
    assert t.sketch_ == S
    assert np.array_equal(t.transform(X), S.apply(X, axis=1))
    for make in (scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array):
        assert np.array_equal(t.transform(make(X)), t.transform(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    X = rows(dtype=dtype)
    t = TensorSketch(random_state=0).fit(X)
    assert t.transform(X).dtype == dtype
    assert t.transform(scipy.sparse.csr_array(X)).dtype == dtype
    assert t.transform(X.astype(int)).dtype == np.float64


def test_names_and_frames():
    X = pd.DataFrame(rows(), columns=list("abcdef"))
    t = TensorSketch(n_components=3, random_state=0).set_output(transform="pandas").fit(X)
    names = ["tensorsketch0", "tensorsketch1", "tensorsketch2"]
    assert t.get_feature_names_out().tolist() == names
    F = t.transform(X)
    assert isinstance(F, pd.DataFrame)
    assert F.columns.tolist() == names
    assert F.index.equals(X.index)
    assert t.feature_names_in_.tolist() == list("abcdef")


def test_copies():
    X = rows()
    t = TensorSketch(n_components=8, random_state=3).fit(X)
    assert np.array_equal(pickle.loads(pickle.dumps(t)).transform(X), t.transform(X))
    assert np.array_equal(clone(t).fit(X).transform(X), t.transform(X))
    pipe = make_pipeline(TensorSketch(n_components=8, random_state=3))
    assert np.array_equal(pipe.fit_transform(X), t.transform(X))


def test_random_states():
    X = rows()

    def key(state):
        return TensorSketch(random_state=state).fit(X).sketch_.stream.key

    assert key(5) == 5
    assert key(np.random.RandomState(5)) == key(np.random.RandomState(5))
    one = np.random.RandomState(5)
    assert key(one) != key(one)


@pytest.mark.parametrize(
    "wrong", [{"gamma": -1.0}, {"degree": 0}, {"coef0": -1.0}, {"n_components": 0}]
)
def test_parameters_that_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"'{name}' parameter of TensorSketch must be"):
        TensorSketch(**wrong).fit(rows())
