"""randomized_svd, pca and randomized_range_finder on CuPy arrays: what stays on the device."""

import cupy_stand_in
import numpy as np
import pytest
import scipy.sparse as sp
from cupy_stand_in import record
from svd_gallery import check, spectra, with_values

import randla

gpu = pytest.mark.gpu
FEW = cupy_stand_in.SANITIZE  # what ASan must see are the paths, not the cases
DTYPES = ["float32", "complex128"] if FEW else ["float32", "float64", "complex64", "complex128"]
METHODS = ["subspace", "krylov", "gram", "exact"]


def on_host(result):
    return type(result)(*(x.get() for x in result), rank=result.rank, info=result.info)


@gpu
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_numpy(cp, dtype, method):
    A = with_values(200, 90, spectra(90)["1/i"], dtype)
    for B in (A, A.T) if method == "subspace" else (A,):
        for own, center in ((randla.randomized_svd, False), (randla.pca, True)):
            found = own(cp.asarray(B), 5, method=method, rng=3)
            assert all(isinstance(x, cp.ndarray) for x in found)
            result, wanted = on_host(found), own(B, 5, method=method, rng=3)
            check(B, result, 5, center)
            assert result.info.method == method
            assert np.allclose(result.S, wanted.S, rtol=2e4 * np.finfo(dtype).eps)
            assert np.isclose(result.info.error_fro, wanted.info.error_fro, rtol=1e-2)
            if center:
                assert np.allclose(found.mean.get(), wanted.mean, atol=1e-6)


@gpu
def test_gaussian_columns_are_those_of_the_cpu(cp):
    from randla._cuda import svd
    from randla._svd_algebra import Algebra, kind_of_stream

    stream = randla.Stream(5, 2**63 + 7)
    for char in "fdFD":
        for length in (1, 7, 64, 301):
            on_cpu = Algebra(np.empty(0), char, stream).gaussian(length, 3, 4)
            X = svd.gaussian(stream, kind_of_stream("SVD_GAUSSIAN"), length, 3, 4, char)
            assert X.dtype == char
            assert X.flags.c_contiguous
            assert np.allclose(X.get(), on_cpu, atol=20 * np.finfo(char).eps)


@gpu
def test_rtol_batches_bases_and_scale(cp):
    A = with_values(150, 100, spectra(100)["exponential"])
    result = randla.randomized_svd(cp.asarray(A), rtol=0.01, rng=0)
    assert result.rank == randla.randomized_svd(A, rtol=0.01, rng=0).rank
    residual = A - (result.U.get() * result.S.get()) @ result.Vh.get()
    assert np.linalg.norm(residual) <= 0.01 * np.linalg.norm(A)
    batch = np.stack([A, 2 * A])
    S = randla.randomized_svd(cp.asarray(batch), 3, rng=0).S.get()
    assert np.allclose(S, randla.randomized_svd(batch, 3, rng=0).S)
    Q, info = randla.randomized_range_finder(cp.asarray(A), 5, rng=0, return_info=True)
    wanted = randla.randomized_range_finder(A, 5, rng=0)
    assert np.allclose(abs(wanted.T @ Q.get()), np.eye(15), atol=1e-6)
    assert info.passes == 9
    for power in (-900, 900):
        scaled = randla.randomized_svd(cp.asarray(A * 2.0**power), 3, rng=0).S.get()
        assert np.allclose(np.ldexp(scaled, -power), S[0], rtol=1e-9)
    half = randla.randomized_svd(cp.asarray(A.astype("e")), 3, rng=0)
    assert half.U.dtype == half.S.dtype == np.float16
    assert np.allclose(half.S.get(), S[0], rtol=1e-2)
    shifted = randla.pca(cp.asarray(A + 1e6), 3, rng=0)
    assert np.allclose(shifted.S.get(), randla.pca(A, 3, rng=0).S, rtol=1e-6)


@gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse(cp, dtype):
    from cupyx.scipy.sparse import csr_matrix

    rng = np.random.default_rng(0)
    A = sp.random_array((400, 150), density=0.05, rng=rng, format="csr").astype(dtype)
    if A.dtype.kind == "c":
        A.data = A.data + 1j * rng.random(A.nnz).astype(A.data.real.dtype)
    device = csr_matrix(tuple(map(cp.asarray, (A.data, A.indices, A.indptr))), shape=A.shape)
    for own, center in ((randla.randomized_svd, False), (randla.pca, True)):
        for method in ("auto", "subspace"):
            found = own(device, 5, method=method, n_iter=8, rng=1)
            assert all(isinstance(x, cp.ndarray) for x in found)
            wanted = own(A, 5, method=method, n_iter=8, rng=1)
            check(A.toarray(), on_host(found), 5, center)
            assert np.allclose(found.S.get(), wanted.S, rtol=1e-4)
            assert found.info.method == wanted.info.method


@gpu
def test_what_is_not_finite_and_zero(cp):
    A = with_values(200, 100, spectra(100)["1/i"])
    assert not randla.randomized_svd(cp.zeros((90, 80)), 3).S.get().any()
    for bad in (np.nan, np.inf):
        A[3, 4] = bad
        for method in METHODS:
            with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
                randla.randomized_svd(cp.asarray(A), 5, method=method)


@gpu
def test_wide_panels_are_factorised_on_the_device(cp):
    """And a Cholesky factor that fails there is noticed."""
    from randla._svd_algebra import Algebra

    rng = np.random.default_rng(0)
    Y = rng.standard_normal((700, 280))
    for case, fallbacks in (("good", 0), ("deficient", 1), ("zero", 1)):
        if case == "deficient":
            Y[:, 100] = Y[:, 5]
        elif case == "zero":
            Y[:, 100] = 0
        algebra = Algebra(cp.asarray(Y), "d", randla.Stream(0))
        Q, R = algebra.orthonormalise(cp.asarray(Y))
        assert algebra.fallbacks == fallbacks
        assert np.linalg.norm(Q.get().T @ Q.get() - np.eye(280)) <= 1e-12
        assert np.allclose(Q.get() @ R, Y, atol=1e-11)
    Y[0, 0] = np.nan
    algebra = Algebra(cp.asarray(Y), "d", randla.Stream(0))
    with pytest.raises(ArithmeticError):
        algebra.orthonormalise(cp.asarray(Y))
    result = randla.randomized_svd(cp.asarray(with_values(600, 560, spectra(560)["1/i"])), 260)
    assert np.allclose(result.S.get()[:200], spectra(560)["1/i"][:200], rtol=0.01)


def test_the_matrix_stays_on_the_device(stand_in, monkeypatch):
    """What the host gets are small matrices and numbers."""
    got = []
    original = stand_in.ndarray.get
    monkeypatch.setattr(stand_in.ndarray, "get", lambda x: got.append(x.size) or original(x))
    A = stand_in.asarray(with_values(300, 200, spectra(200)["1/i"]))
    record.clear()
    randla.randomized_svd(A, 5, n_iter=2, rng=0)
    assert max(got) == 15 * 15 + 1  # a triangle, and whether it is certain
    assert {name for name, _ in record.launches} == {"sketch_normals", "svd_triangles"}
    assert record.synchronisations < 40


@gpu
@pytest.mark.parametrize("char", "fd")
def test_triangles_of_gram_matrices(cp, schedule, char):
    from randla._cuda import svd

    eps = np.finfo(char).eps
    least = 30 * np.sqrt(eps)
    for n in (1, 2, 17, 40):
        Y = np.random.default_rng(n).standard_normal((3 * n + 5, n)) * 2.0 ** np.arange(n)[::-1]
        gram = (Y.T @ Y).astype(char)
        inverse, R = svd.triangles(cp.asarray(gram), least)
        assert isinstance(R, np.ndarray)
        exact = np.linalg.cholesky(Y.T @ Y).T
        assert np.allclose(R, exact, rtol=1e-3, atol=100 * eps * np.abs(exact).max())
        assert np.array_equal(np.triu(R), R)
        assert np.allclose(R.astype("d") @ inverse.get(), np.eye(n), atol=1e4 * eps)
        zero = gram.copy()
        zero[:, -1] = zero[-1] = 0
        bad = gram.copy()
        bad[-1, 0] = bad[0, -1] = np.nan
        twice = np.ones((n + 1, n + 1), char)
        for uncertain in (zero, bad, twice):
            assert svd.triangles(cp.asarray(uncertain), least) is None
