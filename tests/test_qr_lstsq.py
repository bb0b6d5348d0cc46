"""lstsq: every sentence of the docstring, on NumPy, sparse arrays and operators."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator, lsqr

import randla
from randla import _qr_lstsq, _qr_lstsq_steps
from randla._cpu import qr_lstsq as binding
from randla._qr_lstsq_steps import Triangle, preconditioner

CASES = json.loads((Path(__file__).parent / "data" / "qr_lstsq_cases.json").read_text())
DTYPES = ["float32", "float64", "complex64", "complex128"]
METHODS = ["spir", "fossils", "qr"]


def random_matrix(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal(shape)
    return A.astype(dtype)


def problem(m, n, cond, residual, dtype="float64", p=1, seed=0):
    """A with log-spaced singular values, b with a solution of norm 1 and this residual."""
    Q = np.linalg.qr(random_matrix((m, n + p), dtype, seed).astype("complex128"))[0]
    if np.dtype(dtype).kind != "c":
        Q = np.linalg.qr(random_matrix((m, n + p), "float64", seed))[0]
    V = np.linalg.qr(random_matrix((n, n), dtype, seed + 1).astype(Q.dtype))[0]
    A = (Q[:, :n] * np.logspace(0, -np.log10(cond), n)) @ V.conj().T
    x = random_matrix((n, p), dtype, seed + 2)
    x = x / np.linalg.norm(x, axis=0)
    return A.astype(dtype), (A @ x + residual * Q[:, n:]).astype(dtype)


def backward_error(A, b, x, damp=0.0):
    """Karlson and Walden's estimate by an SVD in double precision, in eps of A."""
    eps = np.finfo(A.dtype).eps
    A, b, x = (np.asarray(y, np.result_type(y.dtype, np.float64)) for y in (A, b, x))
    if damp:
        A = np.concatenate([A, damp * np.eye(A.shape[1])])
        b = np.concatenate([b, np.zeros((A.shape[1], b.shape[1]))])
    _, s, Vh = np.linalg.svd(A, full_matrices=False)
    r = b - A @ x
    g = Vh @ (A.conj().T @ r)
    size = np.hypot(np.outer(s, np.linalg.norm(x, axis=0)), np.linalg.norm(r, axis=0))
    return np.linalg.norm(g / size, axis=0).max() / np.linalg.norm(s) / eps


# ---- accuracy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("residual", [1e-10, 1e-2, 10.0])
@pytest.mark.parametrize("cond", [1e1, 1e4, 1e8, 1e10, 1e13, 1e15])
def test_backward_error_at_any_condition_and_residual(cond, residual, method):
    A, b = problem(1500, 30, cond, residual)
    result = randla.lstsq(A, b, rcond=0, method=method, rng=1)
    assert backward_error(A, b, result.x) <= 40
    assert result.info.method == method
    assert result.info.attempts == 1
    assert result.info.backward_error <= 40 * 2**-52
    assert result.info.n_steps <= (0 if method == "qr" else 80)
    assert result.rank == 30
    np.testing.assert_allclose(
        result.residual_norm, np.linalg.norm(b - A @ result.x, axis=0), rtol=1e-6, atol=1e-15
    )


def test_one_refinement_would_not_do():
    """What the second one is for: with one alone errors grow with the condition number."""
    A, b = problem(1500, 30, 1e10, 1e-2)
    kept = _qr_lstsq._REFINEMENTS
    try:
        _qr_lstsq._REFINEMENTS = 1
        run = _qr_lstsq._Run.tall
        errors = []

        def observed(self, B, X):
            found = run(self, B, X)
            errors.append(backward_error(A, b, found.x))
            return found

        _qr_lstsq._Run.tall = observed
        result = randla.lstsq(A, b, method="spir", rng=1)
    finally:
        _qr_lstsq._REFINEMENTS, _qr_lstsq._Run.tall = kept, run
    assert errors[0] > 1000
    # ... and the certificate sends it to QR
    assert result.info.method == "qr"
    assert result.info.attempts == 2
    assert backward_error(A, b, result.x) <= 40


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["C", "F", "strided", "negative", "read-only"])
def test_layouts_and_dtypes(layout, dtype):
    A, b = problem(900, 20, 100, 0.1, dtype, p=2)
    if layout in "CF":
        A = np.asarray(A, order=layout)
    elif layout == "strided":
        A = np.repeat(np.repeat(A, 2, axis=0), 3, axis=1)[::2, ::3]
    elif layout == "negative":
        A, b = A[::-1, ::-1], b[::-1]
    else:
        A.flags.writeable = b.flags.writeable = False
    before = A.copy()
    for method in METHODS:
        result = randla.lstsq(A, b, method=method, rng=3)
        assert result.x.shape == (20, 2)
        assert result.x.dtype == dtype
        assert result.residual_norm.dtype == np.finfo(dtype).dtype
        assert backward_error(A, b, result.x) <= 40
        np.testing.assert_allclose(result.residual_norm, 0.1, rtol=1e-3)
    assert (before == A).all()


