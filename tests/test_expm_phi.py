"""The phi-functions, and the gradient."""

import math
import pickle

import numpy as np
import pytest
import scipy.linalg
from oracles import ALL, gallery, phi_oracle, random_matrices, relative_error, unaligned, unit
from test_expm import same_bits

import randla
from randla import expm, phi
from randla._cpu import expm as binding

SIZES = [1, 2, 3, 4, 7, 8, 12, 16, 23]


def vjp(A, k, G, tol=0.0):
    X = np.empty_like(A)
    binding.phi_vjp(np.ascontiguousarray(A), k, np.ascontiguousarray(G), tol, X)
    return X


def error(F, A, k):
    """Relative error in the 1-norm, in units of u."""
    return relative_error(F, phi_oracle(A, k)) / unit(F.dtype)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("char", ALL)
def test_every_norm_against_the_oracle(char, k):
    small, large = [], []
    for n in SIZES:
        for norm in (1e-8, 1e-3, 0.1, 1.0, 3.0, 10.0) + ((30.0, 90.0) if n < 9 else ()):
            A = random_matrices(char, n, 3, 1.0, seed=k)[2]
            A = (A * (norm / np.abs(A).sum(axis=0).max())).astype(char)
            F, info = phi(A, k, return_info=True)
            assert info.error_bound <= unit(char) * (1 + 1e-6)
            (small if norm <= 10 else large).append(error(F, A, k))
    assert np.median(small) <= 2
    assert max(small) <= 20
    # beyond, the condition: some norm(A), as that of exp
    assert np.median(large) <= 40
    assert max(large) <= 600


@pytest.mark.parametrize("n", [5, 16])
def test_gallery(n):
    off = []
    for name, A in gallery(n, np.random.default_rng(n)).items():
        size = np.abs(A).sum(axis=0).max()
        for norm in (1e-2, 1.0, 20.0) if size else ():
            for k in (1, 3):
                off.append((error(phi(A * (norm / size), k), A * (norm / size), k), name, norm, k))
    assert np.median([x[0] for x in off]) <= 3
    assert max(off)[0] <= 2000, max(off)  # ill-conditioned kinds


@pytest.mark.parametrize("char", ALL)
def test_zeroth_is_expm(char):
    A = random_matrices(char, 6, 5, 3.0)
    F, info = phi(A, 0, return_info=True)
    E, other = expm(A, return_info=True)
    same_bits(F, E)
    assert np.array_equal(info.products, other.products)


@pytest.mark.parametrize("k", [1, 2, 7, 40])
def test_constant_term(k):
    F, info = phi(np.zeros((3, 3)), k, return_info=True)
    assert np.allclose(F, np.eye(3) / math.factorial(k), rtol=4e-16, atol=0)
    assert info.products == 0


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_a_looser_tolerance_needs_fewer_products(k):
    A = random_matrices("d", 12, 1, 4.0)[0]
    products = []
    for tol in (1e-2, 1e-5, 1e-9, 1e-13, None):
        F, info = phi(A, k, tol=tol, return_info=True)
        assert info.error_bound <= (tol or unit("d")) * (1 + 1e-6)
        size = max(1.0, np.abs(A).sum(axis=0).max())
        assert relative_error(F, phi_oracle(A, k)) <= 3 * size * (tol or 20 * unit("d"))
        products.append(info.products)
    assert products == sorted(products)
    assert products[0] < products[-1]


@pytest.mark.parametrize("k", [1, 2, 4])
def test_report_counts_what_is_done(k):
    """Products as the header of the rule says: of the polynomial, and k + 1 for each doubling."""
    degrees = [1, 2, 4, 8, 15] if k == 1 else [1, 2, 4, 6, 9, 12, 16, 20]
    norms = np.logspace(-12, 3, 60)
    _, info = phi(norms[:, None, None] * random_matrices("d", 4, 1, 1.0), k, return_info=True)
    for order, scaling, products in zip(info.order, info.scaling, info.products, strict=True):
        assert products == degrees.index(order) + (k + 1) * scaling
    assert (np.diff(info.products) >= 0).all()
    assert info.scaling[0] == 0 < info.scaling[-1]


