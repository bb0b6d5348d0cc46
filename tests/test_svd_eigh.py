"""Every sentence of randomized_eigh's docstring, on NumPy."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, eigsh

import randla
from randla import randomized_eigh

DTYPES = ["float32", "float64", "complex64", "complex128"]
WAYS = [
    {"method": "krylov"},
    {"method": "subspace"},
    {"method": "exact"},
    {"psd": True, "method": "nystrom", "n_iter": 2},
]


def eps(dtype):
    return float(np.finfo(dtype).eps)


def with_values(w, dtype="float64", seed=0):
    """A Hermitian matrix with these eigenvalues, and none but rounding asymmetry."""
    rng = np.random.default_rng(seed)
    n = len(w)
    X = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal((n, n))
    Q = np.linalg.qr(X)[0]
    return ((Q * np.asarray(w, float)) @ Q.conj().T).astype(dtype)


def spectra(n):
    i = np.arange(1, n + 1.0)
    return {
        "1/i": 1 / i,
        "1/i^2": i**-2,
        "exponential": 0.6**i,
        "step": np.where(i <= 12, 1, 1e-6),
        "low rank": np.where(i <= 7, 1 / i, 0),
        "repeated": np.where(i <= 9, 2, np.where(i <= 30, 0.5, 0.01)),
    }


def check(A, result, k):
    """Shapes, dtypes, order, orthonormal columns, signs."""
    w, V = result
    n = A.shape[-1]
    assert w.shape == (k,)
    assert V.shape == (n, k)
    assert w.dtype == np.zeros(0, A.dtype).real.dtype
    assert V.dtype == A.dtype
    assert (np.diff(np.abs(w)) <= 0).all()
    assert np.linalg.norm(V.conj().T @ V - np.eye(k)) <= 20 * eps(A.dtype) * np.sqrt(k)
    top = np.take_along_axis(V, np.abs(V).argmax(axis=0)[None], 0)[0]
    assert (top.real > 0).all()
    assert np.abs(top.imag).max() <= 4 * eps(A.dtype)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", spectra(1))
def test_spectra(name, dtype, way):
    n, k = 150, 8
    s = spectra(n)[name]
    A = with_values(s, dtype)
    result = randomized_eigh(A, k, rng=0, **way)
    check(A, result, k)
    w, V = result
    norm = np.linalg.norm(s)
    # Ritz values, which do not exceed those of A
    assert (w <= s[:k] + 50 * eps(dtype) * norm).all()
    error = np.linalg.norm(A - (V * w) @ V.conj().T)
    least = np.linalg.norm(s[k:])
    assert error <= (1.1 if name != "repeated" else 1.01) * least + 100 * eps(dtype) * norm
    info = result.info
    assert info.method == way["method"]
    assert error / 2.5 <= info.error_fro + 30 * eps(dtype) * norm
    assert info.error_fro <= 2.5 * error + 100 * eps(dtype) * norm
    spectral = np.linalg.norm(A - (V * w) @ V.conj().T, 2)
    assert spectral <= info.error_2_bound + 50 * eps(dtype) * norm
    assert info.asymmetry <= 100 * eps(dtype)
    if way["method"] == "nystrom":
        nuclear = np.linalg.norm(A - (V * w) @ V.conj().T, "nuc")
        assert info.error_nuclear == pytest.approx(nuclear, rel=1e-2, abs=500 * eps(dtype) * norm)
        assert np.isnan(info.residual)
    else:
        residual = np.linalg.norm(A @ V - V * w, axis=0).max()
        assert residual <= 1.01 * info.residual + 100 * eps(dtype) * norm
        if way["method"] != "exact":
            assert info.residual <= 1.01 * residual + 100 * eps(dtype) * norm


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_signs(dtype):
    i = np.arange(1, 201.0)
    s = 1 / i**2 * (-1) ** i
    A = with_values(s, dtype)
    for way in ({}, {"n_iter": 12}, {"method": "exact"}):
        w, V = result = randomized_eigh(A, 6, rng=0, **way)
        check(A, result, 6)
        assert np.allclose(w, s[:6], rtol=2e-3, atol=100 * eps(dtype))
        assert np.abs(A @ V - V * w).max() <= 2e-3


def test_krylov_stops_when_it_is_enough():
    """Beside ARPACK, and with fewer products where values decay fast."""
    n, k = 500, 20
    passes = {}
    for name in ("1/i", "exponential"):
        s = spectra(n)[name]
        A = with_values(s)
        result = randomized_eigh(A, k, rng=0)
        peer = np.sort(eigsh(A, k, return_eigenvectors=False))[::-1]
        assert np.allclose(result.eigenvalues, peer, rtol=1e-6, atol=1e-14)
        assert result.info.converged
        assert result.info.residual <= 1e-4 * s[0]
        passes[name] = result.info.passes
    assert passes["exponential"] < passes["1/i"] <= 14 + 1 + 2
    few = randomized_eigh(with_values(spectra(n)["1/i"]), k, method="krylov", n_iter=2, rng=0)
    assert few.info.passes == 4
    assert few.info.n_iter == 2


@pytest.mark.parametrize(("k", "copies"), [(50, 40), (10, 40), (20, 16)])
@pytest.mark.parametrize("signs", [1, -1])
def test_more_equal_eigenvalues_than_a_block_has_columns(k, copies, signs):
    """A narrow block sees no more of them than it has columns, and its residuals are small."""
    i = np.arange(500)
    s = np.where(i < copies, 1.0, 0.5 * 0.99**i)
    s[:copies:2] *= signs
    A = with_values(s)
    result = randomized_eigh(A, k, rng=0)
    check(A, result, k)
    assert np.allclose(np.abs(result.eigenvalues), np.abs(s[:k]), atol=1e-4)
    assert result.info.converged


def test_blocks_that_were_asked_for_and_miss_some_have_not_converged():
    i = np.arange(500)
    A = with_values(np.where(i < 40, 1.0, 0.5 * 0.99**i))
    asked = {"method": "krylov", "n_iter": 13, "n_oversamples": 102}  # blocks of 8 columns
    result = randomized_eigh(A, 10, rng=0, **asked)
    assert result.eigenvalues[-1] < 0.5
    assert result.info.residual <= 1e-2 * result.eigenvalues[-1]
    assert not result.info.converged


def test_error_is_told_by_probes():
    near = 0
    A = with_values(spectra(120)["1/i^2"])
    for seed in range(100):
        result = randomized_eigh(A, 5, psd=True, n_iter=0, rng=seed)
        truth = np.linalg.norm(A - (result.eigenvectors * result.eigenvalues) @ result[1].T)
        near += truth / 2 <= result.info.error_fro <= 2 * truth
        assert result.info.passes == 1
        assert result.info.error_nuclear == pytest.approx(
            np.trace(A) - result.eigenvalues.sum(), rel=1e-10
        )
        # never above A
        rest = A - (result.eigenvectors * result.eigenvalues) @ result.eigenvectors.T
        assert np.linalg.eigvalsh(rest)[0] >= -1e-13
    assert near >= 95


def test_converged():
    slow = with_values(np.arange(1, 301.0) ** -0.3)
    for psd in (False, True):
        assert not randomized_eigh(slow, 10, n_iter=1, psd=psd, rng=0).info.converged
        assert randomized_eigh(slow, 10, n_iter=60, psd=psd, rng=0).info.converged
    assert randomized_eigh(with_values(spectra(300)["low rank"]), 9, n_iter=0, rng=0).info.converged


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_zero_and_tiny_and_huge(way):
    n, k = 100, 4
    for dtype in ("float32", "float64"):
        w, V = result = randomized_eigh(np.zeros((n, n), dtype), k, rng=0, **way)
        check(np.zeros((n, n), dtype), result, k)
        assert not w.any()
        assert result.info.error_fro == result.info.residual == 0
        s = 0.5 ** np.arange(n)
        A = with_values(s, "float64")
        for power in (-120, 110) if dtype == "float32" else (-1000, 1000):
            scaled = (A * 2.0**power).astype(dtype)
            w, V = randomized_eigh(scaled, k, rng=0, **way)
            assert np.allclose(w * 2.0**-power, s[:k], rtol=1e-4)
            assert np.allclose(V.T @ V, np.eye(k), atol=1e-5)


@pytest.mark.parametrize("way", [*WAYS[:3], {"psd": True, "n_iter": 2}], ids=str)
def test_storage(way, tmp_path):
    """However it is stored: the same values."""
    n, k = 140, 5
    s = 0.6 ** np.arange(n)
    A = with_values(s)
    A = (A + A.T) / 2
    wanted = randomized_eigh(A, k, rng=0, **way).eigenvalues
    np.save(tmp_path / "a.npy", A)
    wide = np.zeros((2 * n, 2 * n))
    wide[::2, ::2] = A
    readonly = A.copy()
    readonly.flags.writeable = False
    for given in (
        np.asfortranarray(A), wide[::2, ::2], readonly, np.load(tmp_path / "a.npy", mmap_mode="r"),
        sp.csr_array(A), sp.csc_array(A), sp.coo_array(A), A.tolist(),
        LinearOperator((n, n), matvec=lambda x: A @ x, matmat=lambda X: A @ X, dtype=float),
    ):  # fmt: skip
        result = randomized_eigh(given, k, rng=0, **way)
        check(A, result, k)
        assert np.allclose(result.eigenvalues, wanted, rtol=1e-10)

    class Product:
        """Without an adjoint, which is not needed."""

        shape, dtype = A.shape, A.dtype

        def matmat(self, X):
            return A @ X

    assert np.allclose(randomized_eigh(Product(), k, rng=0, **way).eigenvalues, wanted)
    half = randomized_eigh(A.astype(np.float16), k, rng=0, **way)
    assert half.eigenvalues.dtype == half.eigenvectors.dtype == np.float16
    whole = randomized_eigh(np.diag(np.arange(n)), k, rng=0, **way)
    assert whole.eigenvalues.dtype == np.float64


def test_batches():
    A = np.stack([with_values(0.7 ** np.arange(70.0), seed=i) for i in range(6)]).reshape(
        2, 3, 70, 70
    )
    result = randomized_eigh(A, 3, rng=0)
    assert result.eigenvalues.shape == (2, 3, 3)
    assert result.eigenvectors.shape == (2, 3, 70, 3)
    assert result.info.passes.shape == (2, 3)
    for i, j in itertools.product(range(2), range(3)):
        check(A[i, j], (result.eigenvalues[i, j], result.eigenvectors[i, j]), 3)
    assert np.array_equal(randomized_eigh(A[0, 0], 3, rng=0)[1], result.eigenvectors[0, 0])
    empty = randomized_eigh(np.zeros((0, 5, 5), np.complex64), 2)
    assert empty.eigenvalues.shape == (0, 2)
    assert empty.eigenvalues.dtype == np.float32
    assert empty.eigenvectors.dtype == np.complex64
    assert empty.info.method.shape == (0,)
    A[1, 2, 3, 3] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1, 2\) of A has a NaN"):
        randomized_eigh(A, 3)


def test_positive_semidefinite_or_not():
    n = 150
    s = np.r_[1 / np.arange(1, n), 0.0]
    for way in ({}, {"n_iter": 0}, {"n_iter": 3}, {"method": "exact"}, {"method": "subspace"}):
        rounded = s.copy()
        rounded[-1] = -1e-15
        assert (randomized_eigh(with_values(rounded), 4, psd=True, rng=0, **way)[0] > 0).all()
        low = np.r_[s[:5], np.zeros(n - 5)]  # rank below k
        w, V = randomized_eigh(with_values(low), 9, psd=True, rng=0, **way)
        assert np.allclose(w, low[:9], atol=1e-13)
        assert np.linalg.norm(V.T @ V - np.eye(9)) <= 1e-13
        negative = s.copy()
        negative[1] = -0.5
        with pytest.raises(
            np.linalg.LinAlgError,
            match=r"A is not positive semidefinite: it has an eigenvalue of at most -0\.[0-5]",
        ):
            randomized_eigh(1.0 * with_values(negative), 4, psd=True, rng=0, **way)
    with pytest.raises(np.linalg.LinAlgError, match=r"at most -1\.\d*e\+30|at most -1e\+30"):
        randomized_eigh(-1e30 * np.eye(n), 4, psd=True)


def test_nystrom_without_a_factor(monkeypatch):
    """Ritz values take over where Cholesky's method fails at every shift."""

    def fails(_):
        raise np.linalg.LinAlgError

    s = 0.5 ** np.arange(150)
    A = with_values(s)
    monkeypatch.setattr(np.linalg, "cholesky", fails)
    result = randomized_eigh(A, 4, psd=True, n_iter=3, rng=0)
    check(A, result, 4)
    assert result.info.method == "subspace"
    assert np.allclose(result.eigenvalues, s[:4])