@pytest.mark.parametrize("shape", [(60, 20), (40, 40), (20, 60), (12, 100), (1, 1), (5, 1), (1, 5)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_shapes_and_minimum_norm(shape, dtype):
    A, b = random_matrix(shape, dtype), random_matrix((shape[0], 3), dtype, 1)
    wanted = np.linalg.lstsq(A, b, rcond=None)[0]
    for method in ("auto", *METHODS):
        result = randla.lstsq(A, b, method=method, rng=1)
        np.testing.assert_allclose(result.x, wanted, atol=1e-10 * np.abs(wanted).max())
        assert result.rank == min(shape)
        assert result.info.backward_error <= 40 * 2**-52


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(800, 12), (40, 30), (30, 40), (12, 300)])
def test_without_full_rank_the_shortest_solution(shape, method):
    m, n = shape
    A = random_matrix((m, 7)) @ random_matrix((7, n), seed=1)
    b = random_matrix((m, 2), seed=2)
    wanted, _, rank, _ = np.linalg.lstsq(A, b, rcond=None)
    result = randla.lstsq(A, b, method=method, rng=1)
    assert result.rank == rank == 7
    np.testing.assert_allclose(result.x, wanted, atol=1e-11 * np.abs(wanted).max())
    np.testing.assert_allclose(result.residual_norm, np.linalg.norm(b - A @ wanted, axis=0))


@pytest.mark.parametrize("wide", [False, True])
def test_a_sketch_that_loses_columns_is_found_out(monkeypatch, wide):
    """With one nonzero in a column, rows of a unit matrix meet, and the sketch has less rank."""
    A = np.zeros((4000, 60))
    A[:60] = np.eye(60)
    A = A.T.copy() if wide else A
    b = np.arange(1.0, len(A) + 1)
    wanted = np.linalg.lstsq(A, b, rcond=None)[0]
    bad = randla.sketch.SparseSign

    def sketch(d, m, rng):
        return bad(d, m, 1, rng=rng)

    monkeypatch.setattr(randla.sketch, "SparseSign", sketch)
    for method in ("spir", "fossils"):
        result = randla.lstsq(A, b, method=method, rng=0)
        assert result.info.method == "qr"
        assert result.info.attempts == 2
        assert result.rank == 60
        np.testing.assert_allclose(result.x, wanted, atol=1e-10)
        with pytest.warns(randla.AccuracyWarning, match="of inf"):  # nothing to fall back on
            randla.lstsq(scipy.sparse.csr_array(A), b, method=method, rng=0)


def test_rcond_is_that_of_numpy():
    A, b = problem(500, 20, 1e10, 0.1)
    s = np.linalg.svd(A, compute_uv=False)
    for method in METHODS:
        for count in (5, 12):
            rcond = np.sqrt(s[count - 1] * s[count]) / s[0]
            result = randla.lstsq(A, b, rcond=rcond, method=method, rng=0)
            assert result.rank == count
        assert randla.lstsq(A, b, rcond=0, method=method).rank == 20
    assert randla.lstsq(A * 1e-8 ** np.arange(20), b, method="spir").rank < 20


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_cases(case):
    A, b = np.array(case["A"], float), np.array(case["b"], float)
    result = randla.lstsq(A, b)
    wanted = np.linalg.lstsq(A, b, rcond=None)[0]
    assert result.rank == case["rank"]
    np.testing.assert_allclose(result.x, wanted, atol=1e-13)
    assert np.abs(result.x).max() < 10


