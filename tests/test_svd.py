"""randomized_svd, pca, randomized_range_finder on NumPy: every sentence of their docstrings."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from svd_gallery import check, plain, spectra, wide, with_values

import randla
from randla import pca, randomized_range_finder, randomized_svd
from randla._svd_algebra import Algebra
from randla._svd_fixed import krylov_shape, rank_for

DTYPES = ["float32", "float64", "complex64", "complex128"]
SHAPES = {"tall": (300, 120), "wide": (110, 250), "square": (150, 150)}
METHODS = ["subspace", "krylov", "gram", "exact"]


def eps(dtype):
    return np.finfo(dtype).eps


class Matrix:
    """Nothing but products."""

    def __init__(self, A):
        self.A, self.shape, self.dtype, self.calls = A, A.shape, A.dtype, []

    def matmat(self, X):
        assert X.flags.f_contiguous
        self.calls.append(X.shape[1])
        return self.A @ X

    def rmatmat(self, Z):
        assert Z.flags.f_contiguous
        self.calls.append(Z.shape[1])
        return self.A.conj().T @ Z


# ---- the contract --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("dtype", DTYPES)
def test_contract(dtype, shape):
    m, n = SHAPES[shape]
    for name, s in spectra(min(m, n)).items():
        A = with_values(m, n, s, dtype)
        for k in (1, 10):
            result = randomized_svd(A, k, rng=1)
            error, best, norm = check(A, result, k)
            if name == "1/i":  # a gap-free bound of theorems 10.5 to 10.8
                assert error <= 1.1 * best
                assert np.abs(result.S - s[:k]).max() <= 0.02 * s[0]
            floor = 30 * eps(dtype) * norm
            assert error / 2.5 - floor <= result.info.error_fro <= 2.5 * error + floor, name
            residual = wide(A) - (wide(result.U) * result.S) @ wide(result.Vh)
            assert np.linalg.norm(residual, 2) <= result.info.error_2_bound + floor


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["C", "F", "strided", "read-only", "csr", "csc", "operator"])
def test_methods_and_kinds(kind, method):
    m, n, k = 260, 140, 6
    A = with_values(m, n, spectra(n)["1/i"], "complex128" if kind == "F" else "float64")
    given = A
    if kind == "F":
        given = np.asfortranarray(A)
    elif kind == "strided":
        given = np.zeros((2 * m, 3 * n))[::2, ::3]
        given[...] = A
    elif kind == "read-only":
        given = A.copy()
        given.flags.writeable = False
    elif kind in ("csr", "csc"):
        given = sp.csr_array(A) if kind == "csr" else sp.csc_matrix(A)
    elif kind == "operator":
        given = Matrix(A)
    for X, B in ((given, A), *([(given.T, A.T)] if kind != "operator" else [])):
        result = randomized_svd(X, k, method=method, rng=3)
        error, best, _ = check(B, result, k)
        assert error <= 1.02 * best
        sparse = kind in ("csr", "csc", "operator")
        # eigenvectors of A^H A are for what is dense
        assert result.info.method == ("subspace" if sparse and method == "gram" else method)
        assert result.info.converged
        assert np.allclose(result.S, np.linalg.svd(B, compute_uv=False)[:k], rtol=2e-3)


def test_auto_chooses():
    rng = np.random.default_rng(0)
    method = lambda A, k, **options: randomized_svd(A, k, rng=0, **options).info.method  # noqa: E731
    assert method(rng.standard_normal((500, 60)), 5) == "exact"  # a small side
    assert method(rng.standard_normal((200, 100)), 50) == "exact"  # half of them
    assert method(rng.standard_normal((200, 100)), 40, n_oversamples=60) == "exact"
    assert method(rng.standard_normal((200, 100)), 20, n_iter=1) == "subspace"
    assert method(rng.standard_normal((200, 100)), 20, n_iter=1, method="krylov") == "krylov"
    assert method(rng.standard_normal((9000, 80)), 20) == "gram"
    assert method(rng.standard_normal((300, 290)), 3) == "subspace"
    assert method(sp.random_array((300, 290), density=0.1, rng=rng), 3) == "subspace"
    assert method(Matrix(rng.standard_normal((300, 290))), 3) == "krylov"
    # what A^H A cannot tell is left to iterations
    A = with_values(9000, 80, spectra(80)["graded"])
    result = randomized_svd(A, 19, rng=0, n_oversamples=5)
    assert result.info.method == "subspace"
    assert np.allclose(result.S, spectra(80)["graded"][:19], atol=1e-15, rtol=1e-3)


def test_small_values_beside_large_ones():
    """Down to 1e-13 of the largest, where a shift in Cholesky's method would have lost them."""
    s = spectra(100)["graded"]
    A = with_values(400, 100, s)
    for precision in ("same", "mixed"):
        result = randomized_svd(A, 20, n_iter=2, precision=precision, rng=0)
        check(A, result, 20)
        assert np.abs(result.S - s[:20]).max() <= 1e-15
        assert result.info.precision == precision
    for k, tolerance in ((6, 1e-12), (9, 1e-9)):
        mixed = randomized_svd(A, k, method="subspace", precision="mixed", rng=0)
        assert mixed.info.n_iter == (4 if s[k - 1] >= 1e-6 else 5)
        assert np.allclose(mixed.S, s[:k], rtol=tolerance, atol=0)


