"""The action of the exponential: small dense batches, and one matrix through its products."""

import itertools

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from oracles import ALL, exp_oracle, exp_pair, random_matrices, unaligned, unit
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from test_expm import same_bits

import randla
from randla import expm_multiply
from randla._cpu import expm as binding

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 31, 32, 33, 50, 100]


def vectors(char, n, p, count, seed=0):
    rng = np.random.default_rng([seed, n, p])
    B = rng.standard_normal((count, n, p))
    if char in "FD":
        B = B + 1j * rng.standard_normal(B.shape)
    return B.astype(char)


def vjp(A, B, G, tol=0.0):
    XA, XB = np.empty_like(A), np.empty_like(B)
    binding.multiply_vjp(A, B, G, tol, XA, XB)
    return XA, XB


def error(Y, A, B):
    """Error of exp(A) B in units of u, relative to what exp(A) may do to B."""
    wide = np.complex128 if np.iscomplexobj(Y) else np.float64
    A, B = A.astype(wide), B.astype(wide)
    exact = exp_pair(A, np.zeros_like(A))[0] @ B
    size = np.linalg.norm(exact)
    return np.linalg.norm(Y.astype(wide) - exact) / size / unit(Y.dtype)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("char", ALL)
def test_every_size_against_the_oracle(n, char):
    errors = []
    for p, norm in itertools.product((1, 2, 3, 7), (1e-6, 0.1, 1.0, 6.0, 40.0)):
        if n > 32 and (p == 2 or norm in (1e-6, 40.0)):
            continue
        A = random_matrices(char, n, 3, norm)
        B = vectors(char, n, p, 3)
        Y, info = expm_multiply(A, B, return_info=True)
        errors.append(error(Y[1], A[1], B[1]))
        assert (info.error_bound <= unit(char) * (1 + 1e-6)).all()
        assert (info.products >= info.order * (info.order > 0)).all()
    assert np.median(errors) <= 5  # products of OpenBLAS at AVX-512: 4.03 at n = 100, complex128
    assert max(errors) <= 100  # the norm of 40 conditions the exponential


@pytest.mark.parametrize("n", [2, 5, 8, 17, 32, 40])
@pytest.mark.parametrize("char", ALL)
def test_every_instruction_set(isa, n, char):
    for norm, p in ((0.5, 1), (3.0, 2), (9.0, 5)):
        A, B = random_matrices(char, n, 5, norm), vectors(char, n, p, 5)
        assert error(expm_multiply(A, B)[2], A[2], B[2]) <= 60


@pytest.mark.parametrize("n", [2, 3, 5, 8, 13, 24, 32, 40])
@pytest.mark.parametrize("char", ALL)
def test_bits_do_not_depend_on_neighbours(isa_extreme, n, char):
    A = np.concatenate([random_matrices(char, n, 7, norm) for norm in (1e-3, 1.0, 3.0, 8.0, 30.0)])
    A = A[np.random.default_rng(1).permutation(len(A))]  # all paths in one group
    for p in (1, 3, n + 2):
        B = vectors(char, n, p, len(A))
        together = expm_multiply(A, B)
        for i in range(0, len(A), 3):
            same_bits(expm_multiply(A[i], B[i]), together[i])


@pytest.mark.parametrize("n", [2, 4, 6, 11, 24, 32, 40])
@pytest.mark.parametrize("char", ALL)
def test_gradients(n, char):
    """XB = exp(A)^H G, XA = the adjoint of the derivative of exp at G B^H."""
    wide = "D" if char in "FD" else "d"
    for norm, p in itertools.product((1e-6, 0.3, 2.0, 6.0), (1, 3)):
        A = random_matrices(char, n, 9, norm)
        B, G = vectors(char, n, p, 9), vectors(char, n, p, 9, seed=4)
        XA, XB = vjp(A, B, G)
        E = randla.expm(A.astype(wide))
        exact_b = E.conj().swapaxes(-1, -2) @ G.astype(wide)
        outer = G.astype(wide) @ B.conj().swapaxes(-1, -2).astype(wide)
        exact_a = randla.expm_frechet(A.astype(wide).conj().swapaxes(-1, -2), outer).frechet
        for mine, exact in ((XA, exact_a), (XB, exact_b)):
            off = np.linalg.norm(mine - exact, axis=(-1, -2))
            # sums of p products may cancel, and those of a column: relative to their size
            size = np.linalg.norm(outer, axis=(-1, -2))
            if mine is XB:
                size = np.linalg.norm(E, axis=(-1, -2)) * np.linalg.norm(G, axis=(-1, -2)) / 4
            assert (off <= 60 * unit(char) * (np.linalg.norm(exact, axis=(-1, -2)) + size)).all()
        for i in (0, 8):
            alone = vjp(A[i : i + 1], B[i : i + 1], G[i : i + 1])
            same_bits(alone[0][0], XA[i])
            same_bits(alone[1][0], XB[i])


