"""trace_estimate and norm_estimate on NumPy: values, errors, products, and what is refused."""

import math
import pickle
import re

import numpy as np
import pytest
import scipy.sparse as sp
from svd_gallery import orthonormal

import randla
from randla import norm_estimate, trace_estimate
from randla._svd import _products
from randla._svd_norm import _quantile, spectral
from randla._svd_trace import LEAST, Counted

METHODS = ["xtrace", "hutch++", "hutchinson", "xnystrace"]
JACKKNIFE = ["xtrace", "xnystrace"]
DTYPES = ["float32", "float64", "complex64", "complex128"]
N = 120
INDEX = np.arange(1, N + 1.0)
SPECTRA = {
    "flat": 1 + INDEX / N,
    "1/i": 1 / INDEX,
    "exponential": 0.9**INDEX,
    "step": np.where(INDEX <= 12, 1.0, 1e-3),
    "indefinite": (-1.0) ** INDEX / np.sqrt(INDEX),
}
RUNS = 100


class Products:
    """Nothing but products, which are counted."""

    def __init__(self, A, both=False):
        self.A, self.shape, self.dtype, self.count = A, A.shape, A.dtype, 0
        if both:
            self.rmatmat = lambda Z: self._with(self.A.conj().T, Z)

    def _with(self, A, X):
        assert X.flags.f_contiguous
        self.count += X.shape[1]
        return A @ X

    def matmat(self, X):
        return self._with(self.A, X)


def hermitian(values, dtype="float64", seed=0):
    n = len(values)
    V = orthonormal(n, n, dtype, np.random.default_rng(seed))
    return ((V * values) @ V.conj().T).astype(dtype)


def results(A, method, budget=60, runs=RUNS):
    return [trace_estimate(A, method=method, budget=budget, rng=seed) for seed in range(runs)]


# ---- statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("method", METHODS)
def test_errors_of_traces_are_what_they_say(method, dtype):
    """Two errors hold 95 of 100 truths, means are unbiased, and errors are of the right size.

    A standard error that is exact holds 95.45 of them: 100 runs show 90 or more but for one case in
    a hundred.  The jackknife's is larger, and never by more than 6.
    """
    for name, values in SPECTRA.items():
        if name == "indefinite" and method == "xnystrace":
            continue
        if dtype == "complex128" and name not in ("flat", "1/i"):
            continue
        A = hermitian(values, dtype)
        if dtype == "complex128":  # of which nothing is real
            A = A * (1 + 2j) if method != "xnystrace" else A
        truth = np.trace(A)
        for budget in (60, 20):
            found = results(A, method, budget)
            value, error = (np.array([r[j] for r in found]) for j in (0, 1))
            off = value - truth
            inside = int((np.abs(off) <= 2 * error).sum())
            assert inside >= (95 if method in JACKKNIFE else 90), (name, budget, inside)
            rms = math.sqrt((np.abs(off) ** 2).mean())
            ratio = math.sqrt((error**2).mean()) / rms
            assert 0.8 <= ratio <= (6 if method in JACKKNIFE else 1.6), (name, budget, ratio)
            assert abs(off.mean()) <= 3 * rms / math.sqrt(RUNS), (name, budget)
            assert all(r.info.products <= budget for r in found)


def test_decay_needs_far_fewer_products():
    """At most half of Hutchinson's for the same error; XNysTrace fewer still."""

    def rms(A, method, budget):
        off = np.array([r.value for r in results(A, method, budget, 60)]) - np.trace(A)
        return math.sqrt((off**2).mean())

    for name in ("1/i", "exponential", "step"):
        A = hermitian(SPECTRA[name])
        plain = rms(A, "hutchinson", 80)
        assert rms(A, "xtrace", 40) <= plain, name
        assert rms(A, "xnystrace", 40) <= plain / 2, name
        assert rms(A, "hutch++", 40) <= plain, name
    # and follow the decay
    A = hermitian(0.8**INDEX)
    assert rms(A, "xtrace", 60) <= 0.02 * rms(A, "hutchinson", 60)
    assert rms(A, "xnystrace", 60) <= 0.1 * rms(A, "xtrace", 60)