@pytest.mark.parametrize("factor", [1e200, 1e-200, 1e-290, 1e290])
@pytest.mark.parametrize("method", METHODS)
def test_large_and_small_numbers(method, factor):
    A, b = problem(600, 10, 30, 0.1)
    wanted = randla.lstsq(A, b, method=method, rng=0)
    for left, right in ((factor, factor), (factor, 1), (1, factor)):
        result = randla.lstsq(A * left, b * right, method=method, rng=0)
        np.testing.assert_allclose(result.x / (right / left), wanted.x, rtol=1e-10)
        np.testing.assert_allclose(result.residual_norm / right, 0.1)
    with pytest.raises(np.linalg.LinAlgError, match="x is beyond the range of its dtype"):
        randla.lstsq(A * 1e-200, b * 1e200, method=method)


def test_zeros():
    for method in METHODS:
        for shape in ((300, 5), (5, 300)):
            result = randla.lstsq(np.zeros(shape), np.ones(shape[0]), method=method)
            assert result.rank == 0
            assert not result.x.any()
            np.testing.assert_allclose(result.residual_norm, np.sqrt(shape[0]))
            result = randla.lstsq(random_matrix(shape), np.zeros(shape[0]), method=method)
            assert not result.x.any()
            assert result.info.backward_error == 0
    for m, n, p in ((0, 3, 2), (3, 0, 2), (3, 2, 0)):
        result = randla.lstsq(np.ones((m, n)), np.ones((m, p)))
        assert result.x.shape == (n, p)
        assert result.residual_norm.shape == (p,)


# ---- right-hand sides, batches -------------------------------------------------------------------


def test_b_is_a_vector_only_with_one_dimension():
    A, b = problem(300, 6, 10, 0.1)
    result = randla.lstsq(A, b[:, 0])
    assert result.x.shape == (6,)
    assert np.shape(result.residual_norm) == ()
    assert randla.lstsq(A, b).x.shape == (6, 1)
    x, residual_norm = result
    assert x is result.x
    assert residual_norm is result.residual_norm
    assert pickle.loads(pickle.dumps(result)).info == result.info


def test_batches():
    A = random_matrix((2, 1, 200, 6))
    A[1, 0, :, 5] = A[1, 0, :, 0]
    b = random_matrix((3, 200, 2), seed=1)
    for method in METHODS:
        result = randla.lstsq(A, b, method=method, rng=0)
        assert result.x.shape == (2, 3, 6, 2)
        assert result.residual_norm.shape == (2, 3, 2)
        assert result.rank.tolist() == [[6] * 3, [5] * 3]
        assert (result.info.method == method).all()
        for i in range(2):
            for j in range(3):
                wanted = np.linalg.lstsq(A[i, 0], b[j], rcond=None)[0]
                np.testing.assert_allclose(result.x[i, j], wanted, atol=1e-13)
    vector = randla.lstsq(A[:, 0], b[0, :, 0], rng=0)
    assert vector.x.shape == (2, 6)
    assert randla.lstsq(A[:0], b).x.shape == (0, 3, 6, 2)
    A[1, 0, 3, 3] = np.nan
    for method in METHODS:
        with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1, 0\): A has a NaN"):
            randla.lstsq(A, b, method=method)


def test_many_right_hand_sides_converge_one_by_one():
    A, _ = problem(2000, 30, 1e6, 0.1)
    b = np.concatenate([A @ random_matrix((30, 4)), random_matrix((2000, 4), seed=3)], axis=1)
    b[:, 2] = 0
    result = randla.lstsq(A, b, method="spir", rng=0)
    assert not result.x[:, 2].any()
    for j in range(8):
        alone = randla.lstsq(A, b[:, j : j + 1], method="spir", rng=0)
        assert j == 2 or backward_error(A, b[:, j : j + 1], result.x[:, j : j + 1]) <= 40
        np.testing.assert_allclose(result.residual_norm[j], alone.residual_norm[0], atol=1e-12)