def test_householder_takes_over():
    """A Gram matrix whose Cholesky factor fails, or is not certain."""
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((60, 8))
    Y[:, 3] = Y[:, 5] * (1 + 1e-12)
    for dtype in DTYPES:
        algebra = Algebra(np.empty(0), np.dtype(dtype).char, randla.Stream(0))
        X = Y.astype(dtype)
        Q, R = algebra.orthonormalise(X)
        assert algebra.fallbacks == 1
        assert np.linalg.norm(Q.conj().T @ Q - np.eye(8)) <= 20 * eps(dtype)
        assert np.linalg.norm(Q @ R - X) <= 50 * eps(dtype)
        Q, R = algebra.orthonormalise(X[:, :3])
        assert algebra.fallbacks == 1
        assert np.linalg.norm(Q.conj().T @ Q - np.eye(3)) <= 10 * eps(dtype)
        assert np.allclose(Q @ R, X[:, :3], atol=50 * eps(dtype))
        assert np.array_equal(np.tril(R, -1), np.zeros((3, 3)))
    result = randomized_svd(with_values(200, 100, spectra(100)["low rank"]), 20, rng=0)
    assert result.info.fallbacks > 0
    assert result.info.converged


@pytest.mark.parametrize("method", METHODS)
def test_zero(method):
    for shape in ((90, 80), (80, 90)):
        for k in (1, 30):
            result = randomized_svd(np.zeros(shape), k, method=method, rng=0)
            check(np.zeros(shape), result, k)
            assert not result.S.any()
            assert result.info.error_fro == 0
    assert randomized_svd(np.zeros((90, 80)), rtol=0.1).rank == 1
    assert randomized_range_finder(np.zeros((90, 80)), 3).shape == (90, 13)
    result = randomized_svd(sp.csr_array((90, 80)), 3)
    assert not result.S.any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_scale(method, dtype):
    """Powers of two go through to S, whatever the range."""
    A = with_values(160, 90, spectra(90)["1/i"], dtype)
    plain = randomized_svd(A, 5, method=method, rng=2)
    top = 110 if dtype == "float32" else 1000
    for power in (-top, top):
        B = A * np.finfo(dtype).dtype.type(2.0**power)
        result = randomized_svd(B, 5, method=method, rng=2)
        S = np.ldexp(wide(result.S), -power)
        assert np.allclose(S, plain.S, rtol=1e3 * eps(dtype))
        error = np.ldexp(float(result.info.error_fro), -power)
        assert np.isclose(error, plain.info.error_fro, rtol=1e-3)
        assert np.allclose(result.U, plain.U, atol=1e4 * eps(dtype))


def test_scale_of_operators():
    A = with_values(160, 90, spectra(90)["1/i"])
    plain = randomized_svd(Matrix(A), 5, rng=2)
    for power in (-1000, 1000):
        result = randomized_svd(Matrix(A * 2.0**power), 5, rng=2)
        assert np.allclose(np.ldexp(result.S, -power), plain.S, rtol=1e-9)
    with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
        randomized_svd(np.full((100, 90), 1.7e308), 3)


# ---- estimates -----------------------------------------------------------------------------------