def test_tolerance_saves_products_and_is_kept():
    A, B = random_matrices("d", 12, 20, 2.0), vectors("d", 12, 1, 20)
    exact = randla.expm(A) @ B
    before = np.inf
    for tol in (1e-14, 1e-10, 1e-6, 1e-3):
        Y, info = expm_multiply(A, B, tol=tol, return_info=True)
        assert (info.error_bound <= tol).all()
        assert info.products.sum() < before
        before = info.products.sum()
        growth = np.exp(np.abs(A).sum(axis=-2).max(axis=-1))
        off = np.linalg.norm(Y - exact, axis=(-1, -2)) / np.linalg.norm(B, axis=(-1, -2))
        assert (off <= tol * growth * 8).all()


def test_shapes_follow_matmul():
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((3, 1, 4, 4)), rng.standard_normal((2, 4, 5))
    Y = expm_multiply(A, B)
    assert Y.shape == (3, 2, 4, 5)
    same_bits(Y[2, 1], expm_multiply(A[2, 0], B[1]))
    assert expm_multiply(A, B[0, :, 0]).shape == (3, 1, 4)
    assert expm_multiply(A[0, 0], B[0, :, 0]).shape == (4,)
    assert expm_multiply(A[0, 0], B, t=[1.0, 2.0]).shape == (2, 2, 4, 5)
    assert expm_multiply(A[0, 0], B[0], t=np.zeros(0)).shape == (0, 4, 5)
    assert expm_multiply(np.zeros((0, 4, 4)), B[0]).shape == (0, 4, 5)
    assert expm_multiply(np.zeros((2, 0, 0)), np.zeros((0, 3))).shape == (2, 0, 3)
    assert expm_multiply(A[0, 0], np.zeros((4, 0))).shape == (4, 0)


def test_dtypes():
    A, B = np.eye(3), np.ones(3)
    assert expm_multiply(A.astype("f"), B.astype("f")).dtype == np.float32
    assert expm_multiply(A.astype("f"), B.astype("f"), t=2.0).dtype == np.float32
    assert expm_multiply(A.astype("f"), B).dtype == np.float64
    assert expm_multiply(A.astype("e"), B.astype("e")).dtype == np.float16
    for t in (2.0, [2.0], [2.0, 3.0]):
        assert expm_multiply(A.astype("e"), B.astype("e"), t=t).dtype == np.float16
        assert expm_multiply(A.astype("f"), B.astype("f"), t=t).dtype == np.float32
    assert expm_multiply(A, B, t=1j).dtype == np.complex128
    assert expm_multiply(A.astype("f"), B.astype("f"), t=[1j]).dtype == np.complex64
    assert expm_multiply(np.eye(3, dtype=int), [1, 2, 3]).dtype == np.float64
    assert expm_multiply(sp.csr_array(A), B.astype("F")).dtype == np.complex128


def test_layouts():
    A, B = random_matrices("d", 6, 4, 1.0), vectors("d", 6, 3, 4)
    expected = expm_multiply(A, B)
    same_bits(expm_multiply(np.asfortranarray(A), np.asfortranarray(B)), expected)
    same_bits(expm_multiply(A[::-1], B[::-1])[::-1], expected)
    B.flags.writeable = False
    same_bits(expm_multiply(A, B), expected)