# ---- ridge ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damp", [1e-6, 0.3, 100.0])
@pytest.mark.parametrize("shape", [(900, 15), (40, 25), (20, 90), (5, 200)])
def test_damp_is_that_of_lsqr(shape, damp):
    A, b = random_matrix(shape), random_matrix((shape[0], 1), seed=1)
    inner = np.linalg.inv(A @ A.T + damp**2 * np.eye(shape[0])) if shape[0] < shape[1] else None
    if inner is None:
        wanted = np.linalg.solve(A.T @ A + damp**2 * np.eye(shape[1]), A.T @ b)
    else:
        wanted = A.T @ (inner @ b)
    if damp == 0.3:  # the same definition
        np.testing.assert_allclose(wanted[:, 0], lsqr(A, b[:, 0], damp, 1e-14, 1e-14)[0], rtol=1e-6)
    for method in METHODS:
        for matrix in (A, scipy.sparse.csr_array(A)):
            if method == "qr" and matrix is not A:
                continue
            result = randla.lstsq(matrix, b, damp=damp, method=method, rng=0)
            np.testing.assert_allclose(result.x, wanted, atol=1e-9 * np.abs(wanted).max())
            assert result.rank == min(shape)
            np.testing.assert_allclose(
                result.residual_norm, np.linalg.norm(b - A @ wanted, axis=0), rtol=1e-7, atol=1e-9
            )
            if shape[0] > shape[1]:
                assert backward_error(A, b, result.x, damp) <= 40


def test_damp_regularises_what_has_no_full_rank():
    A = random_matrix((500, 3)) @ random_matrix((3, 10))
    b = random_matrix((500, 1), seed=1)
    wanted = np.linalg.solve(A.T @ A + np.eye(10), A.T @ b)
    for method in METHODS:
        result = randla.lstsq(A, b, damp=1.0, method=method)
        assert result.rank == 10
        np.testing.assert_allclose(result.x, wanted, atol=1e-12)


# ---- sparse arrays and operators -----------------------------------------------------------------


def sparse(m, n, density=0.02, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    A = scipy.sparse.random_array((m, n), density=density, rng=rng).astype(dtype)
    if np.dtype(dtype).kind == "c":
        A = A * (1 + 2j)
    return (A + scipy.sparse.eye_array(m, n)).tocsr().astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3000, 40), (100, 60), (40, 400)])
def test_sparse_arrays(shape, dtype):
    A, b = sparse(*shape, dtype=dtype), random_matrix((shape[0], 5), dtype, 1)
    wanted = np.linalg.lstsq(A.toarray(), b, rcond=None)[0]
    tolerance = 1e4 * np.finfo(dtype).eps
    for matrix in (A, A.tocsc(), A.tocoo()):
        for method in ("auto", "fossils"):
            result = randla.lstsq(matrix, b, method=method, rng=0)
            assert result.x.dtype == dtype
            assert result.rank == min(shape)
            np.testing.assert_allclose(result.x, wanted, atol=tolerance * np.abs(wanted).max())
            few = randla.lstsq(matrix, b[:, :1], method=method, rng=0)  # by SciPy's product
            np.testing.assert_allclose(few.x, wanted[:, :1], atol=tolerance * np.abs(wanted).max())


def test_sparse_integers_and_broken_indices():
    A = scipy.sparse.csr_array(np.array([[1, 2], [0, 3], [4, 0]]))
    result = randla.lstsq(A, [1, 2, 3])
    np.testing.assert_allclose(result.x, np.linalg.lstsq(A.toarray(), [1, 2, 3], rcond=None)[0])
    A.indices[0] = 5
    with pytest.raises(ValueError, match="broken sparse array"):
        randla.lstsq(A, [1, 2, 3])
    with pytest.raises(TypeError, match="method='qr' is for arrays"):
        randla.lstsq(sparse(9, 3), np.ones(9), method="qr")