def test_estimates_by_probes():
    """Where nothing else tells: within a factor 2 in 95 of 100, and the bound holds."""
    near = 0
    for seed in range(100):
        s = 0.7 ** np.arange(1, 101) if seed % 2 else np.r_[np.ones(10), np.full(90, 1e-3)]
        A = with_values(130, 100, s, seed=seed)
        result = randomized_svd(Matrix(A), 10, method="subspace", rng=seed)
        residual = A - (result.U * result.S) @ result.Vh
        near += 0.5 <= result.info.error_fro / np.linalg.norm(residual) <= 2
        assert np.linalg.norm(residual, 2) <= result.info.error_2_bound
    assert near >= 95


def test_converged_says_whether_there_were_enough_iterations():
    A = with_values(400, 300, np.arange(1, 301.0) ** -0.3)
    assert not randomized_svd(A, 10, n_iter=0, rng=0).info.converged
    assert not randomized_svd(A, 10, n_iter=1, rng=0).info.converged
    assert randomized_svd(A, 10, n_iter=30, rng=0).info.converged
    low = with_values(400, 300, np.ones(10))
    assert randomized_svd(low, 10, n_iter=0, rng=0).info.converged
    near = with_values(400, 300, np.r_[1 - 1e-9 * np.arange(10), 1e-3 * np.ones(20)])
    for precision in ("same", "mixed"):  # in C, and in Python
        assert not randomized_svd(A, 10, n_iter=1, precision=precision, rng=0).info.converged
        assert randomized_svd(near, 10, n_iter=2, precision=precision, rng=0).info.converged


def test_krylov_sees_more_equal_values_than_a_block_has_columns():
    """Blocks of 8 columns: 20 of 40 values of 1 came with 0.5 among them, from the tail."""
    for copies, k in ((12, 20), (40, 20), (40, 50)):
        s = np.r_[np.ones(copies), 0.5 * 0.99 ** np.arange(500 - copies)]
        A = with_values(600, 500, s)
        for seed in range(3):
            result = randomized_svd(A, k, method="krylov", rng=seed)
            assert np.allclose(result.S, s[:k], rtol=1e-3)
            assert result.info.converged
    few = randomized_svd(A, 20, method="krylov", n_iter=8, rng=0)
    assert few.info.passes <= 2 * 9 + 2  # and two by probes, which look for what was missed
    assert np.allclose(few.S, 1) or not few.info.converged


def test_info():
    A = with_values(400, 300, spectra(300)["1/i"])
    info = randomized_svd(A, 10, rng=0).info
    assert (info.method, info.n_iter, info.passes) == ("subspace", 4, 10)
    operator = Matrix(A)
    info = randomized_svd(operator, 8, n_iter=2, rng=0).info
    assert operator.calls[-6:] == [18, 18, 18, 18, 24, 18]  # probes go along
    assert info.passes == 6
    width, steps = krylov_shape(8, 10, 300, None)
    operator = Matrix(A)
    info = randomized_svd(operator, 8, rng=0).info
    assert (info.method, info.n_iter, info.passes) == ("krylov", steps, 2 * steps + 2)
    assert operator.calls[-1] == width
    again = pickle.loads(pickle.dumps(randomized_svd(A, 3, rng=0)))
    assert again.info == randomized_svd(A, 3, rng=0).info
    assert again.rank == 3


# ---- adaptive ------------------------------------------------------------------------------------


def test_rtol_on_random_spectra():
    """Error <= rtol, rank <= 1.2 times the least one + 5, estimates within a factor 2."""
    near = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        m, n = (int(x) for x in rng.integers(70, 160, 2))
        p = min(m, n)
        rate = rng.uniform(0.05, 1.5)
        decay = (
            np.arange(1, p + 1.0) ** -(2 * rate),
            np.exp(-rate * np.arange(p) / 4),
            np.sort(rng.uniform(0, 1, p))[::-1] ** 4,
        )
        s = decay[seed % 3]
        A = with_values(m, n, s, seed=seed)
        rtol = float(10 ** rng.uniform(-4, -0.3))
        result = randomized_svd(A, rtol=rtol, rng=seed)
        error = np.linalg.norm(A - (result.U * result.S) @ result.Vh)
        assert error <= rtol * np.linalg.norm(A) * (1 + 1e-9)
        assert result.info.converged
        tails = np.sqrt(np.append(np.cumsum(s[::-1] ** 2)[::-1], 0))
        least = int(np.flatnonzero(tails <= rtol * tails[0])[0])
        assert result.rank <= 1.2 * least + 5
        error = max(error, 30 * eps("float64") * np.linalg.norm(A))
        near += 0.5 <= result.info.error_fro / error <= 2
    assert near >= 95