def test_the_identity_and_diagonals_have_no_error():
    eye = np.eye(N) * 3.0
    for method in METHODS:
        value, error = trace_estimate(eye, method=method, rng=0)
        assert abs(value - 3 * N) <= 1e-12 * N
        assert error <= 1e-11
    value, error = trace_estimate(np.diag(INDEX), method="hutchinson", rng=0)
    assert abs(value - INDEX.sum()) <= 1e-15 * INDEX.sum()
    assert error <= 1e-10


@pytest.mark.parametrize("method", ["xtrace", "xnystrace", "hutch++"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_low_rank_to_rounding(method, dtype):
    """Spans that hold all of A, some by just one column: nothing divides by zero."""
    limit = {"xtrace": 30, "xnystrace": 59, "hutch++": 20}[method]
    eps = np.finfo(dtype).eps
    for rank in (1, 3, limit - 3):
        values = np.where(rank >= INDEX, 2.0 ** -np.minimum(INDEX, 8), 0)
        A = hermitian(values, dtype, rank)
        if method == "xtrace" and dtype == "float64":
            A = A @ hermitian(1 + INDEX / N, dtype, 9)  # not Hermitian
        wide = A.astype(np.result_type(A.dtype, np.float64))
        for seed in range(5):
            value, error = trace_estimate(A, method=method, rng=seed)
            assert abs(value - np.trace(wide)) <= 2 * error
            assert error <= 3e4 * eps, (rank, error)
    # the first column twice is what a product of rank one is
    A = np.outer(INDEX, INDEX) / N**2
    value, error = trace_estimate(A.astype(dtype), method=method, rng=0)
    assert abs(value - np.trace(A)) <= 1e3 * eps * np.trace(A)
    assert np.isfinite(error)


# ---- what there is to be had exactly -------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_of_n_is_exact(method):
    A = np.random.default_rng(0).standard_normal((N, N))  # neither Hermitian nor positive
    for given in (A, Products(A), sp.csr_array(A)):
        result = trace_estimate(given, method=method, budget=N)
        assert abs(result.value - np.trace(A)) <= result.error
        assert result.error <= 1e-13
        assert result.info == randla.EstimateInfo("exact", N, "rounding")
    assert trace_estimate([[5]], method=method).value == 5


@pytest.mark.parametrize("method", METHODS)
def test_products_are_counted(method):
    A = hermitian(SPECTRA["1/i"])
    for budget in (LEAST[method], 9, 20, 61, N - 1):
        given = Products(A)
        info = trace_estimate(given, method=method, budget=budget, rng=0).info
        assert info.products == given.count
        assert info.method == method
        assert info.meaning == "standard error"
        # XNysTrace keeps a quarter of the dimensions for what is left
        assert info.products in (budget, budget - 1, 3 * N // 4)
    with pytest.raises(
        ValueError, match=f"at least {LEAST[method]} for method='{re.escape(method)}', got 2"
    ):
        trace_estimate(A, method=method, budget=2)


def test_frobenius_norm():
    A = np.random.default_rng(0).standard_normal((80, 130)) / np.arange(1, 131)
    truth = np.linalg.norm(A)
    for given in (A, sp.csr_array(A), np.asfortranarray(A), A[::-1, ::-1]):
        value, error = result = norm_estimate(given, "fro")
        assert abs(value - truth) <= error <= 1e-13 * truth
        assert result.info == randla.EstimateInfo("exact", 0, "rounding")
    result = norm_estimate(Products(A), "fro", budget=130)
    assert abs(result.value - truth) <= result.error <= 1e-13 * truth
    assert result.info.products == 130
    for values in (np.ones(80), 1 / INDEX[:80], INDEX[:80] < 2):  # orthogonal; and rank one
        V = orthonormal(130, 80, "float64", np.random.default_rng(1))
        B = (hermitian(values * 1.0)) @ V.T
        found = [norm_estimate(Products(B), "fro", rng=seed) for seed in range(RUNS)]
        off = np.array([r.value - np.linalg.norm(B) for r in found])
        assert (np.abs(off) <= 2 * np.array([r.error for r in found])).sum() >= 90
        assert {r.info.products for r in found} == {60}
    with pytest.raises(ValueError, match=r"budget must be at least 5 for ord='fro', got 1"):
        norm_estimate(A, "fro", budget=1)


# ---- the 2-norm ----------------------------------------------------------------------------------

NORMS = {
    "flat": np.ones(N),
    "slow": INDEX**-0.1,
    "1/i": 1 / INDEX,
    "two close": np.r_[1, 0.999, np.full(N - 2, 0.5)],
    "one hidden": np.r_[1, np.full(N - 1, 0.98)],
    "one above": np.r_[1, np.full(N - 1, 0.9)],
    "edge": np.sqrt(1 - (INDEX - 1) / N),
}


@pytest.mark.parametrize("name", sorted(NORMS))
def test_norm_lies_between(name):
    """Of 100 seeds none fails where one in a million may."""
    A = hermitian(NORMS[name])
    for budget, runs in ((8, RUNS), (24, RUNS), (60, 30)):
        for seed in range(runs):
            value, error = result = norm_estimate(A, budget=budget, rng=seed)
            assert value <= 1 + 1e-14
            assert value + error >= 1 - 1e-14, (budget, seed)
            assert result.info.products <= budget
        if budget == 60:
            assert value >= (0.99 if result.info.converged else 0.95)
            assert error <= 0.12


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_probability_of_the_bound_is_what_it_says(dtype):
    """One chance in ten is used up where one value hides among equal ones, and never exceeded."""
    fails = {}
    for name in ("one hidden", "1/i", "two close"):
        A, fails[name] = hermitian(NORMS[name], dtype), 0
        for seed in range(200):
            P, _ = _products(A, randla.Stream(seed))
            P.prepare()
            value, above, _ = spectral(Counted(P, 8), False, 0.1)
            assert value <= 1 + 1e-14
            fails[name] += above < 1 - 1e-12
        assert fails[name] <= 20 + 3 * math.sqrt(18)
    assert fails["one hidden"] >= 10


def test_quantiles_of_projections():
    from scipy.stats import beta as scipy_beta

    for n in (9, 60, 1000, 10**6):
        for p in (1e-6, 0.1):
            assert np.isclose(_quantile(n, False, p), scipy_beta.ppf(p, 2, (n - 4) / 2), rtol=1e-7)
            assert np.isclose(_quantile(n, True, p), scipy_beta.ppf(p, 4, n - 4), rtol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_norm_of_every_kind(dtype):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((150, 90)).astype(dtype)
    if A.dtype.kind == "c":
        A = A + 1j * rng.standard_normal((150, 90)).astype(A.real.dtype)
    truth = np.linalg.norm(A.astype(np.result_type(A.dtype, np.float64)), 2)
    for B in (A, A.T, A[::-1, ::-1], np.asfortranarray(A)):
        for given in (B, sp.csr_array(B), Products(B, True)):
            value, error = result = norm_estimate(given, rng=1)
            assert value.dtype == error.dtype == np.finfo(dtype).dtype
            assert value <= truth * (1 + 50 * np.finfo(dtype).eps)
            assert truth <= value + error <= 1.1 * truth
            assert result.info.method == "krylov"
            assert result.info.meaning == "upper bound"
            if isinstance(given, Products):
                assert given.count == result.info.products
    exact = norm_estimate(Products(A, True), budget=90)
    assert exact.info == randla.EstimateInfo("exact", 90, "rounding")
    assert abs(exact.value - truth) <= exact.error
    assert norm_estimate(Products(A.T, True), budget=90).info.products == 90
    assert norm_estimate(np.float32([[3, 4]])).value == 5


# ---- kinds, dtypes, batches, scale ---------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_kinds_agree(tmp_path, method, dtype):
    """The same vectors whatever A is, and the same answer to rounding."""
    A = hermitian(SPECTRA["1/i"], dtype)
    wanted = trace_estimate(A, method=method, rng=7)
    strided = np.zeros((2 * N, 3 * N), dtype)[::2, ::3]
    strided[...] = A
    frozen = A.copy()
    frozen.flags.writeable = False
    mapped = np.memmap(tmp_path / "A", dtype, "w+", shape=A.shape)
    mapped[...] = A
    for given in (A.copy(order="F"), strided, frozen, mapped, sp.csr_array(A), sp.csc_matrix(A),
                  Products(A)):  # fmt: skip
        found = trace_estimate(given, method=method, rng=7)
        assert found.value.dtype == A.dtype
        assert found.error.dtype == np.finfo(dtype).dtype
        eps = np.finfo(dtype).eps
        assert abs(found.value - wanted.value) <= 2e3 * eps
        assert abs(found.error - wanted.error) <= 2e3 * eps
        assert found.info.products == wanted.info.products
    assert trace_estimate(A, method=method, rng=7) == wanted
    assert trace_estimate(A, method=method, rng=8).value != wanted.value


def test_batches_and_pickles():
    A = np.stack([[hermitian(SPECTRA["1/i"], seed=i) * (i + 1) for i in range(2)]])
    for call in (trace_estimate, norm_estimate):
        result = call(A, rng=3)
        assert result.value.shape == result.error.shape == result.info.products.shape == (1, 2)
        one = call(A[0, 1], rng=randla.Stream(3).advance(1))
        assert result.value[0, 1] == one.value
        assert result.info.method[0, 1] == one.info.method
        empty = call(A[:0].astype("F"), rng=3)
        assert empty.value.shape == empty.info.converged.shape == (0, 2)
        assert empty.value.dtype == ("F" if call is trace_estimate else "f")
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        assert again.info == one.info
    assert repr(norm_estimate([[2.0]])).startswith("EstimateResult(value=")


def test_half_precision_and_integers():
    B = np.random.default_rng(0).integers(0, 9, (70, 70))
    for dtype, wanted in (("int32", "float64"), ("bool", "float64"), ("float16", "float16")):
        for call in (trace_estimate, norm_estimate):
            value, error = call(B.astype(dtype), rng=0)
            assert value.dtype == error.dtype == wanted
    result = trace_estimate(B.astype("float16"), rng=0)
    assert abs(float(result.value) - np.trace(B)) <= 3 * float(result.error)
    with pytest.raises(np.linalg.LinAlgError, match="A has a trace beyond the range"):
        trace_estimate(np.eye(70, dtype="float16") * np.float16(1000))


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_scale(dtype):
    top = 110 if dtype == "float32" else 1000
    A = hermitian(SPECTRA["1/i"], dtype)
    real = np.finfo(dtype).dtype.type
    for method in METHODS:
        plain = trace_estimate(A, method=method, rng=2)
        for power in (-top, top):
            B = A * real(2.0**power)
            for given in (B, Products(B)):
                found = trace_estimate(given, method=method, rng=2)
                off = abs(complex(found.value) * 2.0**-power - plain.value)
                assert off <= 2e3 * np.finfo(dtype).eps
                assert found.info.products <= 60
                if isinstance(given, Products):
                    assert given.count == found.info.products
    for order in (2, "fro"):
        for power in (-top, top):
            for given in (A, Products(A, True)):
                plain = norm_estimate(given, order, rng=2)
                B = A * real(2.0**power)
                other = B if given is A else Products(B, True)
                found = norm_estimate(other, order, rng=2)
                assert np.isclose(float(found.value) * 2.0**-power, plain.value, rtol=1e-5)
                assert found.info.products <= 60
    with pytest.raises(np.linalg.LinAlgError, match="A has a norm beyond the range"):
        norm_estimate(np.full((90, 90), 1.7e308), "fro")
    exact = trace_estimate(np.diag(np.full(4, 1e308)) * np.array([1, 1, -1, 0]), budget=8)
    assert exact.value == 1e308


def test_zero():
    Z = np.zeros((N, N))
    for given in (Z, sp.csr_array(Z), Products(Z, True)):
        for method in METHODS:
            for budget in (LEAST[method], 60):
                result = trace_estimate(given, method=method, budget=budget, rng=0)
                assert tuple(result) == (0, 0)
                assert result.info.products <= budget
        for order in (2, "fro"):
            assert tuple(norm_estimate(given, order, budget=8, rng=0)) == (0, 0)
    assert tuple(norm_estimate(Products(np.zeros((3, 3)), True))) == (0, 0)


# ---- what is refused -----------------------------------------------------------------------------


def test_xnystrace_wants_positive_matrices():
    A = hermitian(np.where(INDEX <= 3, -0.5, 1 / INDEX))
    with pytest.raises(np.linalg.LinAlgError, match=r"A is not positive semidefinite.* is -0\.\d"):
        trace_estimate(A, method="xnystrace", rng=0)
    with pytest.raises(np.linalg.LinAlgError, match=r"x\^H x is -\d\.\d+e\+300 for"):
        trace_estimate(A * 1e301, method="xnystrace", rng=0)
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1,\) of A is not positive semi"):
        trace_estimate(np.stack([np.eye(N), -np.eye(N)]), method="xnystrace", rng=0)
    with pytest.raises(np.linalg.LinAlgError, match=r"A is not Hermitian, .* off by 1"):
        trace_estimate(np.triu(np.ones((N, N)), 1) - np.tril(np.ones((N, N)), -1),
                       method="xnystrace", rng=0)  # fmt: skip
    # what an inexact solve leaves is no sin
    noise = 1e-7 * np.random.default_rng(0).standard_normal((N, N))
    B = hermitian(np.where(INDEX <= 9, 1 / INDEX, 0)) + noise
    value, error = trace_estimate(Products(B), method="xnystrace", rng=0)
    assert abs(value - np.trace(B)) <= 2 * error <= 1e-2


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_finite(method):
    for bad in (np.nan, np.inf):
        A = np.eye(N)
        A[3, 4] = bad
        for given in (A, sp.csr_array(A), Products(A, True)):
            for budget in (60, N):
                with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
                    trace_estimate(given, method=method, budget=budget, rng=0)
                for order in (2, "fro"):
                    with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
                        norm_estimate(given, order, budget=budget, rng=0)
    A = np.stack([np.eye(N), A])
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1,\) of A has a NaN or an inf"):
        trace_estimate(A, method=method)


class Late(Products):
    """Products that break down after some time."""

    def _with(self, A, X):
        Y = super()._with(A, X)
        return Y * np.nan if self.count > 35 else Y


def test_operators():
    A = np.eye(N)
    for call in (trace_estimate, norm_estimate):
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            call(Late(np.diag(np.sqrt(INDEX)), True))
    with pytest.raises(TypeError, match="A is a Products without rmatmat"):
        norm_estimate(Products(A))
    assert np.isclose(norm_estimate(Products(A), "fro").value, math.sqrt(N))
    with pytest.raises(ValueError, match=r"square in its last two axes, got shape \(120, 3\)"):
        trace_estimate(Products(A[:, :3]))
    given = Products(A, True)
    given.shape = (N,)
    with pytest.raises(ValueError, match="must have two dimensions"):
        norm_estimate(given, "fro")
    given.shape = (N, N)
    given.matmat = lambda X: X[:5]
    with pytest.raises(TypeError, match=r"matmat of A must return shape \(120, 1\)"):
        trace_estimate(given)


def test_bad_arguments():
    A = np.eye(N)
    with pytest.raises(ValueError, match="method must be one of 'xtrace', 'hutch\\+\\+', "):
        trace_estimate(A, method="hutch")
    for order in (1, "nuc", True, None):
        with pytest.raises(ValueError, match="ord must be one of 2, 'fro', got"):
            norm_estimate(A, order)
    for order in (np.int64(2), 2.0):
        assert np.isclose(norm_estimate(A, order).value, 1)
    with pytest.raises(ValueError, match="budget must be at least 8 for ord=2, got 7"):
        norm_estimate(A, budget=7)
    with pytest.raises(TypeError, match="budget must be an integer, got float"):
        trace_estimate(A, budget=60.0)
    with pytest.raises(ValueError, match=r"A must be square in its last two axes, got shape"):
        trace_estimate(A[:, :7])
    for call in (trace_estimate, norm_estimate):
        with pytest.raises(ValueError, match=r"A must have"):
            call(INDEX)
        with pytest.raises(ValueError, match=r"A must not be empty in its last two"):
            call(np.zeros((3, 0, 0)))
        with pytest.raises(TypeError, match=r"A has dtype (longdouble|float128)"):
            call(A.astype(np.longdouble))
        with pytest.raises(TypeError, match="subclass of ndarray"):
            call(np.ma.masked_array(A))
        with pytest.raises(TypeError, match="rng must be"):
            call(A, rng="a")