@pytest.mark.parametrize("cond", [10, 1e10])
def test_operators(cond):
    A, b = problem(2000, 70, cond, 0.1)
    for matrix, side in ((A, b), (A.T.copy(), b[:70])):
        operator = aslinearoperator(matrix)
        for method in ("auto", "fossils"):
            result = randla.lstsq(operator, side, method=method, rng=0)
            assert result.info.attempts == 1
            assert result.info.backward_error <= 40 * 2**-52
            if matrix is A:
                assert backward_error(A, side, result.x) <= 40
            else:
                assert result.residual_norm[0] <= 1e-13 * np.linalg.norm(result.x)
    with pytest.raises(TypeError, match="without rmatmat"):
        randla.lstsq(Forward(), np.ones(3))
    with pytest.raises(ValueError, match="for one operator"):
        randla.lstsq(aslinearoperator(A), np.ones((2, 2000, 1)))


class Forward:
    shape, dtype = (3, 2), np.dtype("float64")

    def matmat(self, X):
        return np.ones((3, 2)) @ X


def test_an_operator_that_lies_is_found_out():
    """Its adjoint is that of another matrix: no solution can be certified, and it is said once."""
    A, other = random_matrix((400, 5)), random_matrix((400, 5), seed=1)
    operator = LinearOperator(
        A.shape, matvec=A.__matmul__, rmatvec=other.T.__matmul__, matmat=A.__matmul__,
        rmatmat=other.T.__matmul__, dtype=A.dtype,
    )  # fmt: skip
    with pytest.warns(randla.AccuracyWarning, match="backward error") as caught:
        result = randla.lstsq(operator, np.ones(400), rng=0)
    assert len(caught) == 1
    assert result.info.attempts == 2
    assert result.info.backward_error > 1e-6


def test_tol():
    A, b = problem(2000, 30, 1e6, 1.0)
    loose = randla.lstsq(A, b, tol=1e-4, method="spir", rng=0)
    tight = randla.lstsq(A, b, method="spir", rng=0)
    assert loose.info.n_steps < tight.info.n_steps
    assert backward_error(A, b, loose.x) * 2**-52 <= 1e-4
    for method in METHODS:
        with pytest.warns(randla.AccuracyWarning, match="not tol = 1.0e-30"):
            result = randla.lstsq(A, b, tol=1e-30, method=method, rng=0)
        assert backward_error(A, b, result.x) <= 40  # as good as it gets


# ---- what it is made of --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", "CF")
def test_the_fused_product(order, dtype):
    for m, n, p in ((5000, 70, 1), (700, 3, 6), (3, 8, 2)):
        A = np.asarray(random_matrix((m, n), dtype), order=order)
        X = random_matrix((n, p), dtype, 1)
        W = np.empty((p, n), dtype)
        binding.normal_product(A.dtype.char, A, np.ascontiguousarray(X.T), W)
        wanted = A.conj().T @ (A @ X)
        np.testing.assert_allclose(
            W.T, wanted, atol=200 * np.finfo(dtype).eps * np.abs(wanted).max()
        )


def test_the_estimate_of_the_backward_error():
    A, b = problem(300, 12, 1e6, 0.5)
    x = np.linalg.lstsq(A, b, rcond=None)[0]
    x = x + 1e-9 * random_matrix(x.shape, seed=4)
    R = np.linalg.qr(A)[1]
    r = b - A @ x
    for columns in (1, 6):  # by a triangle, by singular values
        G, norms = (
            np.repeat(A.T @ r, columns, 1),
            [np.linalg.norm(y) * np.ones(columns) for y in (x, r)],
        )
        found = Triangle(R, A).backward_error(G, *norms)
        np.testing.assert_allclose(found, backward_error(A, b, x) * 2**-52, rtol=1e-6)
    assert isinstance(preconditioner(R, 1e-3, A), _qr_lstsq_steps.Singular)
    assert preconditioner(0 * R, 0.0, A) is None


def test_the_same_rng_gives_the_same_bits_and_threads_do_not_matter():
    A, b = problem(6000, 40, 1e8, 0.1)
    first = randla.lstsq(A, b, method="spir", rng=7)
    with randla.num_threads(2):
        again = randla.lstsq(A, b, method="spir", rng=7)
    assert first.info.n_steps == again.info.n_steps
    np.testing.assert_allclose(first.x, again.x, rtol=1e-6)
    assert np.array_equal(first.x, randla.lstsq(A, b, method="spir", rng=7).x)
    assert not np.array_equal(first.x, randla.lstsq(A, b, method="spir", rng=8).x)