def test_known_values():
    A = np.array([[0.0, 1.0], [0.0, 0.0]])  # nilpotent: phi_k = I / k! + A / (k + 1)!
    for k in (1, 2, 3):
        exact = np.eye(2) / math.factorial(k) + A / math.factorial(k + 1)
        assert np.allclose(phi(A, k), exact, rtol=4e-16, atol=0)
    x = -3.7
    assert np.isclose(phi([[x]], 1)[0, 0], np.expm1(x) / x, rtol=1e-15)
    assert np.isclose(phi([[1e-9]], 2)[0, 0], 0.5 + 1e-9 / 6, rtol=1e-16)


def test_agrees_with_the_block_matrix():
    """phi_k is a block of the exponential of a larger matrix."""
    A = random_matrices("d", 5, 1, 6.0)[0]
    n, k = 5, 3
    W = np.zeros((n * (k + 1), n * (k + 1)))
    W[:n, :n] = A
    for j in range(k):
        W[n * j : n * (j + 1), n * (j + 1) : n * (j + 2)] = np.eye(n)
    E = scipy.linalg.expm(W)
    for j in range(1, k + 1):
        assert np.allclose(phi(A, j), E[:n, n * j : n * (j + 1)], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 5, 8, 17, 40])
def test_adjoint_of_the_derivative(n, k, char):
    """<phi_k(A + h D), G> grows by h <D, vjp>: in doubles for both precisions."""
    wide = "D" if char in "FD" else "d"
    for norm in (1e-3, 0.7, 6.0):
        A = random_matrices(char, n, 2, norm)
        D, G = (random_matrices(char, n, 2, 1.0, seed=s) for s in (1, 2))
        X = vjp(A, k, G)
        h = 1e-5
        more, less = (phi(A.astype(wide) + s * h * D, k) for s in (1, -1))
        slope = np.sum(((more - less) / (2 * h) * G.conj()).real, axis=(-1, -2))
        mine = np.sum((D.astype(wide) * X.conj()).real, axis=(-1, -2))
        size = np.linalg.norm(D, axis=(-1, -2)) * np.linalg.norm(X, axis=(-1, -2))
        assert (np.abs(slope - mine) <= (2e-9 + 100 * unit(char)) * size).all()


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_gradient_of_phi_1_is_accurate_for_gradients_of_every_size(char, size):
    """Against (A, G) -> the block of phi_1([[A^T, G], [0, A^T]]), from the oracle."""
    errors = []
    for n in (2, 5, 10):
        for norm in (1e-5, 1e-2, 0.3, 1.0, 5.0):
            A = random_matrices(char, n, 1, norm)
            G = (random_matrices(char, n, 1, 1.0, seed=4) * size).astype(char)
            X = vjp(A, 1, G)[0].astype("d")
            B = G[0].astype("d") / size
            block = np.block([[A[0].T.astype("d"), B], [np.zeros((n, n)), A[0].T.astype("d")]])
            exact = phi_oracle(block, 1)[:n, n:] * size
            errors.append(np.linalg.norm(X - exact) / np.linalg.norm(exact) / unit(char))
    assert np.median(errors) <= 5
    assert max(errors) <= 30


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", [2, 6, 17])
def test_bits_do_not_depend_on_neighbours(isa_extreme, n, char):
    A = np.concatenate([random_matrices(char, n, 5, norm) for norm in (1e-3, 1.0, 20.0)])
    for k in (1, 2):
        together, back = phi(A, k), vjp(A, k, A)
        for i in range(0, 15, 3):
            same_bits(phi(A[i], k), together[i])
            same_bits(vjp(A[i : i + 1], k, A[i : i + 1])[0], back[i])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    A = random_matrices("d", 4, 5, 2.0).copy()
    wanted = phi(A, 2)
    A[1, 2, 0] = A[3, 1, 1] = bad
    F, info = phi(A, 2, return_info=True)
    assert np.isnan(F[[1, 3]]).all()
    assert np.isnan(info.error_bound[[1, 3]]).all()
    same_bits(F[[0, 2, 4]], wanted[[0, 2, 4]])
    assert np.isnan(vjp(A, 1, np.ones_like(A))[1]).all()