def test_nan_stays_where_it_is():
    for n in (4, 20, 40):
        A, B = random_matrices("d", n, 9, 1.0).copy(), vectors("d", n, 2, 9)
        clean = expm_multiply(A, B)
        A[3, 0, 1] = np.nan
        A[4, 1, 1] = np.inf
        B[6, 0, 1] = np.nan
        Y = expm_multiply(A, B)
        for i in range(9):
            if i in (3, 4):
                assert np.isnan(Y[i]).all()
            elif i == 6:
                same_bits(Y[i, :, 0], clean[i, :, 0])
                assert np.isnan(Y[i, :, 1]).all()
            else:
                same_bits(Y[i], clean[i])


def test_threads_give_the_same_bits():
    A, B = random_matrices("f", 6, 20000, 1.0), vectors("f", 6, 1, 20000)
    one = expm_multiply(A, B)
    with randla.num_threads(2):
        same_bits(expm_multiply(A, B), one)


# ---- several times -------------------------------------------------------------------------------


def rotation(t):
    c, s = np.cos(t), np.sin(t)
    return np.stack([c + s, c - s], axis=-1)[..., None]


TURN, ONES = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.ones((2, 1))


def test_negative_times():
    """scipy#16375: a grid of negative times came out in the wrong order."""
    t = np.array([-10.0, -1.0])
    Y = expm_multiply(TURN, ONES, t=t)
    assert np.abs(Y - rotation(t)).max() <= 50 * unit("d")


def test_many_times_over_a_long_interval():
    """scipy#7049: the steps were chosen for one interval and lost all digits over 100."""
    t = np.linspace(0, 3000, 101)
    Y, info = expm_multiply(TURN, ONES, t=t, return_info=True)
    assert np.abs(Y - rotation(t)).max() <= 1e-12
    _, last = expm_multiply(TURN, ONES, t=t[-1:], return_info=True)
    assert info.products <= 3 * last.products


def test_complex_matrix_and_real_block():
    """scipy#2495: the result was cast to the dtype of B."""
    A = np.array([[1j, 0], [0, -1j]])
    for given in (A, sp.csr_array(A)):
        Y = expm_multiply(given, ONES, t=[1.0])
        assert Y.dtype == np.complex128
        exact = np.exp([1j, -1j])[:, None]
        assert np.abs(Y[0] - exact).max() <= 10 * unit("d")


@pytest.mark.parametrize("cls", [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix])
@pytest.mark.parametrize("sparse_b", [False, True])
@pytest.mark.parametrize("t", [None, 0.5, [0.5, -1.0]])
def test_sparse_with_dense_or_sparse(cls, sparse_b, t):
    """scipy#9771, scipy#18146: some combinations crashed, others returned np.matrix."""
    B = np.array([[1.0, 2.0], [3.0, 4.0]])
    Y = expm_multiply(cls(np.diag([1.0, 2.0])), cls(B) if sparse_b else B, t=t)
    assert type(Y) is np.ndarray
    exact = np.exp(np.multiply.outer(1.0 if t is None else t, [1.0, 2.0]))[..., None] * B
    assert Y.shape == exact.shape
    assert np.allclose(Y, exact, rtol=1e-14)