def test_not_hermitian():
    rng = np.random.default_rng(0)
    A = with_values(1 / np.arange(1, 201.0))
    skew = rng.standard_normal(A.shape)
    skew = 1e-3 * (skew - skew.T) / np.linalg.norm(skew - skew.T) * np.linalg.norm(A)
    told = []
    for way in ({}, {"n_iter": 2}, {"psd": True, "n_iter": 0}, {"method": "exact"}):
        with pytest.raises(ValueError, match="A must be Hermitian, got norm") as caught:
            randomized_eigh(A + skew, 5, rng=0, **way)
        told.append(float(str(caught.value).split("= ")[-1]))
        fine = randomized_eigh(A + 1e-8 * skew, 5, rng=0, **way)
        assert 2e-12 <= fine.info.asymmetry <= 4e-11  # 2e-11
        check(A, fine, 5)
    assert np.allclose(told, 2e-3, rtol=0.5)
    with pytest.raises(ValueError, match="Hermitian"):
        randomized_eigh(1j * np.ones((80, 80)), 3)
    with pytest.raises(ValueError, match=r"matrix \(1,\) of A must be Hermitian"):
        randomized_eigh(np.stack([np.eye(3), np.triu(np.ones((3, 3)))]), 1)


def test_one_rng_one_result_and_pickles():
    A = with_values(spectra(200)["1/i"])
    one, two = (randomized_eigh(A, 5, rng=7) for _ in range(2))
    assert np.array_equal(one[1], two[1])
    other = randomized_eigh(A, 5, rng=8)
    assert not np.array_equal(one[1], other[1])
    back = pickle.loads(pickle.dumps(one))
    assert str(back.info) == str(one.info)
    assert back.rank == 5
    before = A.copy()
    randomized_eigh(A, 5)
    assert np.array_equal(A, before)
    assert np.array_equal(randomized_eigh(A, 5, rng=randla.Stream(7))[1], one[1])


