"""QR on CuPy arrays: factors and ranks as on the CPU, the ladder, and what crosses the bus."""

import numpy as np
import pytest
import qr_gallery
from cupy_stand_in import record

import randla

gpu = pytest.mark.gpu
DTYPES = ["float32", "float64", "complex64", "complex128"]


def random_matrix(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal(shape)
    return A.astype(dtype)


def on_host(result):
    kind = type(result)
    return kind(*(None if x is None else x.get() for x in result))


def call(cp, A, method, **options):
    """A method by its name; pivots as it has them, unless options say otherwise."""
    x = A if isinstance(A, cp.ndarray) else cp.asarray(A)
    if method.startswith("chol"):
        return randla.cholesky_qr(x, method=method)
    options.setdefault("pivoting", method != "cqrrt")
    return randla.qr(x, method=method, rng=3, **options)


def check(A, found):
    result = on_host(found)
    assert result.Q.dtype == result.R.dtype == A.dtype
    assert not np.tril(result.R, -1).any()
    assert (np.diag(result.R).imag == 0).all()
    assert (np.diag(result.R).real >= 0).all()
    if len(result) == 3:
        assert result.P.dtype == np.int64
        assert sorted(result.P.tolist()) == list(range(A.shape[1]))
    orth, off = qr_gallery.figures(A, result)
    assert orth <= 50
    assert off <= 50
    return result


@gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["cqrrpt", "cqrrt", "cholqr2", "cholqr3", "householder"])
def test_agrees_with_the_cpu(cp, method, dtype):
    A = random_matrix((300, 20), dtype)
    found = call(cp, A, method)
    assert isinstance(found.Q, cp.ndarray)
    assert found.info.method == method
    assert found.info.attempts == 1
    assert found.rank == 20
    result = check(A, found)
    wanted = qr_gallery.METHODS[method](A, 3)
    if method == "cqrrpt":  # the sketch is the same on every backend
        assert (result.P == wanted.P).all()
    if len(result) == 2 or (result.P == wanted.P).all():
        tolerance = 1e3 * np.finfo(A.dtype).eps
        np.testing.assert_allclose(result.R, wanted.R, atol=tolerance * np.abs(wanted.R).max())


@gpu
@pytest.mark.parametrize("layout", ["C", "F", "strided", "columns of more"])
@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_layouts(cp, layout, dtype):
    A = random_matrix((260, 24), dtype)
    x = cp.asarray(A)
    if layout == "F":
        x = cp.asarray(np.ascontiguousarray(A.T)).T
    elif layout != "C":
        wide = cp.zeros((520, 72), dtype)
        x = wide[::2, ::3] if layout == "strided" else wide[:260, 5:29]
        x[...] = cp.asarray(A)
    for method in ("cqrrpt", "cqrrt", "cholqr2", "householder"):
        check(A, call(cp, x, method))
    assert np.array_equal(x.get(), A)


@gpu
@pytest.mark.parametrize("shape", [(40, 40), (7, 30), (1, 1), (5, 1), (1, 5), (50, 30)])
def test_shapes(cp, shape):
    A = random_matrix(shape)
    for options in ({"pivoting": True}, {"pivoting": False}):
        found = randla.qr(cp.asarray(A), rng=0, **options)
        check(A, found)
        assert found.rank == min(shape)
    if shape[0] >= shape[1]:  # a sketch would have more rows than this one
        check(A, call(cp, A, "cqrrpt"))
        check(A, call(cp, A, "cqrrt"))


@gpu
@pytest.mark.parametrize(
    "name",
    [
        "kappa 1e14",
        "kappa 1e18",
        "exact low rank",
        "low rank + 1e-15",
        "spiked rows",
        "[I; 0]",
        "duplicate columns",
        "Kahan",
        "first column zero",
        "coherent blocks",
        "zero",
        "times 1e-200",
        "times 1e305",
        "columns 1e200, 1e-100",
    ],
)
def test_gallery(cp, name):
    A = qr_gallery.build(name, "float64", "C", 500, 40, 0)
    low, high = qr_gallery.allowed_ranks(name, A)
    for method in ("cqrrpt", "cqrrt", "cholqr2", "householder"):
        found = call(cp, A, method)
        check(A, found)
        if len(found) == 3:
            assert low <= found.rank <= high, method
    if name not in qr_gallery.DOUBLE_ONLY:
        single = A.astype("float32")
        low, high = qr_gallery.allowed_ranks(name, single)
        found = call(cp, single, "cqrrpt")
        check(single, found)
        assert low <= found.rank <= high


@gpu
def test_complex_deficiency(cp):
    A = random_matrix((300, 12), "complex128") @ random_matrix((12, 20), "complex128", 1)
    found = call(cp, A, "cqrrpt")
    check(A, found)
    assert found.rank == 12


