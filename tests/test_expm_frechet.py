"""The derivative of expm, forwards and backwards."""

import numpy as np
import pytest
import scipy.linalg
from oracles import ALL, exp_oracle, exp_pair, gallery, random_matrices, unaligned, unit
from test_expm import same_bits

import randla
from randla import expm_frechet
from randla._cpu import expm as binding

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 20, 23, 24, 31, 32, 33, 48, 64, 65, 130]


def error(L, A, E):
    """Relative error in the Frobenius norm, in units of u."""
    wide = np.complex128 if np.iscomplexobj(L) else np.float64
    _, exact = exp_pair(A.astype(wide), E.astype(wide))
    scale = np.abs(exact).max() or 1.0
    return np.linalg.norm((L - exact) / scale) / np.linalg.norm(exact / scale) / unit(L.dtype)


def vjp(A, G, tol=0.0):
    X = np.empty_like(A)
    binding.vjp(np.ascontiguousarray(A), np.ascontiguousarray(G), tol, X)
    return X


@pytest.mark.parametrize("char", ["d", "D"])
@pytest.mark.parametrize("norm", [1e-6, 0.4, 3.0, 50.0])
def test_the_quick_oracle_agrees_with_the_slow_one(char, norm):
    A, E = random_matrices(char, 7, 2, norm)
    E = E / np.abs(E).max()
    value, L = exp_pair(A, E)
    hi, _ = exp_oracle(np.block([[A, E], [np.zeros_like(A), A]]))
    for quick, slow in ((value, hi[:7, :7]), (L, hi[:7, 7:])):
        assert np.linalg.norm(quick - slow) <= 2 * unit("d") * np.linalg.norm(slow)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("char", ALL)
def test_every_size_against_the_oracle(n, char):
    if n == 130 and char in "FD":
        n = 97  # the first beyond the kernels here
    norms = (1e-7, 1e-3, 0.3, 1, 8) if n < 40 else (0.3,)
    errors = []
    for norm in norms:
        A = random_matrices(char, n, 1, norm)
        E = random_matrices(char, n, 1, 1.0, seed=7)
        pair = expm_frechet(A, E)
        errors.append(error(pair.frechet[0], A[0], E[0]))
        errors.append(error(vjp(A, E)[0], A[0].conj().T, E[0]))
        assert np.linalg.norm(pair.expm - randla.expm(A)) <= 30 * unit(char) * np.linalg.norm(
            pair.expm
        )
    # (order + 1) u at most from the truncation, and n-dependent roundings
    assert max(errors) <= 40, errors
    assert np.median(errors) <= 5, errors


@pytest.mark.parametrize("n", [4, 16, 32])
@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3, 1e6])
def test_error_does_not_grow_with_the_direction(n, char, size):
    """The block trick's does: E inside the norm that chooses the scaling."""
    rng = np.random.default_rng(n)
    errors = []
    for norm in (0.3, 1.0, 8.0):
        A, E = rng.standard_normal((2, 4, n, n))
        A *= norm / np.abs(A).sum(axis=-2).max(-1)[:, None, None]
        E *= size / np.abs(E).sum(axis=-2).max(-1)[:, None, None]
        A, E = A.astype(char), E.astype(char)
        L, X = expm_frechet(A, E, compute_expm=False), vjp(A, E)
        errors += [error(L[i], A[i], E[i]) for i in range(4)]
        errors += [error(X[i], A[i].T, E[i]) for i in range(4)]
    assert np.median(errors) <= 5
    assert max(errors) <= 20


@pytest.mark.parametrize("char", ["f", "d"])
def test_tiny_matrices_have_the_derivative_of_exp_not_of_one(char):
    """exp(A) is I to one rounding, but L(A, E) - E is of the size of A: not to be dropped."""
    for norm in (1e-3, 1e-5, 1e-7, 1e-12):
        A = random_matrices(char, 6, 9, norm)
        E = random_matrices(char, 6, 9, 1.0, seed=3)
        L = expm_frechet(A, E, compute_expm=False)
        assert max(error(L[i], A[i], E[i]) for i in range(9)) <= 10


