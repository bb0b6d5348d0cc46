"""SketchedLinearRegression and SketchedRidge: scikit-learn's checks, and its models as oracles."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.estimator_checks import check_estimator

from randla.sklearn import SketchedLinearRegression, SketchedRidge


@pytest.mark.parametrize("kind", [SketchedLinearRegression, SketchedRidge])
def test_checks_of_scikit_learn(kind):
    """All of them; those it skips need an array API that SciPy has switched off."""
    results = check_estimator(kind(random_state=0), on_skip=None)
    status = [r["status"] for r in results]
    assert status.count("passed") > 40
    assert set(status) <= {"passed", "skipped"}
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= {
        "check_array_api_input"
    }


def data(targets=(), dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 12)) * 2.0 ** np.arange(12) + 3
    X[rng.random(X.shape) < 0.5] = 0
    y = X @ rng.standard_normal((12, *targets)) + rng.standard_normal((400, *targets)) + 7
    return X.astype(dtype), y.astype(dtype), rng.random(400)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("method", ["auto", "spir"])
@pytest.mark.parametrize("targets", [(), (3,)])
def test_agrees_with_scikit_learn(targets, method, fit_intercept):
    X, y, weight = data(targets)
    for mine, other in (
        (SketchedLinearRegression(), LinearRegression()),
        (SketchedRidge(5.0), Ridge(5.0, solver="cholesky")),
    ):
        mine.set_params(method=method, fit_intercept=fit_intercept, random_state=0)
        other.set_params(fit_intercept=fit_intercept)
        for w in (None, weight):
            wanted = other.fit(X, y, w)
            for samples in (X, scipy.sparse.csr_array(X), scipy.sparse.csc_array(X)):
                model = mine.fit(samples, y, w)
                assert model.coef_.shape == wanted.coef_.shape
                np.testing.assert_allclose(model.coef_, wanted.coef_, atol=1e-9)
                np.testing.assert_allclose(model.intercept_, wanted.intercept_, atol=1e-8)
                np.testing.assert_allclose(model.predict(samples), wanted.predict(X), atol=1e-8)
                assert model.rank_ == 12
                assert model.info_.backward_error < 1e-14


def test_single_precision_stays_single():
    X, y, _ = data((2,), np.float32)
    for model in (SketchedLinearRegression(), SketchedRidge()):
        model.fit(X, y)
        assert model.coef_.dtype == model.predict(X).dtype == np.float32


def test_shortest_coefficients_where_columns_repeat():
    X, y, _ = data()
    model = SketchedLinearRegression(random_state=0).fit(np.hstack([X, X]), y)
    single = SketchedLinearRegression(random_state=0).fit(X, y)
    assert model.rank_ == 12
    np.testing.assert_allclose(model.coef_, np.tile(single.coef_ / 2, 2), atol=1e-8)