@gpu
def test_modes_and_batches(cp):
    A = random_matrix((2, 3, 200, 12))
    A[1, 2, :, 4] = A[1, 2, :, 3]
    found = call(cp, A, "cqrrpt")
    wanted = randla.qr(A, pivoting=True, method="cqrrpt", rng=3)
    assert found.rank.tolist() == wanted.rank.tolist() == [[12, 12, 12], [12, 12, 11]]
    assert found.info.attempts.shape == (2, 3)
    assert np.array_equal(found.P.get()[0], wanted.P[0])
    for i in np.ndindex(2, 3):
        check(A[i], randla.PivotedQRResult(*(x[i] for x in found)))
    assert call(cp, A, "cqrrpt", k=7).R.shape == (2, 3, 7, 12)
    assert call(cp, A[0, 0], "cqrrpt", mode="r").Q is None
    cut = call(cp, A[1, 2], "cqrrpt", mode="truncated")
    assert cut.Q.shape == (200, 11)
    few = call(cp, A[0, 0], "cqrrpt", k=5)
    B, (Q, R, P) = A[0, 0], on_host(few)
    np.testing.assert_allclose(R, Q.T @ B[:, P], atol=1e-12)
    left = np.linalg.norm(B[:, P] - Q @ R) / np.linalg.norm(B)
    assert left / 3 < few.info.residual_estimate < 3 * left
    half = randla.qr(cp.asarray(A[0, 0]).astype("float16"))
    assert half.Q.dtype == np.float16
    assert randla.qr(cp.zeros((0, 4, 3))).Q.shape == (0, 4, 3)
    assert randla.qr(cp.zeros((4, 0)), pivoting=True).R.shape == (0, 0)


@gpu
@pytest.mark.parametrize("method", ["cqrrpt", "cqrrt", "cholqr2", "householder"])
def test_what_is_not_finite_is_named(cp, method):
    for value in (np.nan, np.inf):
        A = random_matrix((2, 300, 20))
        A[1, 150, 7] = value
        with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1,\) of A has a NaN"):
            call(cp, A, method)
    with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
        call(cp, np.full((50, 3), 1.7e308), method)


@gpu
def test_what_a_bad_sketch_loses_is_found_again(cp, monkeypatch):
    """One nonzero in a column loses columns of [I; 0]; what they leave is factorised by itself."""
    from randla._cuda import qr

    A = np.eye(500, 40)
    monkeypatch.setattr(qr, "_NNZ", 1)
    for seed in range(6):
        found = randla.qr(cp.asarray(A), pivoting=True, method="cqrrpt", rng=seed)
        check(A, found)
        assert found.rank == 40


@gpu
def test_a_loose_pass_is_repeated_and_a_broken_one_shifted(cp, monkeypatch):
    from randla._cuda import qr

    A = random_matrix((400, 30)) * np.logspace(0, -6, 30)
    plain = qr._Factorisation._judge
    for first in (qr._LOOSE, qr._WRONG):
        judged = []

        def judge(self, *arguments, judged=judged, first=first):
            judged.append(plain(self, *arguments))
            return first if len(judged) == 1 else judged[-1]

        with monkeypatch.context() as patch:
            patch.setattr(qr._Factorisation, "_judge", judge)
            found = call(cp, A, "cqrrpt")
        check(A, found)
        assert (found.info.method, found.info.attempts) == ("cqrrpt", 2)
        assert judged == [qr._RIGHT] * 2

    passes, calls = qr._Factorisation._passes, []

    def twice_broken(self, W, R, count, shift):
        calls.append((count, shift))
        return (None, np.inf) if len(calls) < 3 else passes(self, W, R, count, shift)

    with monkeypatch.context() as patch:
        patch.setattr(qr._Factorisation, "_passes", twice_broken)
        found = call(cp, A, "cqrrpt")
    check(A, found)
    assert (found.info.method, found.info.attempts) == ("cqrrpt", 3)
    assert [count for count, _ in calls] == [1, 1, 3]
    assert calls[-1][1] > 0

    with monkeypatch.context() as patch:
        patch.setattr(qr._Factorisation, "_passes", lambda *x: (None, np.inf))
        for method in ("cqrrpt", "cqrrt", "cholqr2"):
            found = call(cp, A, method)
            check(A, found)
            assert found.info.method == "householder"


def test_nothing_of_the_length_of_a_crosses_the_bus(stand_in):
    """A triangle there, its factors and the permutation back; else a few numbers."""
    n, deficient = 16, np.r_[np.ones(10), np.zeros(6)]
    for m in (400, 4000):
        A = random_matrix((m, n)) @ np.diag(deficient) @ random_matrix((n, n), seed=1)
        for matrix in (random_matrix((m, n)), A, A * 1e-300):
            x = stand_in.asarray(matrix)
            for method in ("cqrrpt", "cqrrt", "cholqr2", "cholqr3", "householder"):
                record.clear()
                call(stand_in, x, method)
                assert max(record.crossed) <= 8 * n * n, method
                assert sum(record.crossed) <= 40 * 8 * n * n, method
                pivots = method in ("cqrrpt", "householder")
                if matrix is not A and not pivots:
                    assert max(record.crossed) <= 16 * n, method


def test_sketches_are_drawn_on_the_device(stand_in):
    record.clear()
    call(stand_in, stand_in.asarray(random_matrix((400, 16))), "cqrrt")
    assert [name for name, _ in record.launches] == ["sketch_nonzeros", "sketch_collect"]