def test_rtol_where_norms_are_blind():
    """Below 10 sqrt(eps) probes tell the error."""
    for dtype, rtol in (("float64", 1e-10), ("float32", 1e-4)):
        A = with_values(500, 300, 0.5 ** np.arange(300.0), dtype)
        result = randomized_svd(A, rtol=rtol, rng=0)
        error = np.linalg.norm(A - (wide(result.U) * result.S) @ result.Vh)
        assert error <= 1.1 * rtol * np.linalg.norm(A)
        assert result.rank <= 1.2 * np.log2(1 / rtol) + 5
        assert result.info.method == "adaptive"


def test_rtol_of_operators_and_sparse():
    A = with_values(500, 300, 0.7 ** np.arange(300.0))
    for given in (Matrix(A), sp.csr_array(A), Matrix(A.T.copy())):
        result = randomized_svd(given, rtol=1e-3, rng=0)
        B = A if given.shape == A.shape else A.T
        error = np.linalg.norm(B - (result.U * result.S) @ result.Vh)
        assert error <= 1.2e-3 * np.linalg.norm(A)
        assert result.rank <= 30
        assert result.info.method == "adaptive"


def test_max_rank():
    A = with_values(300, 200, np.arange(1, 201) ** -0.5)
    result = randomized_svd(A, rtol=0.01, max_rank=25, rng=0)
    check(A, result, 25)
    assert not result.info.converged
    best = np.linalg.norm(np.arange(26, 201) ** -0.5)
    assert np.linalg.norm(A - (result.U * result.S) @ result.Vh) <= 1.05 * best
    assert randomized_svd(A, rtol=0.9, max_rank=25, rng=0).info.converged
    full = randomized_svd(A, rtol=1e-3, rng=0)  # more than half of them: LAPACK's
    assert full.info.method == "exact"
    assert randomized_svd(A[:50], rtol=0.5).info.method == "exact"
    assert randomized_svd(A, rtol=0.5, method="exact").info.method == "exact"


def test_rank_for():
    s = np.array([2.0, 1.0, 0.5])
    assert rank_for(s, 0.0, 5.25, 0.5, None) == (1, True)
    assert rank_for(s, 0.0, 5.25, 0.4, None) == (2, True)
    assert rank_for(s, 0.0, 5.25, 0.4, 1) == (1, False)
    assert rank_for(s, 1.0, 6.25, 0.1, None) == (3, False)
    assert rank_for(s[:1] * 0, 0.0, 0.0, 0.1, None) == (1, True)


# ---- centring ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_pca_equals_the_decomposition_of_what_is_centred(dtype, method):
    for m, n in ((250, 90), (100, 180)):
        A = with_values(m, n, spectra(min(m, n))["1/i"], dtype) + np.asarray(0.3, dtype)
        for given in (A, np.asfortranarray(A), sp.csr_array(A), Matrix(A)):
            result = pca(given, 5, method=method, rng=0)
            error, best, norm = check(A, result, 5, center=True)
            assert error <= 1.03 * best + 100 * eps(dtype) * norm
            B = wide(A)
            total = np.var(B, axis=0, ddof=1).sum()
            assert np.allclose(result.mean, B.mean(axis=0), atol=10 * eps(dtype))
            assert np.allclose(result.explained_variance, wide(result.S) ** 2 / (m - 1))
            loose = 0.1 if isinstance(given, Matrix) else 1e-4
            share = wide(result.S) ** 2 / (m - 1) / total
            assert np.allclose(result.explained_variance_ratio, share, rtol=loose)
            U, S, Vh = randomized_svd(given, 5, method=method, center=True, rng=0)
            assert np.array_equal(U, result.U)
            assert np.array_equal(S, result.S)
            assert np.array_equal(Vh, result.Vh)