def test_small_and_all():
    for n in (1, 2, 5):
        s = np.arange(n, 0, -1.0) * (-1) ** np.arange(n)
        A = with_values(s)
        for k in range(1, n + 1):
            result = randomized_eigh(A, k)
            check(A, result, k)
            assert np.allclose(result.eigenvalues, s[:k])
    A = with_values(spectra(100)["1/i"])
    assert randomized_eigh(A, 95).info.method == "exact"
    assert randomized_eigh(A, 60).info.method == "exact"
    assert randomized_eigh(A, 60, method="subspace", n_oversamples=10).info.method == "subspace"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, ValueError, r"k must be in \[1, 100\] = \[1, n\], got 0"),
        ({"k": 101}, ValueError, r"k must be in \[1, 100\]"),
        ({"k": 2.5}, TypeError, "k must be an integer"),
        ({"n_oversamples": -1}, ValueError, "n_oversamples must be"),
        ({"n_iter": -1}, ValueError, "n_iter must be"),
        ({"n_iter": "many"}, ValueError, "n_iter must be an integer or 'auto', got 'many'"),
        ({"method": "lanczos"}, ValueError, "method must be one of"),
        ({"method": "nystrom"}, ValueError, "method='nystrom' goes with psd=True"),
        ({"psd": 1}, TypeError, "psd must be True or False, got int"),
        ({"A": np.zeros((3, 4))}, ValueError, "A must"),
        ({"A": np.zeros((0, 0))}, ValueError, "A must not be empty"),
        ({"A": np.zeros(3)}, ValueError, "A must"),
        ({"A": np.full((100, 100), np.nan)}, np.linalg.LinAlgError, "A has a NaN or an infinity"),
        ({"A": np.full((100, 100), np.inf)}, np.linalg.LinAlgError, "A has a NaN or an infinity"),
        ({"A": np.zeros((100, 100), object)}, TypeError, "A has dtype object"),
        ({"A": np.ma.zeros((100, 100))}, TypeError, "A"),
    ],
)
def test_bad_arguments(options, error, message):
    given = {"A": np.eye(100), "k": 3} | options
    with pytest.raises(error, match=message):
        randomized_eigh(given.pop("A"), given.pop("k"), **given)