KINDS = {
    "general": lambda M: M,
    "symmetric": lambda M: M + M.T,
    "skew": lambda M: M - M.T,
    "hermitian": lambda M: M + M.T + 1j * (M - M.T),
    "skew-hermitian": lambda M: 1j * (M + M.T) + M - M.T + 2j * np.eye(len(M)),
    "negative definite": lambda M: -M @ M.T,
    "shifted": lambda M: M - 20 * np.eye(len(M)),
    "non-normal": lambda M: np.triu(M, 1) * 10 - np.diag(np.arange(len(M))),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("form", ["dense", "sparse", "operator"])
def test_one_matrix_many_times(kind, form):
    rng = np.random.default_rng(3)
    A = KINDS[kind](rng.standard_normal((30, 30)) * (rng.random((30, 30)) < 0.3))
    B = rng.standard_normal((30, 2))
    given = {"dense": A, "sparse": sp.csr_array(A), "operator": aslinearoperator(A)}[form]
    t = np.array([0.5, -0.1, 0.0, 1.0, 0.03, 0.5, -0.2])
    Y = expm_multiply(given, B, t=t)
    for y, time in zip(Y, t, strict=True):
        E = exp_oracle(A * time)[0]
        exact = E @ B
        # the condition of exp(tA) B: norm(tA) and what exp may do to a block like B
        cond = max(1, np.abs(A * time).sum(axis=0).max()) * np.linalg.norm(E, 2)
        cond *= np.linalg.norm(B)
        assert np.linalg.norm(y - exact) <= 30 * unit("d") * cond
    single = expm_multiply(given, B[:, 0], t=t[3])
    assert np.allclose(single, Y[3, :, 0], rtol=1e-10, atol=1e-12 * np.abs(Y[3]).max())


@pytest.mark.parametrize("t", [1j, 0.3 - 0.4j, [1j, -2.0, 0.0, 0.5j]])
def test_complex_times(t):
    A = np.random.default_rng(0).standard_normal((8, 8)) / 3
    B = np.arange(8.0)
    Y = expm_multiply(A, B, t=t)
    exact = [scipy.linalg.expm(A * time) @ B for time in np.atleast_1d(t)]
    assert np.allclose(np.reshape(Y, (-1, 8)), exact, rtol=1e-12)
    sparse = expm_multiply(sp.csr_array(A), B, t=t)
    assert np.allclose(sparse, Y, rtol=1e-12)


def test_gershgorin_circles_far_wider_than_the_spectrum():
    """Terms of e^60, a result of e^20: one series would lose all digits."""
    M = np.random.default_rng(0).standard_normal((80, 80))
    A = (M + M.T) / 1.5
    b = np.ones(80)
    exact = exp_oracle(A)[0] @ b
    assert np.abs(A).sum(axis=0).max() > np.linalg.eigvalsh(A).max() + 40
    Y = expm_multiply(sp.csr_array(A), b)
    assert np.linalg.norm(Y - exact) <= 1e-12 * np.linalg.norm(exact)


def test_tolerance_of_one_large_matrix():
    n = 400
    L = sp.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr")
    C = L + sp.diags_array([0.3, -0.3], offsets=[1, -1], shape=(n, n))
    b = np.random.default_rng(0).standard_normal(n)
    for A in (L, C.tocsr()):
        exact = expm_multiply(A, b, t=20.0)
        before = np.inf
        for tol in (1e-12, 1e-8, 1e-4):
            Y, info = expm_multiply(A, b, t=20.0, tol=tol, return_info=True)
            assert np.linalg.norm(Y - exact) <= 20 * tol * np.linalg.norm(b)
            assert info.products < before
            before = info.products


def on_diagonals(n, offsets, seed=0):
    """Entries on a few full diagonals: what stencils on grids look like."""
    rng = np.random.default_rng(seed)
    parts = [rng.standard_normal(n - abs(offset)) for offset in offsets]
    return sp.diags_array(parts, offsets=offsets, shape=(n, n), format="csr")


REALS = {
    "symmetric": lambda M: M + M.T,
    "skew": lambda M: M - M.T,
    "general": lambda M: M,
    "decaying": lambda M: M - 9 * sp.eye_array(M.shape[0]),
}


@pytest.mark.parametrize("diagonals", [True, False])
@pytest.mark.parametrize("kind", sorted(REALS))
@pytest.mark.parametrize("phase", [1, 1j, -1j])
@pytest.mark.parametrize("where", ["matrix", "time"])
@pytest.mark.parametrize("char", ALL)
def test_real_and_imaginary_matrices(diagonals, kind, phase, where, char):
    """A = phase M with a real M, and real or complex blocks: real arithmetic for all of them."""
    n, rng = 90, np.random.default_rng(5)
    M = on_diagonals(n, [-9, -1, 0, 1, 9])
    if not diagonals:
        M = sp.csr_array(M.toarray()[np.ix_(*(rng.permutation(n) for _ in range(2)))])
    M = sp.csr_array(REALS[kind](M)).astype(char.lower())
    B = vectors(char, n, 2, 1)[0]
    t = np.array([0.7, -0.4, 2.5, 0.0])
    if where == "matrix":
        Y = expm_multiply(M * np.complex64(phase) if phase != 1 else M, B, t=t)
    else:
        Y = expm_multiply(M, B, t=t * phase)
    single = char.lower() == "f"
    # a complex t widens to complex64 alone
    assert Y.dtype == (np.result_type(M.dtype, B.dtype, np.complex64) if phase != 1 else B.dtype)
    for y, time in zip(Y, t, strict=True):
        E = scipy.linalg.expm(M.toarray().astype(np.complex128) * (phase * time))
        exact = E @ B
        cond = max(1, np.abs(time) * abs(M).sum(axis=0).max()) * np.linalg.norm(E, 2)
        assert np.linalg.norm(y - exact) <= 20 * unit("f" if single else "d") * cond * (
            np.linalg.norm(B)
        )
    one = expm_multiply(M.astype(np.complex128) * phase, B[:, 0], t=t[2])
    assert np.allclose(one, Y[2, :, 0], rtol=1e-3 if single else 1e-9, atol=1e-4 * abs(one).max())


def test_times_of_any_dtype():
    A, B = on_diagonals(70, [-1, 0, 1]), np.ones(70)
    for M in (A, A + A.T):
        for t in ([1, 3], [1.25, 3.5]):
            exact = expm_multiply(M, B, t=np.array(t, float))
            for dtype in ("e", "f", "u1", "i8"):
                if dtype in "ef" or t[0] == 1:
                    Y = expm_multiply(M, B, t=np.array(t, dtype))
                    assert np.allclose(Y, exact, rtol=1e-12)


def test_several_columns_and_wide_blocks():
    """More columns than the products by diagonals take."""
    A = on_diagonals(100, [-3, 0, 3])
    for char, p in itertools.product("dD", (1, 2, 3, 5, 8)):
        B = vectors(char, 100, p, 1)[0]
        Y = expm_multiply(A, B)
        assert np.allclose(Y, scipy.linalg.expm(A.toarray()) @ B, rtol=1e-11, atol=1e-12)


def test_rows_that_do_not_meet_a_nan():
    """The zeros of products by diagonals would carry it there."""
    A = sp.block_diag([on_diagonals(80, [-1, 0, 1]), on_diagonals(80, [-1, 0, 1])], format="csr")
    for M in (A, A + A.T):
        b = np.ones(160)
        clean = expm_multiply(M, b)
        b[3] = np.nan
        Y = expm_multiply(M, b)
        assert np.isnan(Y[:80]).any()
        assert np.allclose(Y[80:], clean[80:], rtol=1e-12)


def test_sparse_arrays_as_they_come():
    """Repeated, unsorted and zero entries, 64-bit indices, room behind the last entry."""
    rng = np.random.default_rng(3)
    M = on_diagonals(70, [-2, 0, 2]).tocsr()
    symmetric = (M + M.T).tocsr()
    B = rng.standard_normal(70)
    for A in (M, symmetric):
        exact = scipy.linalg.expm(A.toarray()) @ B
        double = sp.csr_array(
            (np.repeat(A.data / 2, 2), np.repeat(A.indices, 2), A.indptr * 2), shape=A.shape
        )
        shuffled = A.copy()
        for i in range(70):
            row = slice(A.indptr[i], A.indptr[i + 1])
            order = rng.permutation(row.stop - row.start)
            shuffled.indices[row] = A.indices[row][order]
            shuffled.data[row] = A.data[row][order]
        shuffled.has_sorted_indices = False
        wide = A.copy()
        wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
        room = A.copy()
        room.data = np.append(room.data, [np.nan, 1e300])
        room.indices = np.append(room.indices, room.indices[:2])
        zeros = A.copy()
        zeros.data[::3] = 0
        for given in (double, shuffled, wide, room, A.tocsc(), A.tocoo()):
            before = given.data.copy()
            assert np.allclose(expm_multiply(given, B), exact, rtol=1e-12, atol=1e-13)
            assert np.array_equal(given.data, before, equal_nan=True)
        wanted = scipy.linalg.expm(zeros.toarray()) @ B
        assert np.allclose(expm_multiply(zeros, B), wanted, rtol=1e-12, atol=1e-13)


def test_survey_of_sparse_and_dense_agree():
    """Symmetry and sums that the core finds are those of the definition."""
    from randla._core.operators import Operator

    rng = np.random.default_rng(0)
    for name, make in KINDS.items():
        M = rng.standard_normal((30, 30)) * (rng.random((30, 30)) < 0.2)
        A = np.asarray(make(M))
        dense, sparse = Operator(A).survey, Operator(sp.csr_array(A)).survey
        assert (dense.hermitian, dense.skew) == (sparse.hermitian, sparse.skew), name
        for field in ("diagonal", "rows", "columns"):
            assert np.allclose(getattr(dense, field), getattr(sparse, field), rtol=1e-13), name
        # a bound where entries have no partner
        assert (sparse.hermitian_rows >= dense.hermitian_rows * (1 - 1e-13)).all()


def test_long_steps_are_kept_only_if_the_result_is_large():
    """A wave that is carried along: the logarithmic norm sees growth that never comes."""
    n = 120
    for c in (0.5, 3.0):  # a Metzler matrix, and one that is not
        A = sp.diags_array([1 + c, -2.0, 1 - c], offsets=[-1, 0, 1], shape=(n, n), format="csr")
        b = np.sin(np.arange(n) * 0.3) ** 2
        for t in (1.0, 30.0):
            exact = exp_oracle(A.toarray() * t)[0] @ b
            for time in (t, np.array([t / 3, t])):
                Y = expm_multiply(A, b, t=time)
                y = Y if Y.ndim == 1 else Y[-1]
                assert np.linalg.norm(y - exact) <= 3e-14 * np.linalg.norm(b), (c, t)


def test_what_decays_is_small_and_accurate():
    """Roundings of the size of B would stay in a result of 1/20 of it."""
    m = 40
    line = sp.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(m, m))
    L = (sp.kron(sp.eye_array(m), line) + sp.kron(line, sp.eye_array(m))).tocsr()
    b = np.random.default_rng(0).standard_normal(m * m)
    for t in (1.0, 10.0, 50.0):
        E = exp_oracle(line.toarray() * t)[0].astype(np.longdouble)
        exact = (E @ b.reshape(m, m) @ E.T).ravel().astype(np.float64)
        off = np.linalg.norm(expm_multiply(L, b, t=t) - exact)
        assert off <= 15 * unit("d") * np.linalg.norm(exact), t