def test_auto_chooses_by_the_shape():
    def chosen(m, n, p=1):
        A = np.broadcast_to(np.float64(0), (m, n))
        return _qr_lstsq._choose(_qr_lstsq_steps.Dense(np, A), np.broadcast_to(0.0, (m, p)), 2**-52)

    assert chosen(100_000, 1000) == "spir"
    assert chosen(100_000, 1000, 5000) == "qr"  # factors serve many sides
    assert chosen(3000, 1000) == "qr"
    assert chosen(100_000, 20) == "qr"
    assert chosen(100, 5) == "qr"


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input():
    A, b = problem(30, 3, 10, 0.1)
    with pytest.raises(ValueError, match=r"A has 30 rows, but b has 29: shapes \(30, 3\) and"):
        randla.lstsq(A, b[:29])
    with pytest.raises(ValueError, match="b must have shape"):
        randla.lstsq(A, 3.0)
    with pytest.raises(ValueError, match="A must have shape"):
        randla.lstsq(A[0], b)
    with pytest.raises(ValueError, match="batches do not broadcast"):
        randla.lstsq(np.zeros((2, 4, 3)), np.zeros((3, 4, 1)))
    with pytest.raises(ValueError, match=r"damp must be finite and at least 0, got -1"):
        randla.lstsq(A, b, damp=-1)
    with pytest.raises(ValueError, match="damp must be finite"):
        randla.lstsq(A, b, damp=np.nan)
    with pytest.raises(TypeError, match="damp must be a real number"):
        randla.lstsq(A, b, damp="1")
    with pytest.raises(ValueError, match=r"rcond must be in \[0, 1\), got 1"):
        randla.lstsq(A, b, rcond=1)
    with pytest.raises(ValueError, match=r"tol must be in \(0, 1\)"):
        randla.lstsq(A, b, tol=0)
    with pytest.raises(ValueError, match="method must be one of"):
        randla.lstsq(A, b, method="lsqr")
    with pytest.raises(TypeError, match="dtype"):
        randla.lstsq(A.astype(object), b)
    with pytest.raises(TypeError, match="MaskedArray"):
        randla.lstsq(np.ma.array(A), b)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_finite(method, bad):
    for shape in ((600, 5), (6, 5), (5, 60)):
        A, b = random_matrix(shape), random_matrix((shape[0], 1), seed=1)
        spoiled = A.copy()
        spoiled[-1, 2] = bad
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            randla.lstsq(spoiled, b, method=method)
        if method != "qr":
            for broken in (scipy.sparse.csr_array(spoiled), aslinearoperator(spoiled)):
                with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
                    randla.lstsq(broken, b, method=method)
        with pytest.raises(np.linalg.LinAlgError, match="b has a NaN or an infinity"):
            randla.lstsq(A, b * bad, method=method)


def test_half_precision_and_lists():
    A, b = problem(300, 4, 10, 0.1)
    half = randla.lstsq(A.astype(np.float16), b.astype(np.float16))
    assert half.x.dtype == half.residual_norm.dtype == np.float16
    result = randla.lstsq([[1, 0], [0, 2], [0, 0]], [3, 4, 5])
    np.testing.assert_allclose(result.x, [3, 2])
    np.testing.assert_allclose(result.residual_norm, 5)
    mixed = randla.lstsq(A, b.astype(np.complex64) * 1j)
    assert mixed.x.dtype == np.complex128


def test_as_accurate_as_lapack_on_vandermonde():
    """Rows and columns of very different size."""
    t = np.linspace(0, 1, 4000)
    A = np.vander(t, 18, increasing=True)
    b = np.exp(np.sin(4 * t))[:, None]
    result = randla.lstsq(A, b, method="spir", rng=0)
    wanted = scipy.linalg.lstsq(A, b, lapack_driver="gelsy")[0]
    assert backward_error(A, b, result.x) <= 40
    np.testing.assert_allclose(A @ result.x, A @ wanted, atol=1e-10)