def test_report_of_a_diagonal_matrix_is_that_of_its_worst_entry():
    entries = np.array([3.0, 1e-9, 0.3])
    single = [phi([[x]], 1, return_info=True)[1] for x in entries]
    _, info = phi(np.diag(entries), 1, return_info=True)
    assert info.error_bound == max(one.error_bound for one in single) > 0
    assert info.products == max(one.products for one in single)
    F, info = phi(np.diag([1.0, np.nan, np.inf]), 1, return_info=True)
    assert np.isnan(F).all()
    assert np.isnan(info.error_bound)


def test_huge_norms_end():
    decay = phi(np.diag([-1e300, -1.0]), 1)
    assert np.allclose(np.diag(decay), [1e-300, 1 - np.exp(-1)], rtol=1e-14)
    coupled = phi(np.array([[-1e200, 1.0], [1.0, -1e200]]), 1)  # its square overflows no norm
    assert np.allclose(np.diag(coupled), 1e-200, rtol=1e-12)
    assert np.isinf(phi([[1e300]], 1)).all()


def test_triangular_stays_triangular():
    A = np.triu(random_matrices("d", 9, 1, 30.0)[0])
    for k in (1, 3):
        assert not np.tril(phi(A, k), -1).any()


def test_dtypes_and_layouts():
    A = random_matrices("d", 4, 3, 2.0)
    assert phi(A.astype(np.float16), 1).dtype == np.float16
    assert phi(np.array([[1, 2], [3, 4]]), 2).dtype == np.float64
    assert phi([[0.5]], 1).shape == (1, 1)
    wanted = phi(A, 2)
    for view in (
        np.asfortranarray(A),
        unaligned(A),
        np.repeat(A, 2, axis=1)[:, ::2],
        A[::-1][::-1],
    ):
        same_bits(phi(view, 2), wanted)
    same_bits(phi(np.broadcast_to(A[0], (2, 3, 4, 4)), 2)[1, 2], phi(A[0], 2))
    for shape in ((0, 0), (3, 0, 0), (0, 4, 4), (2, 0, 5, 5)):
        F, info = phi(np.zeros(shape), 3, return_info=True)
        assert F.shape == shape
        assert np.shape(info.order) == shape[:-2]


def test_sixteen_bits_compute_in_float32():
    A = random_matrices("f", 6, 3, 1.0).astype(np.float16)
    exact = phi(A.astype("d"), 1)
    assert np.abs(phi(A, 1) - exact).max() <= 2.0**-11 * np.abs(exact).max() * 1.01


def test_bad_arguments():
    A = np.eye(3)
    with pytest.raises(ValueError, match=r"k must be in \[0, 100\], got -1"):
        phi(A, -1)
    with pytest.raises(ValueError, match=r"k must be in \[0, 100\], got 101"):
        phi(A, 101)
    for k in (1.0, "1", None, True):
        with pytest.raises(TypeError, match="k must be an integer, got"):
            phi(A, k)
    with pytest.raises(ValueError, match=r"A must be square in its last two axes.*\(2, 3\)"):
        phi(np.ones((2, 3)), 1)
    with pytest.raises(ValueError, match="A must have shape"):
        phi(np.ones(3), 1)
    with pytest.raises(TypeError, match=r"A must be an array of numbers|A has dtype"):
        phi(np.array([["a"]]), 1)
    with pytest.raises(ValueError, match=r"tol must be in \(0, 1\), got 1"):
        phi(A, 1, tol=1)
    with pytest.raises(MemoryError):
        phi(np.broadcast_to(1.0, (2**29, 2**29)), 1)


def test_threads_change_no_bits():
    A = random_matrices("d", 20, 64, 5.0)
    with randla.num_threads(1):
        one = phi(A, 2)
    with randla.num_threads(2):
        same_bits(phi(A, 2), one)


def test_report_pickles():
    _, info = phi(random_matrices("d", 3, 4, 1.0), 1, return_info=True)
    again = pickle.loads(pickle.dumps(info))
    assert np.array_equal(again.order, info.order)