FORMS = {"sparse": sp.csr_array, "operator": aslinearoperator, "dense": np.asarray}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_what_is_not_finite_stays_where_it_is(form):
    rng = np.random.default_rng(1)
    full = rng.standard_normal((6, 6))
    for M in (full, full + full.T, full - full.T, np.diag(np.arange(6.0))):
        B = rng.standard_normal((6, 3))
        t = np.array([0.5, 1.0, -2.0])
        clean = expm_multiply(FORMS[form](M), B, t=t)
        size = np.abs(clean).max()
        holed = B.copy()
        holed[0, 1] = np.nan  # one column
        Y = expm_multiply(FORMS[form](M), holed, t=t)
        assert np.allclose(Y[..., [0, 2]], clean[..., [0, 2]], rtol=1e-12, atol=1e-13 * size)
        assert np.isnan(Y[:, 0, 1]).all()
        Y = expm_multiply(FORMS[form](M), B, t=[0.5, np.nan, -2.0, np.inf])  # two times
        assert np.allclose(Y[[0, 2]], clean[[0, 2]], rtol=1e-12, atol=1e-13 * size)
        assert np.isnan(Y[1]).all()
        broken = M.copy()
        broken[2, 3] = np.nan
        assert np.isnan(expm_multiply(FORMS[form](broken), B, t=t)).any(axis=(1, 2)).all()