def test_means_that_are_much_larger():
    """Dense matrices lose nothing to means of any size; sparse ones say how much."""
    rng = np.random.default_rng(0)
    s = spectra(90)["1/i"]
    A = with_values(300, 90, s)
    B = A - A.mean(axis=0)
    exact = np.linalg.svd(B, compute_uv=False)[:5]
    for offset in (1e2, 1e4, 1e6):
        shifted = A + offset * rng.standard_normal(90)
        for method in ("subspace", "gram", "exact"):
            result = pca(shifted, 5, method=method, n_iter=8, rng=0)
            assert np.abs(result.S - exact).max() <= 20 * np.finfo(float).eps * offset * 300
            assert result.info.cancellation < 1.1e3 * 30
        sparse = pca(sp.csr_array(shifted), 5, n_iter=8, rng=0)
        assert np.isclose(sparse.info.cancellation, offset * 300**0.5 * 9 / 1.3, rtol=0.5)
    constant = pca(np.tile(rng.standard_normal(90), (100, 1)), 3, rng=0)
    assert constant.S.max() <= 1e-12
    check(np.zeros((100, 90)), randomized_svd(np.zeros((100, 90)), 3), 3)


def test_pca_of_integers_and_few_rows():
    A = np.random.default_rng(0).integers(0, 255, (200, 70), dtype=np.uint8)
    result = pca(A, 3, rng=0)
    assert result.S.dtype == np.float64
    check(A, result, 3, center=True)
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        pca(A[:1], 1)
    assert pca(A[:2], 1).explained_variance_ratio[0] > 0.999


# ---- what goes in --------------------------------------------------------------------------------


def test_memmap(tmp_path):
    A = with_values(700, 150, spectra(150)["1/i"])
    wanted = randomized_svd(A, 5, rng=0, precision="same")
    for order in "CF":
        for dtype in ("float64", "float32", "float16"):
            stored = np.memmap(
                tmp_path / f"{order}{dtype}", dtype, "w+", shape=A.shape, order=order
            )
            stored[...] = A
            for method in ("auto", *METHODS):
                result = randomized_svd(stored, 5, rng=0, method=method)
                assert result.U.dtype == dtype
                assert type(result.U) is np.ndarray
                assert np.allclose(result.S, wanted.S, rtol=1e-2, atol=2 * eps(dtype))
            centred = pca(stored, 5, rng=0)
            assert np.allclose(centred.S, pca(A, 5, rng=0).S, rtol=1e-2, atol=2 * eps(dtype))


def test_half_precision_and_integers():
    A = with_values(200, 80, spectra(80)["exponential"])
    result = randomized_svd(A.astype(np.float16), 3, rng=0)
    assert {x.dtype for x in result} == {np.dtype(np.float16)}
    B = np.random.default_rng(0).integers(-9, 9, (150, 70))
    for x in (B, B.tolist(), B > 0):
        result = randomized_svd(x, 3, rng=0)
        assert {y.dtype for y in result} == {np.dtype(np.float64)}
        check(np.asarray(x, float), result, 3)