@pytest.mark.parametrize("n", [3, 8, 17])
def test_gallery(n):
    rng = np.random.default_rng(n)
    for kind, A in gallery(n, rng).items():
        size = np.abs(A).sum(axis=0).max()
        if size == 0:
            continue
        E = rng.standard_normal((n, n))
        for norm in (1e-2, 1.0, 10.0):
            L = expm_frechet(A * (norm / size), E, compute_expm=False)
            # condition of the derivative: that of exp, some norm(A) for all but the worst kinds
            bound = 200 * max(1.0, norm)
            assert error(L, A * (norm / size), E) <= bound, (kind, norm)


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", [2, 5, 8, 20, 33, 70])
def test_adjoint(n, char):
    """Re <L(A, E), G> = Re <E, vjp(A, G)>."""
    A = random_matrices(char, n, 11, 3.0)
    E, G = (random_matrices(char, n, 11, 1.0, seed=s) for s in (1, 2))
    left = np.sum((expm_frechet(A, E, compute_expm=False) * G.conj()).real, axis=(-1, -2))
    right = np.sum((E * vjp(A, G).conj()).real, axis=(-1, -2))
    size = np.linalg.norm(E, axis=(-1, -2)) * np.linalg.norm(vjp(A, G), axis=(-1, -2))
    assert (np.abs(left - right) <= 50 * unit(char) * size).all()


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", [2, 4, 7, 12, 16, 23, 33])
def test_bits_do_not_depend_on_neighbours(isa_extreme, n, char):
    A = np.concatenate([random_matrices(char, n, 9, norm) for norm in (1e-3, 1.0, 20.0)])
    E = random_matrices(char, n, 27, 1.0, seed=5)
    together, back = expm_frechet(A, E), vjp(A, E)
    for i in range(0, 27, 4):
        alone = expm_frechet(A[i], E[i])
        same_bits(alone.frechet, together.frechet[i])
        same_bits(alone.expm, together.expm[i])
        same_bits(vjp(A[i : i + 1], E[i : i + 1])[0], back[i])


@pytest.mark.parametrize("n", [3, 10, 24, 40])
@pytest.mark.parametrize("char", ALL)
def test_every_instruction_set(isa, n, char):
    A = random_matrices(char, n, 5, 2.0)
    E = random_matrices(char, n, 5, 1.0, seed=9)
    L, X = expm_frechet(A, E, compute_expm=False), vjp(A, E)
    assert error(L[2], A[2], E[2]) <= 40
    assert error(X[2], A[2].conj().T, E[2]) <= 40


@pytest.mark.parametrize("char", ALL)
def test_diagonal_and_triangular(char):
    n = 6
    d = np.array([0, 1e-9, -3, 1, 1, 40])[:, None] * np.eye(n)
    E = random_matrices(char, n, 1, 1.0)[0]
    # a derivative of e^40 beside one of e^0: entry by entry, it is a divided difference
    L = expm_frechet(d.astype(char), E, compute_expm=False)
    _, exact = exp_pair(d.astype(char).astype(complex), E.astype(complex))
    assert (np.abs(L - exact) <= 8 * unit(char) * np.abs(exact)).all()
    T = np.triu(random_matrices(char, n, 1, 4.0)[0])
    assert error(expm_frechet(T, E, compute_expm=False), T, E) <= 40
    assert error(vjp(T[None], E[None])[0], T.conj().T, E) <= 40


def test_nan_and_huge_stay_where_they_are():
    rng = np.random.default_rng(0)
    for n in (3, 20, 40):
        A, E = rng.standard_normal((2, 12, n, n))
        clean = expm_frechet(A, E)
        bad = A.copy()
        bad[4, 0, 1] = np.nan
        bad[5, 1, 0] = np.inf
        bad[6] *= 1e300
        dirty = E.copy()
        dirty[7, 0, 0] = np.nan
        with np.errstate(all="ignore"):
            pair = expm_frechet(bad, dirty)
        for i in (4, 5):
            assert np.isnan(pair.frechet[i]).all()
            assert np.isnan(pair.expm[i]).all()
        same_bits(pair.expm[7], clean.expm[7])
        assert np.isnan(pair.frechet[7]).any()
        for i in (0, 1, 2, 3, 8, 9, 10, 11):
            same_bits(pair.frechet[i], clean.frechet[i])


