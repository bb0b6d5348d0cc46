"""expm, its derivative, its action and phi on CuPy: the kernels and what lies around them."""

import numpy as np
import pytest
from oracles import ALL, error_in_units, exp_pair, phi_oracle, random_matrices, unit

import randla
from randla._cpu import expm as core

pytestmark = pytest.mark.gpu

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24, 31, 32, 33, 48, 63, 64]
LARGER = [65, 70]  # by the reference, on matrix products of CuPy


def errors(X, exact):
    """Largest error of each matrix beside its largest entry, in units."""
    X = X.get()
    axes = tuple(range(1, X.ndim))
    size = np.abs(exact).max(axis=axes)
    return np.abs(X - exact).max(axis=axes) / np.where(size, size, 1) / unit(X.dtype)


def wide(x):
    return x.astype(np.result_type(x.dtype, np.float64))


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", SIZES + LARGER)
def test_expm_against_the_oracle(cp, n, char):
    """The bound is that of the CPU's kernels: rounding doubles with each squaring."""
    norms = (1e-9, 1e-3, 0.3, 3.0, 20.0) if n <= 17 else (3.0,)
    A = np.concatenate([random_matrices(char, n, 1, norm) for norm in norms])
    E, info = randla.expm(cp.asarray(A), return_info=True)
    assert type(E) is cp.ndarray
    assert E.dtype == A.dtype
    assert E.shape == A.shape
    for i in range(len(A)):
        error = error_in_units(E[i].get(), A[i])
        assert error <= 4 + 3 * 2.0 ** info.scaling[i], (i, info.scaling[i], error)


@pytest.mark.parametrize("char", ALL)
def test_expm_decides_as_the_core_does(cp, char):
    """From 1-norms of A and its square, by one rule; the core may find inf-norms smaller."""
    n = 6
    A = np.concatenate([random_matrices(char, n, 1, 10.0**e, seed=e + 8) for e in range(-8, 3)])
    _, info = randla.expm(cp.asarray(A), tol=1e-5, return_info=True)
    b1 = np.abs(wide(A)).sum(axis=1).max(axis=1)
    b2 = np.abs(wide(A) @ wide(A)).sum(axis=1).max(axis=1)
    expected = np.zeros(len(A), core.INFO)
    core.select(b1, b2, 1e-5, char in "fF", expected)
    for name in ("order", "scaling", "products"):
        assert getattr(info, name).tolist() == expected[name].tolist(), name
    np.testing.assert_allclose(info.error_bound, expected["error_bound"], rtol=1e-3)