def plain(name):
    """Of low rank, with unit vectors, or sums of them, among the eigenvectors."""
    if name == "diagonal":
        return np.diag(np.r_[5.0, 4, -3, 2, 1, np.zeros(295)])
    if name == "ones":
        return np.ones((400, 400))
    if name == "blocks":
        return np.kron(np.array([[3.0, 1, 0], [1, 2, 1], [0, 1, 1]]), np.ones((100, 100)))
    star = np.zeros((300, 300))
    star[0] = star[:, 0] = 1
    return star


@pytest.mark.parametrize("method", ["auto", "krylov", "subspace"])
@pytest.mark.parametrize("name", ["diagonal", "ones", "blocks", "star"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_rows_that_are_zero_or_equal(dtype, name, method):
    """A basis that is complete was once extended by what it had already."""
    A = plain(name).astype(dtype)
    n = len(A)
    wanted = np.linalg.eigvalsh(A)
    wanted = wanted[np.argsort(-np.abs(wanted), kind="stable")]
    for seed in range(5):
        for k in (1, 2, 5):
            result = randomized_eigh(A, k, method=method, rng=seed)
            V = result.eigenvectors.astype(np.complex128)
            # sums of equal numbers have errors of one sign
            assert np.abs(V.conj().T @ V - np.eye(k)).max() <= 100 * eps(dtype)
            close = 100 * eps(dtype) * np.abs(wanted).max()
            assert np.allclose(np.abs(result.eigenvalues), np.abs(wanted[:k]), atol=close)
            rest = np.linalg.norm(wanted[k:])
            assert result.info.error_fro <= 1.1 * rest + n * close


def test_an_operator_that_spoils_later_products():
    A = with_values(spectra(300)["1/i"])
    calls = []

    def times(X):
        calls.append(0)
        return A @ X * (np.nan if len(calls) > 2 else 1)

    operator = LinearOperator(A.shape, matvec=times, matmat=times, dtype=A.dtype)
    with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
        randomized_eigh(operator, 5, method="krylov", rng=0)


def test_half_precision_has_no_infinities():
    with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
        randomized_eigh(np.full((20, 20), 60000, np.float16), 1)