@pytest.mark.parametrize("n", [5, 30, 90])
def test_threads_give_the_same_bits(n):
    A = random_matrices("d", n, 64, 2.0)
    E = random_matrices("d", n, 64, 1.0, seed=1)
    one = expm_frechet(A, E)
    with randla.num_threads(2):
        two = expm_frechet(A, E)
    same_bits(one.frechet, two.frechet)
    same_bits(one.expm, two.expm)


def test_scipy_convention():
    A, E = np.random.default_rng(3).standard_normal((2, 5, 5))
    value, L = expm_frechet(A, E)
    value_s, L_s = scipy.linalg.expm_frechet(A, E)
    assert np.allclose(value, value_s, rtol=1e-13)
    assert np.allclose(L, L_s, rtol=1e-12)
    assert np.allclose(expm_frechet(A, E, compute_expm=False), L_s, rtol=1e-12)


def test_broadcasting_layouts_and_dtypes():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((3, 1, 4, 4))
    E = rng.standard_normal((2, 4, 4))
    pair = expm_frechet(A, E)
    assert pair.expm.shape == pair.frechet.shape == (3, 2, 4, 4)
    same_bits(pair.frechet[1, 0], expm_frechet(A[1, 0], E[0]).frechet)
    view = np.asfortranarray(A)[::-1].swapaxes(-1, -2)
    view.flags.writeable = False
    copy = np.ascontiguousarray(view)
    same_bits(expm_frechet(view, E).frechet, expm_frechet(copy, E).frechet)
    assert expm_frechet(A.astype("f"), E).frechet.dtype == np.float64
    assert expm_frechet(A.astype("f"), E.astype("F")).frechet.dtype == np.complex64
    assert expm_frechet(A.astype("e"), E.astype("e")).frechet.dtype == np.float16
    assert expm_frechet([[1, 2], [3, 4]], [[0, 1], [1, 0]]).frechet.dtype == np.float64
    assert expm_frechet(np.zeros((0, 3, 3)), np.zeros((3, 3))).frechet.shape == (0, 3, 3)
    assert expm_frechet(np.zeros((2, 0, 0)), np.zeros((2, 0, 0)))[1].shape == (2, 0, 0)


@pytest.mark.parametrize(
    ("A", "E", "kind", "words"),
    [
        (np.ones((2, 3)), np.ones((3, 3)), ValueError, ["A", "(2, 3)"]),
        (np.ones((3, 3)), np.ones(3), ValueError, ["E", "1 dimension"]),
        (np.ones((3, 3)), np.ones((4, 4)), ValueError, ["(3, 3)", "(4, 4)"]),
        (np.ones((2, 3, 3)), np.ones((5, 3, 3)), ValueError, ["(2,)", "(5,)"]),
        (np.ones((3, 3), "O"), np.ones((3, 3)), TypeError, ["A", "object"]),
        (np.ones((2, 2)), np.array([["a", "b"], ["c", "d"]]), TypeError, ["E", "<U1"]),
    ],
)
def test_bad_input(A, E, kind, words):
    with pytest.raises(kind) as caught:
        expm_frechet(A, E)
    assert all(word in str(caught.value) for word in words), caught.value


def test_gradient_through_the_core_matches_finite_differences():
    rng = np.random.default_rng(5)
    A, G, D = rng.standard_normal((3, 1, 6, 6))
    h = 1e-5
    slope = np.sum((randla.expm(A + h * D) - randla.expm(A - h * D)) / (2 * h) * G)
    assert np.isclose(np.sum(vjp(A, G) * D), slope, rtol=1e-8)


def test_unaligned_arrays():
    A, E = random_matrices("f", 5, 3, 2.0), random_matrices("f", 5, 3, 1.0, seed=1)
    same_bits(expm_frechet(unaligned(A), unaligned(E)).frechet, expm_frechet(A, E).frechet)