@pytest.mark.parametrize("n", [4, 8, 16, 32, 64])
def test_any_order_of_threads_gives_the_same_bits(cp, schedule, n):
    A = random_matrices("f", n, 3, 4.0)
    D = random_matrices("f", n, 3, 1.0, seed=1)
    B = random_matrices("f", n, 3, 1.0, seed=2)[:, :, : n // 2 + 1]
    first = [X.get() for X in everything(cp, A, D, B)]
    alone = [np.concatenate([everything(cp, A[i : i + 1], D[i : i + 1], B[i : i + 1])[j].get()
                             for i in range(3)]) for j in range(4)]  # fmt: skip
    for X, Y in zip(first, alone, strict=True):
        assert X.tobytes() == Y.tobytes()
    exact = [randla.expm(wide(A)), randla.expm_frechet(wide(A), wide(D)).frechet]
    for X, Y in zip(first, exact, strict=False):
        assert np.abs(X - Y).max() <= 60 * unit("f") * np.abs(Y).max()


def everything(cp, A, D, B):
    A, D, B = (cp.asarray(X) for X in (A, D, B))
    return [
        randla.expm(A),
        randla.expm_frechet(A, D).frechet,
        randla.expm_multiply(A, B),
        randla.phi(A, 2),
    ]


@pytest.mark.parametrize("n", [5, 20, 70])
def test_structure_is_kept(cp, n):
    rng = np.random.default_rng(n)
    upper = np.triu(rng.standard_normal((n, n)))
    diagonal = np.diag(rng.standard_normal(n))
    shifted = rng.standard_normal((n, n)) / n - 30 * np.eye(n)
    nilpotent = np.diag(1e3 * np.ones(n // 2), n - n // 2)
    A = np.stack([upper, diagonal, np.zeros((n, n)), shifted, nilpotent, upper.T])
    E, info = randla.expm(cp.asarray(A), return_info=True)
    E = E.get()
    assert (np.tril(E[0], -1) == 0).all()
    assert (np.triu(E[5], 1) == 0).all()
    np.testing.assert_allclose(np.diag(E[0]), np.exp(np.diag(upper)), rtol=4 * unit("d"))
    np.testing.assert_allclose(E[1], np.diag(np.exp(np.diag(diagonal))), rtol=4 * unit("d"))
    assert (E[2] == np.eye(n)).all()
    assert info.order[1] == info.order[2] == info.products[1] == 0
    # the trace, at e^-30, costs neither squarings nor digits
    assert info.scaling[3] <= 2
    assert error_in_units(E[3], A[3]) <= 40
    np.testing.assert_allclose(E[4], np.eye(n) + nilpotent, rtol=1e-12)


@pytest.mark.parametrize("n", [3, 12, 40, 70])
@pytest.mark.parametrize("char", ALL)
def test_what_is_not_finite_stays_alone(cp, n, char):
    A = random_matrices(char, n, 4, 1.0).copy()
    A[1, 0, n - 1] = np.nan
    A[2, n - 1, 0] = np.inf
    a = cp.asarray(A)
    E, info = randla.expm(a, return_info=True)
    L = randla.expm_frechet(a, a).frechet
    Y = randla.expm_multiply(a, a[:, :, :2])
    F = randla.phi(a, 1)
    for X in (E, L, Y, F):
        bad = np.isnan(X.get()).all(axis=(1, 2))
        some = np.isnan(X.get()).any(axis=(1, 2))
        assert bad.tolist() == some.tolist() == [False, True, True, False]
    assert np.isnan(info.error_bound).tolist() == [False, True, True, False]


@pytest.mark.parametrize("n", [3, 20])
@pytest.mark.parametrize("char", ["f", "d"])
def test_huge_norms(cp, n, char):
    """Squares would overflow: a large negative matrix decays to 0, a rotation stays finite."""
    size = 1e30 if char == "f" else 1e200
    A = np.zeros((2, n, n), char)
    A[0] = -size * (np.eye(n) + np.ones((n, n)) / n)
    A[1, :2, :2] = [[0, size], [-size, 0]]
    E = randla.expm(cp.asarray(A)).get()
    assert (E[0] == 0).all()
    assert np.isfinite(E[1]).all()


@pytest.mark.parametrize("n", [2, 20, 40])
def test_overflow_is_infinite(cp, n):
    """At the last squarings but one already; 0 times infinity would make it NaN."""
    E = randla.expm(cp.full((1, n, n), 2000.0 / n)).get()
    assert np.isposinf(E).all()


@pytest.mark.parametrize("n", [4, 40])
def test_layouts_and_dtypes(cp, n):
    A = random_matrices("d", n, 4, 2.0)
    expected = randla.expm(A)
    a = cp.asarray(A)
    wider = cp.asarray(np.concatenate([A, A], axis=-1))
    for view, exact in (
        (a.swapaxes(-1, -2), expected.swapaxes(-1, -2)),
        (wider[..., :n], expected),
        (a[::2], expected[::2]),
        (a.reshape(2, 2, n, n), expected.reshape(2, 2, n, n)),
    ):
        np.testing.assert_allclose(randla.expm(view).get(), exact, rtol=1e-12, atol=1e-13)
    whole = randla.expm(cp.asarray(np.eye(n, dtype=np.int32)))
    assert whole.dtype == np.float64
    half = randla.expm(a.astype(np.float16))
    assert half.dtype == np.float16
    np.testing.assert_allclose(half.get(), expected, rtol=0.01, atol=0.01)


def test_empty(cp):
    for shape in ((0, 3, 3), (2, 0, 0)):
        E, info = randla.expm(cp.empty(shape), return_info=True)
        assert E.shape == shape
        assert info.order.shape == shape[:1]
        assert randla.expm_frechet(cp.empty(shape), cp.empty(shape)).frechet.shape == shape
        assert randla.phi(cp.empty(shape), 2).shape == shape
    assert randla.expm_multiply(cp.empty((2, 3, 3)), cp.empty((3, 0))).shape == (2, 3, 0)


@pytest.mark.parametrize("n", [4, 70])
def test_out(cp, n):
    a = cp.asarray(random_matrices("f", n, 2, 1.0))
    room = cp.empty((2, n, 2 * n), np.float32)
    out = room[..., ::2]
    assert randla.expm(a, out=out) is out
    assert (out.get() == randla.expm(a).get()).all()
    with pytest.raises(ValueError, match=r"out must have shape \(2, "):
        randla.expm(a, out=out[:1])
    with pytest.raises(TypeError, match="out must have dtype float32, got float64"):
        randla.expm(a, out=cp.empty((2, n, n)))
    with pytest.raises(ValueError, match="overlap"):
        randla.expm(a, out=a.swapaxes(-1, -2))
    with pytest.raises(TypeError, match=r"out must be a cupy.ndarray, got ndarray"):
        randla.expm(a, out=np.empty((2, n, n), np.float32))


@pytest.mark.parametrize("assume", ["hermitian", "skew", "triangular", "metzler"])
def test_promises(cp, assume):
    """Kept and checked as elsewhere, in CuPy's operations."""
    A = random_matrices("d", 6, 2, 1.5)
    A = {
        "hermitian": A + A.swapaxes(-1, -2),
        "skew": A - A.swapaxes(-1, -2),
        "triangular": np.tril(A),
        "metzler": np.abs(A),
    }[assume]
    E = randla.expm(cp.asarray(A), assume=assume).get()
    np.testing.assert_allclose(E, randla.expm(A, assume=assume), rtol=1e-13, atol=1e-14)
    A[1, 0, 5], A[1, 5, 0] = -1.0, -3.0
    with pytest.raises(ValueError, match=r"is broken: .*; matrix \(1,\) of the batch does not"):
        randla.expm(cp.asarray(A), assume=assume)


def test_bad_arguments(cp):
    a = cp.zeros((3, 2, 2))
    with pytest.raises(ValueError, match="A must be square"):
        randla.expm(cp.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"tol must be in \(0, 1\), got 2"):
        randla.expm(a, tol=2.0)
    with pytest.raises(ValueError, match="assume must be one of"):
        randla.expm(a, assume="unitary")
    with pytest.raises(ValueError, match="batches do not broadcast"):
        randla.expm_frechet(a, cp.zeros((2, 2, 2)))
    with pytest.raises(TypeError, match="arrays must be of one library"):
        randla.expm_frechet(a, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="A and B must have the same n"):
        randla.expm_multiply(a, cp.zeros((3, 1)))


# ---- derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", [1, 2, 4, 6, 8, 12, 16, 32])
def test_frechet_against_the_oracle(cp, n, char):
    for norm, size in ((1e-5, 1e6), (0.7, 1.0), (6.0, 1e-6)):
        A = random_matrices(char, n, 1, norm)[0]
        D = random_matrices(char, n, 1, size, seed=1)[0]
        value, derived = randla.expm_frechet(cp.asarray(A), cp.asarray(D))
        exact, exact_derived = exp_pair(A, D)
        assert errors(value[None], exact[None])[0] <= 40
        assert errors(derived[None], exact_derived[None])[0] <= 40


@pytest.mark.parametrize("n", [1, 33, 48, 64, 70])
def test_frechet_of_larger_matrices(cp, n):
    for char in "fD":
        A = random_matrices(char, n, 2, 3.0)
        D = random_matrices(char, n, 1, 1.0, seed=1)[0]
        exact = randla.expm_frechet(wide(A), wide(D))
        found = randla.expm_frechet(cp.asarray(A), cp.asarray(D))
        assert (errors(found.expm, exact.expm) <= 40).all()
        assert (errors(found.frechet, exact.frechet) <= 40).all()


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("k", [0, 1, 3])
def test_adjoint_derivative(cp, k, char):
    """<L(A, D), G> = <D, L(A^H, G)>: what gradients are made of."""
    from randla._cuda import expm as launch
    from randla._cuda import expm_phi as launch_phi

    A, D, G = (cp.asarray(random_matrices(char, 7, 3, x, seed=i)) for i, x in enumerate((2, 1, 1)))
    X, Y = cp.empty_like(A), cp.empty_like(A)
    for into, direction, adjoint in ((X, D, False), (Y, G, True)):
        if k:
            launch_phi.derivative_into(A, k, direction, 0.0, into, adjoint)
        else:
            launch.frechet_into(A, direction, 0.0, None, into, adjoint)
    X, Y, D, G = (Z.get() for Z in (X, Y, D, G))
    left, right = (np.sum(P.conj() * Q, axis=(1, 2)) for P, Q in ((X, G), (D, Y)))
    scale = np.sqrt(np.sum(np.abs(X) ** 2, axis=(1, 2)) * np.sum(np.abs(G) ** 2, axis=(1, 2)))
    assert (np.abs(left - right) <= 100 * unit(char) * scale).all()


# ---- action --------------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", [1, 2, 6, 8, 12, 24, 40, 64, 70])
def test_multiply(cp, n, char):
    """Norms of one step, of several, and so large that exp(A) is formed; one column and many."""
    for norm in (1e-6, 0.9, 8.0, 30.0):
        for p in (1, n + 3):
            A = random_matrices(char, n, 2, norm)
            B = np.concatenate([random_matrices(char, n, 2, 1.0, seed=i) for i in range(3)], -1)
            B = B[..., :p] if p <= 3 * n else B
            Y, info = randla.expm_multiply(cp.asarray(A), cp.asarray(B), return_info=True)
            exact = randla.expm(wide(A)) @ wide(B)
            scale = np.abs(exact).max(axis=(1, 2)) + np.linalg.norm(exact, axis=(1, 2))
            error = np.abs(Y.get() - exact).max(axis=(1, 2)) / scale / unit(char)
            assert (error <= 40 + 8 * norm).all(), (norm, p, info)
            assert (info.error_bound <= unit(char) * (1 + 1e-9)).all()


def test_multiply_shapes_and_times(cp):
    A = random_matrices("d", 5, 3, 1.0)
    B = np.arange(10.0).reshape(5, 2)
    a, b = cp.asarray(A), cp.asarray(B)
    for left, right, given in (
        (a, b, (A, B)),
        (a[0], b, (A[0], B)),
        (a[0], b[:, 0], (A[0], B[:, 0])),
        (a, b[:, 0], (A, B[:, 0])),
        (a[0], cp.asarray(np.stack([B, 2 * B])), (A[0], np.stack([B, 2 * B]))),
        (a[:, None], cp.asarray(np.stack([B, B])), (A[:, None], np.stack([B, B]))),
    ):
        expected = randla.expm_multiply(*given)
        np.testing.assert_allclose(randla.expm_multiply(left, right).get(), expected, rtol=1e-12)
    for t in (0.5, 1j, [0.0, -1.0, 2.0]):
        expected = randla.expm_multiply(A, B, t=t)
        found = randla.expm_multiply(a, b, t=t)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.get(), expected, rtol=1e-11, atol=1e-12)


# ---- phi -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", [1, 3, 8, 13])
def test_phi_against_the_oracle(cp, n, char):
    for k in (1, 2, 5):
        for norm in (1e-6, 0.3, 2.0, 12.0):
            A = random_matrices(char, n, 1, norm)
            F, info = randla.phi(cp.asarray(A), k, return_info=True)
            error = errors(F, phi_oracle(A[0], k)[None])[0]
            assert error <= 6 + 3 * 2.0 ** info.scaling[0], (k, norm, info)


@pytest.mark.parametrize("n", [20, 40, 64, 70])
def test_phi_of_larger_matrices(cp, n):
    for char in "dF":
        A = random_matrices(char, n, 2, 9.0)
        for k in (0, 1, 4):
            exact = randla.phi(wide(A), k)
            assert (errors(randla.phi(cp.asarray(A), k), exact) <= 60).all()


def test_phi_of_a_high_index(cp):
    A = random_matrices("d", 4, 1, 50.0)
    exact = randla.phi(A, 30)
    np.testing.assert_allclose(randla.phi(cp.asarray(A), 30).get(), exact, rtol=1e-12)


# ---- what only the stand-in can tell -------------------------------------------------------------


@pytest.mark.parametrize("n", [6, 16, 64])
def test_nothing_waits_for_the_device(stand_in, n):
    from cupy_stand_in import record

    A, D = (stand_in.asarray(random_matrices("f", n, 2, x)) for x in (1.0, 2.0))
    everything(stand_in, A, D, A)  # constants are copied once
    record.clear()
    everything(stand_in, A, D, A)
    assert record.synchronisations == 0
    assert len(record.launches) == 4
    stream = stand_in.cuda.Stream()
    with stream:
        randla.expm(A)
    assert record.launches[-1][1] == stream.ptr
    record.clear()
    randla.expm(A, return_info=True)
    assert record.synchronisations == 1


def test_large_matrices_are_read_back_once(stand_in):
    from cupy_stand_in import record

    A, D = (stand_in.asarray(random_matrices("f", 70, 2, x)) for x in (1.0, 2.0))
    for call in (
        lambda: randla.expm(A),
        lambda: randla.expm_frechet(A, D),
        lambda: randla.phi(A, 2),
        lambda: randla.expm_multiply(A, D),
    ):
        record.clear()
        call()
        assert record.synchronisations == 1