def test_columns_of_very_different_size_are_all_accurate():
    """What is small beside the largest column is not small beside its own."""
    rng = np.random.default_rng(2)
    for M in (rng.standard_normal((40, 40)), np.diag(rng.standard_normal(40) * 9)):
        A = sp.csr_array(M + 0.1 * np.triu(rng.standard_normal((40, 40))))
        B = rng.standard_normal((40, 3)) * np.array([1e12, 1.0, 1e-12])
        for t in (0.3, -1.0):
            exact = exp_oracle(A.toarray() * t)[0] @ B
            off = np.linalg.norm(expm_multiply(A, B, t=t) - exact, axis=0)
            assert (off <= 1e-11 * np.linalg.norm(exact, axis=0)).all()


def test_enormous_norms_end():
    """Products would be as many as the norm: dense matrices have another way."""
    A = np.array([[0.0, 1e200], [0.0, 0.0]])
    Y = expm_multiply(A, np.ones(2), t=[1.0, -2.0])
    assert np.allclose(Y, [[1e200, 1], [-2e200, 1]])
    assert np.isnan(expm_multiply(sp.csr_array(A), np.ones(2), t=1e200)).all()
    diagonal = np.diag([-1e9, 0.0])
    assert np.allclose(expm_multiply(diagonal, np.ones(2), t=[1.0, 3.0]), [[0, 1], [0, 1]])