@pytest.mark.parametrize("shape", [(90, 70), (70, 90), (20, 10)])
def test_batches(shape):
    """Each matrix as if it were alone, with its own part of the stream."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((2, 3, *shape)) / np.arange(1, shape[1] + 1)
    result = randomized_svd(A, 4, rng=5)
    assert result.U.shape == (2, 3, shape[0], 4)
    assert result.S.shape == (2, 3, 4)
    assert result.Vh.shape == (2, 3, 4, shape[1])
    assert result.info.error_fro.shape == (2, 3)
    stream = randla.Stream(5)
    for i in range(6):
        where = np.unravel_index(i, (2, 3))
        one = randomized_svd(A[where], 4, rng=stream.advance(i))
        assert np.array_equal(one.U, result.U[where])
        assert one.info.error_fro == result.info.error_fro[where]
        assert one.info.method == result.info.method[where]
    centred = pca(A, 2, rng=5)
    assert centred.mean.shape == (2, 3, shape[1])
    assert centred.explained_variance_ratio.shape == (2, 3, 2)
    Q, info = randomized_range_finder(A, 4, rng=5, return_info=True)
    assert Q.shape == (2, 3, shape[0], min(14, *shape))
    assert info.error_fro.shape == (2, 3)
    empty = randomized_svd(A[:0], 4)
    assert [x.shape for x in empty] == [(0, 3, shape[0], 4), (0, 3, 4), (0, 3, 4, shape[1])]
    assert pca(A[:0], 4).mean.shape == (0, 3, shape[1])
    A[1, 2, 3, 4] = np.inf
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1, 2\) of A has a NaN or an inf"):
        randomized_svd(A, 4)


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(bad, method):
    A = with_values(200, 100, spectra(100)["1/i"])
    A[17, 33] = bad
    for x in (A, A.T, A.astype("F"), sp.csr_array(A), Matrix(A), A[:, 30:40]):
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            randomized_svd(x, 4, method=method)
        with pytest.raises(np.linalg.LinAlgError, match="NaN or an infinity"):
            pca(x, 4, method=method)
    for x in (A, Matrix(A)):
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            randomized_svd(x, rtol=0.1)
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            randomized_range_finder(x, 3)


def test_sparse_arrays():
    rng = np.random.default_rng(0)
    A = sp.random_array((500, 200), density=0.05, rng=rng, format="csr")
    wanted = randomized_svd(A, 5, rng=0)
    check(A.toarray(), wanted, 5)
    for x in (A.tocoo(), A.tocsc(), A.tolil(), sp.csr_matrix(A)):
        assert np.allclose(randomized_svd(x, 5, rng=0).S, wanted.S, rtol=1e-12)
    doubled = sp.csr_array(
        (np.repeat(A.data / 2, 2), np.repeat(A.indices, 2), A.indptr * 2), shape=A.shape
    )
    kept = doubled.data.copy()
    result = randomized_svd(doubled, 5, rng=0)
    assert np.allclose(result.S, wanted.S, rtol=1e-12)
    assert np.isclose(result.info.error_fro, wanted.info.error_fro)
    assert np.array_equal(doubled.data, kept)
    integers = sp.csr_array(np.eye(80, dtype=int))
    assert randomized_svd(integers, 2).S.dtype == np.float64
    broken = A.copy()
    broken.indices[3] = 999
    with pytest.raises(ValueError, match="A is a broken sparse array"):
        randomized_svd(broken, 3)


def test_bad_operators():
    A = np.random.default_rng(0).standard_normal((90, 80))

    class Without:
        shape, dtype = A.shape, A.dtype

        def matmat(self, X):
            return A @ X

    with pytest.raises(TypeError, match="A is a Without without rmatmat"):
        randomized_svd(Without(), 3)
    for wrong, text in (
        (lambda X: A.T @ X[: len(A)] if len(X) >= len(A) else (A @ X).T, "must return shape"),
        (lambda X: A @ X * 1j, "must return dtype float64, got complex128"),
    ):
        bad = Matrix(A)
        bad.matmat = wrong
        with pytest.raises(TypeError, match=text):
            randomized_svd(bad, 3)


def test_input_is_not_modified():
    A = with_values(300, 100, spectra(100)["1/i"])
    kept = A.copy()
    for method in METHODS:
        randomized_svd(A, 4, method=method)
        pca(A, 4, method=method)
    assert np.array_equal(A, kept)


def test_streams():
    A = with_values(300, 100, np.arange(1, 101) ** -0.2)
    one = randomized_svd(A, 4, rng=7)
    for rng in (7, randla.Stream(7), np.int64(7)):
        assert np.array_equal(randomized_svd(A, 4, rng=rng).U, one.U)
    for other in (8, randla.Stream(7).advance(), None, np.random.default_rng(7)):
        assert not np.array_equal(randomized_svd(A, 4, rng=other).U, one.U)
    # columns of Omega do not depend on how many there are
    algebra = Algebra(A, "D", randla.Stream(7))
    all_of_it = algebra.gaussian(50, 0, 6)
    assert np.array_equal(algebra.gaussian(50, 2, 3), all_of_it[:, 2:5])
    assert abs((np.abs(algebra.gaussian(5000, 0, 4)) ** 2).mean() - 1) < 0.05


# ---- range finder --------------------------------------------------------------------------------


def test_range_finder():
    for dtype in DTYPES:
        for shape in SHAPES.values():
            A = with_values(*shape, spectra(min(shape))["1/i"], dtype)
            Q, info = randomized_range_finder(A, 5, rng=0, return_info=True)
            assert Q.shape == (shape[0], 15)
            assert Q.dtype == dtype
            assert np.linalg.norm(Q.conj().T @ Q - np.eye(15)) <= 20 * eps(dtype) * 15**0.5
            error = np.linalg.norm(A - Q @ (Q.conj().T @ A))
            best = np.linalg.norm(1 / np.arange(16, min(shape) + 1))
            assert error <= 1.15 * best
            assert 0.5 <= info.error_fro / error <= 2
            assert info.passes == 9
    A = with_values(300, 200, 0.8 ** np.arange(200.0))
    for x in (A, A.T, sp.csr_array(A), Matrix(A)):
        B = A if x.shape == A.shape else A.T
        Q = randomized_range_finder(x, rtol=1e-3, rng=0)
        assert np.linalg.norm(B - Q @ (Q.T @ B)) <= 1.2e-3 * np.linalg.norm(A)
        assert Q.shape[1] <= 45
    assert randomized_range_finder(A[:8], 5).shape == (8, 8)


# ---- bad arguments -------------------------------------------------------------------------------

A = np.ones((30, 20))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, ValueError, "give either k or rtol, got neither"),
        ({"k": 3, "rtol": 0.1}, ValueError, "give either k or rtol, got both"),
        ({"k": 0}, ValueError, r"k must be in \[1, 20\] = \[1, min\(m, n\)\], got 0"),
        ({"k": 21}, ValueError, r"k must be in \[1, 20\]"),
        ({"k": 2.0}, TypeError, "k must be an integer, got float"),
        ({"k": True}, TypeError, "k must be an integer, got bool"),
        ({"rtol": 0}, ValueError, r"rtol must be in \(0, 1\), got 0"),
        ({"rtol": 1.0}, ValueError, r"rtol must be in \[0, 1\), got 1.0"),
        ({"rtol": "x"}, TypeError, "rtol must be a real number, got str"),
        ({"rtol": 0.1, "max_rank": 0}, ValueError, r"max_rank must be in \[1, 20\]"),
        ({"k": 3, "max_rank": 4}, ValueError, "max_rank goes with rtol"),
        ({"k": 3, "n_oversamples": -1}, ValueError, "n_oversamples must be in"),
        ({"k": 3, "n_iter": -1}, ValueError, "n_iter must be in"),
        ({"k": 3, "n_iter": "many"}, ValueError, "n_iter must be an integer or 'auto', got 'many'"),
        ({"k": 3, "n_iter": 1.5}, TypeError, "n_iter must be an integer, got float"),
        ({"k": 3, "method": "lanczos"}, ValueError, "method must be one of 'auto', 'subspace'"),
        ({"rtol": 0.1, "method": "gram"}, ValueError, "method='gram' needs k"),
        ({"k": 3, "precision": "half"}, ValueError, "precision must be one of"),
        ({"k": 3, "center": np.ones(20)}, TypeError, "center must be True or False, got ndarray"),
        ({"k": 3, "rng": "seed"}, TypeError, "rng must be None, an int"),
    ],
    ids=str,
)
def test_bad_options(options, error, text):
    with pytest.raises(error, match=text):
        randomized_svd(A, **options)


def test_bad_arrays():
    for shape in ((0, 5), (5, 0), (3, 0, 5)):
        with pytest.raises(ValueError, match="A must not be empty"):
            randomized_svd(np.zeros(shape), 1)
    with pytest.raises(ValueError, match="A must have at least two dimensions"):
        randomized_svd(np.ones(5), 1)
    with pytest.raises(ValueError, match="rtol would give the matrices of a batch"):
        randomized_svd(np.ones((2, 30, 20)), rtol=0.1)
    for x in (A.astype(np.longdouble), A.astype(object), A.astype(str)):
        with pytest.raises(TypeError, match="A "):
            randomized_svd(x, 1)
    with pytest.raises(TypeError, match="subclass of ndarray"):
        randomized_svd(np.ma.array(A), 1)
    with pytest.raises(ValueError, match="must have two dimensions"):
        randomized_svd(sp.coo_array(np.ones(4)), 1)


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("shape", [(3, 70, 66), (2, 2, 66, 90)])
def test_a_stack_has_the_bits_of_its_matrices(dtype, shape):
    rng = np.random.default_rng(0)
    A = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype("complex128")
    A = A.astype(dtype) if dtype[0] == "c" else A.real.astype(dtype)
    result = randla.randomized_svd(A, 8, n_iter=2, precision="same", rng=randla.Stream(3))
    for j, i in enumerate(np.ndindex(*shape[:-2])):
        stream = randla.Stream(3).advance(j)
        one = randla.randomized_svd(A[i], 8, n_iter=2, precision="same", rng=stream)
        for x, y in zip(result, one, strict=True):
            assert x.dtype == y.dtype
            assert np.array_equal(x[i], y)
        for name in one.info.__dataclass_fields__:
            assert getattr(result.info, name)[i] == getattr(one.info, name), name
    A[(0,) * (len(shape) - 2)] = 0  # one at a time then
    mixed = randla.randomized_svd(A, 8, n_iter=2, precision="same", rng=randla.Stream(3))
    assert not mixed.S[(0,) * (len(shape) - 2)].any()
    last = tuple(b - 1 for b in shape[:-2])
    assert np.array_equal(mixed.S[last], result.S[last])


@pytest.mark.parametrize("refusal", ["NotFinite", "Overflow"])
def test_a_stack_that_the_core_refuses_is_taken_one_at_a_time(monkeypatch, refusal):
    from randla._cpu import svd

    A = np.random.default_rng(0).standard_normal((3, 70, 66))
    wanted = randomized_svd(A, 8, n_iter=2, precision="same", rng=0)
    plain, seen = svd.randomized_svd, []

    def refuses_stacks(matrices, *options):
        seen.append(matrices.ndim)
        if matrices.ndim == 3:
            raise getattr(svd, refusal)(1)
        return plain(matrices, *options)

    monkeypatch.setattr(svd, "randomized_svd", refuses_stacks)
    result = randomized_svd(A, 8, n_iter=2, precision="same", rng=0)
    assert seen == [3, 2, 2, 2]
    assert np.array_equal(result.S, wanted.S)
    assert np.array_equal(result.U, wanted.U)


# ---- rows that are zero or equal -----------------------------------------------------------------


@pytest.mark.parametrize("way", ["rtol", "krylov", "operator", "subspace", "auto"])
@pytest.mark.parametrize("name", ["few rows", "few columns", "tiles", "blocks"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_rows_that_are_zero_or_equal(dtype, name, way):
    """A basis that is complete was once extended by what it had already."""
    A = plain(name).astype(dtype)
    s = np.linalg.svd(A, compute_uv=False)
    for seed in range(3):
        if way == "rtol":
            result = randomized_svd(A, rtol=0.01, rng=seed)
            rest = np.linalg.norm(wide(A) - (result.U * result.S) @ result.Vh)
            assert rest <= 0.01 * np.linalg.norm(s)
        else:
            given = Matrix(A) if way == "operator" else A
            method = way if way in ("krylov", "subspace") else "auto"
            result = randomized_svd(given, 2, method=method, rng=seed)
        k = len(result.S)
        for V in (wide(result.U), wide(result.Vh.conj().T)):
            # sums of equal numbers have errors of one sign
            assert np.abs(V.conj().T @ V - np.eye(k)).max() <= 100 * eps(dtype)
        if result.info.method != "subspace":
            assert np.allclose(result.S, s[:k], atol=100 * eps(dtype) * s[0])


@pytest.mark.parametrize(
    ("dtype", "largest"), [("float64", [1e5, 1e6, 1e8]), ("float32", [1e2, 1e4])]
)
def test_gram_gives_up_before_rounding_decides(dtype, largest):
    """At the former limit, sqrt(eps) s_1, the tenth value was off by a fifth."""
    for big in largest:
        A = with_values(3000, 100, np.r_[big, np.linspace(2, 0.1, 99)], dtype)
        result = randomized_svd(A, 10, method="gram", rng=0)
        if result.info.method == "gram":
            s = np.linalg.svd(wide(A), compute_uv=False)[:10]
            assert np.abs(result.S / s - 1).max() <= (1e-6 if dtype == "float64" else 1e-4)
        assert (result.info.method == "gram") == (big <= (1e6 if dtype == "float64" else 1e2))


def test_half_precision_has_no_infinite_values():
    A = np.full((20, 20), 60000, np.float16)
    with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
        randomized_svd(A, 1)


def test_a_basis_that_nothing_random_completes(monkeypatch):
    """Then QR of all does; here the columns that are to help are those that are there."""
    algebra = Algebra(np.empty(0), "d", randla.Stream(0))
    Q = np.eye(50, 10)
    monkeypatch.setattr(Algebra, "gaussian", lambda *_: np.eye(50, 3))
    both = np.hstack([Q, algebra.extend(Q, np.eye(50, 3))])
    assert both.shape == (50, 13)
    assert np.abs(both.T @ both - np.eye(13)).max() <= 1e-14