# ---- bad input -----------------------------------------------------------------------------------


class Bare:
    shape, dtype = (3, 3), np.dtype("d")

    def matmat(self, X):
        return X


@pytest.mark.parametrize(
    ("A", "B", "options", "kind", "words"),
    [
        (np.ones((2, 3)), np.ones(3), {}, ValueError, ["A", "(2, 3)"]),
        (np.eye(3), np.ones(4), {}, ValueError, ["(3, 3)", "(4,)"]),
        (np.eye(3), np.ones((2, 4, 5)), {}, ValueError, ["(3, 3)", "(2, 4, 5)"]),
        (np.eye(3), np.float64(1), {}, ValueError, ["B", "0 dimensions"]),
        (np.ones((2, 3, 3)), np.ones((5, 3, 1)), {}, ValueError, ["(2,)", "(5,)"]),
        (np.eye(3), np.ones(3), {"t": np.ones((2, 2))}, ValueError, ["t", "(2, 2)"]),
        (np.eye(3), np.ones(3), {"t": "now"}, TypeError, ["t"]),
        (np.eye(3), np.ones(3), {"tol": 2.0}, ValueError, ["tol", "(0, 1)", "2.0"]),
        (Bare(), np.ones(3), {}, TypeError, ["rmatmat", "Bare"]),
        (sp.csr_array(np.ones((2, 3))), np.ones(3), {}, ValueError, ["A", "(2, 3)"]),
        (sp.csr_array(np.eye(3)), np.ones((2, 3, 1)), {}, ValueError, ["B", "(2, 3, 1)"]),
        (np.eye(3).astype("O"), np.ones(3), {}, TypeError, ["A", "object"]),
        (np.eye(3).astype("O"), np.ones(3), {"t": [1.0]}, TypeError, ["A", "object"]),
    ],
)
def test_bad_input(A, B, options, kind, words):
    with pytest.raises(kind) as caught:
        expm_multiply(A, B, **options)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("cls", [sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("indices", [[0, 7, 2], [0, -1, 2]])
def test_broken_sparse_indices_are_refused(cls, indices):
    """Before SciPy sees them, which would write outside of its arrays."""
    A = cls(np.eye(3))
    A.indices = np.array(indices, dtype=A.indices.dtype)
    with pytest.raises(ValueError, match="broken sparse array"):
        expm_multiply(A, np.ones(3))
    B = cls(np.eye(3))
    B.indptr = np.array([0, 2, 1, 3], dtype=B.indptr.dtype)
    with pytest.raises(ValueError, match="broken sparse array"):
        expm_multiply(B, np.ones(3))


def test_operator_is_asked_for_products_only():
    asked = []
    M = np.random.default_rng(0).standard_normal((6, 6))
    operator = LinearOperator(
        (6, 6),
        matvec=lambda x: M @ x,
        rmatvec=lambda x: M.T @ x,
        matmat=lambda X: asked.append(X.shape) or M @ X,
        rmatmat=lambda X: M.T @ X,
        dtype=np.float64,
    )
    Y = expm_multiply(operator, np.ones(6))
    assert np.allclose(Y, scipy.linalg.expm(M) @ np.ones(6), rtol=1e-12)
    assert asked


def test_unaligned_arrays():
    A, B = random_matrices("d", 5, 3, 2.0), vectors("d", 5, 2, 3)
    assert np.array_equal(expm_multiply(unaligned(A), unaligned(B)), expm_multiply(A, B))
    S = sp.csr_array(A[0] * (np.abs(A[0]) > 0.1))
    wanted = expm_multiply(S, B[0])
    S.data, S.indices, S.indptr = (unaligned(x) for x in (S.data, S.indices, S.indptr))
    assert np.array_equal(expm_multiply(S, unaligned(B[0])), wanted)
