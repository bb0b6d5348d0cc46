"""The reference rung of expm, on every array library there is, against the kernels and Arb."""

import re

import array_api_strict
import jax
import numpy as np
import pytest
import scipy.sparse
import torch
from oracles import ALL, exp_oracle, random_matrices, relative_error, unit
from test_expm import BROKEN, codon_like, keeping

from randla import expm, expm_frechet, expm_multiply, phi
from randla._core.dispatch import to_numpy
from randla._expm import _expm_reference as reference

jax.config.update("jax_enable_x64", True)

FROM_NUMPY = {
    "numpy": np.array,
    "torch": lambda x: torch.from_numpy(np.array(x)),
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}
DTYPES = {"f": "float32", "d": "float64", "F": "complex64", "D": "complex128"}


# JAX compiles each operation for each shape, which takes a second or two for one size.
FAST = ("array_api_strict", "numpy", "torch")


@pytest.fixture(params=sorted(FROM_NUMPY))
def library(request):
    return request.param


def convert(library, x):
    return FROM_NUMPY[library](x)


def same_kind(x, y):
    return type(x) is type(y) and x.dtype == y.dtype and x.device == y.device


SIZES = [(library, n) for library in sorted(FROM_NUMPY) for n in (1, 2, 3, 8, 17, 40)]
SIZES = [(library, n) for library, n in SIZES if library in FAST or n == 3]


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize(("library", "n"), SIZES)
def test_agrees_with_the_kernels(library, n, char):
    A = np.concatenate([random_matrices(char, n, 5, norm) for norm in (1e-9, 1e-2, 1.0, 20.0)])
    x = convert(library, A)
    E, info = reference(x, None, None, True)
    assert same_kind(E, x)
    wanted, decided = expm(A, return_info=True)
    # norms are summed in another order (and of complex entries bounded otherwise): at a
    # threshold a decision may differ, but not by more than a product
    assert (np.abs(info.products - decided.products) <= 1).all()
    if char in "fd":
        same = (info.order == decided.order) & (info.scaling == decided.scaling)
        assert same.mean() >= 0.8
    for i in range(len(A)):
        room = (20 + 2.0 ** (info.scaling[i] + 2)) * unit(char)
        assert relative_error(to_numpy(E)[i], wanted[i].astype("D")) <= room


@pytest.mark.parametrize("char", ALL)
def test_agrees_with_the_oracle(library, char):
    A = np.concatenate([random_matrices(char, 4, 1, norm) for norm in (0.1, 1.0, 8.0)])
    E = to_numpy(reference(convert(library, A), None, None, False))
    for i in range(3):
        pair = exp_oracle(A[i].astype("D" if char in "FD" else "d"))
        assert relative_error(E[i], *pair) <= 40 * unit(char)


def test_public_function_takes_every_library(library):
    A = random_matrices("d", 4, 3, 2.0)
    x = convert(library, A)
    E = expm(x)
    assert same_kind(E, x)
    assert E.shape == (3, 4, 4)
    assert relative_error(to_numpy(E)[0], expm(A)[0]) <= 40 * unit("d")


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("batch", [(), (0,), (1,), (2, 3), (2, 1, 2)])
@pytest.mark.parametrize("n", [0, 1, 4])
def test_shapes(library, batch, n):
    A = random_matrices("d", n, int(np.prod(batch)), 3.0).reshape((*batch, n, n))
    E, info = reference(convert(library, A), None, None, True)
    assert E.shape == A.shape
    assert np.shape(info.order) == batch
    if A.size:
        assert np.allclose(to_numpy(E), expm(A), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("name", ["int64", "uint8", "bool"])
def test_integers(library, name):
    A = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]]).astype(name)
    E = to_numpy(reference(convert(library, A), None, None, False))
    assert E.dtype == np.float64
    assert np.allclose(E, expm(A), rtol=1e-14)


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("assume", ["hermitian", "skew", "triangular", "metzler"])
@pytest.mark.parametrize("char", ALL)
def test_promises(library, char, assume):
    if assume == "metzler" and char in "FD":
        with pytest.raises(TypeError, match="is for real matrices; A has dtype"):
            reference(convert(library, np.zeros((2, 2), char)), None, assume, False)
        return
    for n in (1, 2, 5, 20):
        A = keeping(assume, char, n, 4)
        E = to_numpy(reference(convert(library, A), None, assume, False))
        wanted = expm(A, assume=assume)
        for i in range(4):
            assert relative_error(E[i], wanted[i].astype("D")) <= 60 * unit(char)
        adjoint = E.conj().swapaxes(-1, -2)
        if assume == "hermitian":
            assert np.array_equal(E, adjoint)
        elif assume == "skew":
            wide = E.astype("D")
            gram = wide.conj().swapaxes(-1, -2) @ wide
            assert np.abs(gram - np.eye(n)).max() <= (4 + np.sqrt(n)) * unit(char)
        elif assume == "triangular":
            assert not np.tril(E[0], -1).any()
            assert not np.triu(E[1], 1).any()
        else:
            assert (E >= 0).all()
            sums = E.astype("d").sum(-1)
            assert np.abs(sums - 1).max() <= 4 * unit(char) * np.sqrt(n)


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("t", [1e-12, 1e-6, 1.0, 1e3, 1e6])
def test_metzler_is_relatively_accurate(library, t):
    Q = codon_like(20, np.random.default_rng(20)) * t
    hi, lo = exp_oracle(Q, entrywise=True, conserved="rows")
    P = to_numpy(reference(convert(library, Q), None, "metzler", False))
    seen = hi > 1e-300
    assert (np.abs((P - hi) - lo)[seen] <= 1e-12 * hi[seen]).all()


def test_metzler_columns(library):
    """Columns that sum to 0 in A sum to 1 in exp(A), as in the kernels."""
    Q = np.ascontiguousarray(codon_like(20, np.random.default_rng(20)).T) * 1e3
    P = to_numpy(reference(convert(library, Q), None, "metzler", False))
    assert np.abs(P.sum(axis=0) - 1).max() <= 4 * unit("d") * np.sqrt(20)
    assert relative_error(P, *exp_oracle(Q, conserved="columns")) <= 1e-12


@pytest.mark.parametrize("assume", sorted(BROKEN))
def test_broken_promises(library, assume):
    A = np.zeros((2, 3, 2, 2))
    A[1, 2] = BROKEN[assume]
    message = re.escape("matrix (1, 2) of the batch does not")
    with pytest.raises(ValueError, match=f"assume='{assume}' is broken: .*; {message}"):
        reference(convert(library, A), None, assume, False)
    with pytest.raises(ValueError, match=f"assume='{assume}' is broken: .*; A does not"):
        reference(convert(library, A[1, 2]), None, assume, False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [4])
def test_not_finite(library, bad, n):
    A = random_matrices("d", n, 4, 2.0).copy()
    clean = to_numpy(reference(convert(library, A), None, None, False))
    A[2, 0, n - 1] = bad
    E, info = reference(convert(library, A), None, None, True)
    E = to_numpy(E)
    assert np.isnan(E[2]).all()
    rest = [0, 1, 3]
    assert np.array_equal(E[rest], clean[rest])
    assert np.isnan(info.error_bound[2])
    assert np.isfinite(info.error_bound[rest]).all()


@pytest.mark.parametrize("library", FAST)
def test_huge_and_zero(library):
    A = np.zeros((4, 3, 3))
    A[1] = -1e200 * np.eye(3)
    A[2] = np.eye(3, k=1) * 1e150
    A[3] = -1e300 * (np.eye(3) - 0.1)
    with np.errstate(over="ignore", invalid="ignore"):  # products of the library's own
        E = to_numpy(reference(convert(library, A), None, None, False))
    assert np.array_equal(E[0], np.eye(3))
    assert not E[1].any()
    assert np.isfinite(E[2][np.triu_indices(3, 1)]).any()
    assert E.shape == A.shape


@pytest.mark.parametrize("library", FAST)
def test_tolerance(library):
    A = random_matrices("d", 5, 3, 2.0)
    E, info = reference(convert(library, A), 1e-5, None, True)
    _, decided = expm(A, tol=1e-5, return_info=True)
    assert (np.abs(info.products - decided.products) <= 1).all()
    assert np.allclose(to_numpy(E), expm(A), rtol=1e-2, atol=1e-3)


def test_refusals(library):
    for shape in ((3,), (2, 3)):
        with pytest.raises(ValueError, match="A must"):
            reference(convert(library, np.zeros(shape)), None, None, False)
    square = convert(library, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="assume must be one of"):
        reference(square, None, "symmetric", False)
    for tol in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match=r"tol must be in \(0, 1\)"):
            reference(square, tol, None, False)


@pytest.mark.parametrize("library", FAST)
def test_input_is_not_modified(library):
    A = random_matrices("d", 4, 3, 2.0)
    for assume in (None, "hermitian", "triangular", "metzler", "skew"):
        kept = keeping(assume, "d", 4, 3) if assume else A
        x = convert(library, kept)
        reference(x, None, assume, False)
        assert np.array_equal(to_numpy(x), kept)


# ---- sixteen bits ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_torch_sixteen_bits(dtype):
    A = torch.from_numpy(random_matrices("f", 4, 3).copy()).to(dtype)
    E = expm(A)
    assert E.dtype == dtype
    assert torch.equal(E, expm(A.to(torch.float32)).to(dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_jax_sixteen_bits(dtype):
    A = jax.numpy.asarray(random_matrices("f", 4, 3)).astype(dtype)
    E = expm(A)
    assert E.dtype == A.dtype
    assert bool((expm(A.astype("float32")).astype(dtype) == E).all())


# ---- gradients through torch's own autograd ----------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (2, 2, 2, 2), (1, 1)])
@pytest.mark.parametrize("norm", [0.05, 1.0, 6.0])
def test_torch_gradient(shape, norm):
    count = int(np.prod(shape[:-2]))
    A = torch.from_numpy(random_matrices("d", shape[-1], count, norm).reshape(shape).copy())
    A.requires_grad_()
    E = expm(A)
    (gradient,) = torch.autograd.grad(E.sum(), A)
    assert gradient.shape == A.shape
    assert torch.autograd.gradcheck(expm, (A,))


def test_torch_gradient_complex():
    A = torch.from_numpy(random_matrices("D", 3, 2).copy()).requires_grad_()
    assert torch.autograd.gradcheck(expm, (A,))


@pytest.mark.parametrize("assume", ["triangular", "metzler", "hermitian", "skew"])
def test_torch_gradient_with_promises(assume):
    """Along directions that keep the promise, the derivative is that of exp."""
    A = torch.from_numpy(keeping(assume, "d", 4, 1)[0])
    D = torch.from_numpy(keeping(assume, "d", 4, 1, 1.3)[0])
    if assume == "triangular":
        assert not np.tril(D.numpy(), -1).any()
    G = torch.from_numpy(random_matrices("d", 4, 1, seed=5)[0].copy())
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((expm(A + t * D, assume=assume) * G).sum(), t)
    h = 1e-5
    up, down = (expm((A + s * h * D).numpy(), assume=assume) for s in (1, -1))
    wanted = ((up - down) / (2 * h) * G.numpy()).sum()
    assert abs(float(slope) - wanted) <= 1e-7 * max(1, abs(wanted))


@pytest.mark.parametrize("assume", [None, "triangular"])
def test_torch_gradient_of_triangular_matrices(assume):
    """The closed forms of the diagonals carry their gradient, too."""
    A = torch.from_numpy(np.triu(random_matrices("d", 4, 1, 3.0)[0])).requires_grad_()
    (gradient,) = torch.autograd.grad(expm(A, assume=assume).sum(), A)
    for i, j in ((0, 0), (2, 2), (0, 1), (1, 3)):
        step = np.zeros((4, 4))
        step[i, j] = 1e-6
        base = A.detach().numpy()
        wanted = (expm(base + step).sum() - expm(base - step).sum()) / 2e-6
        assert abs(gradient[i, j].item() - wanted) <= 1e-6 * max(1, abs(wanted))


def test_torch_gradient_of_zero():
    """d exp(0) = identity: the sum of a zero matrix's exponential has gradient 1 everywhere."""
    A = torch.zeros((2, 3, 3), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(expm(A).sum(), A)
    assert torch.equal(gradient, torch.ones_like(A))


def test_torch_gradient_next_to_a_nan():
    """A matrix with a NaN leaves the gradients of the others alone."""
    A = torch.from_numpy(random_matrices("d", 3, 3).copy())
    A[1, 0, 0] = float("nan")
    A.requires_grad_()
    E = expm(A)
    (gradient,) = torch.autograd.grad(E[[0, 2]].sum(), A)
    assert torch.isfinite(gradient[[0, 2]]).all()
    alone = A.detach()[[0, 2]].clone().requires_grad_()
    (wanted,) = torch.autograd.grad(expm(alone).sum(), alone)
    assert torch.allclose(gradient[[0, 2]], wanted, rtol=1e-13, atol=1e-14)


def test_torch_non_contiguous_and_default_dtype():
    A = torch.from_numpy(random_matrices("d", 4, 3, 2.0).copy())
    expected = expm(A.numpy())
    for view in (A.mT.contiguous().mT, A.repeat(1, 2, 2)[:, ::2, ::2], A.flip(0).flip(0)):
        values = expm(view).numpy()
        wanted = expm(view.numpy())
        assert np.allclose(values, wanted, rtol=1e-13, atol=1e-13)
    assert np.allclose(expm(A).numpy(), expected, rtol=1e-13, atol=1e-13)
    assert expm(torch.eye(2, dtype=torch.int32)).dtype == torch.float64


@pytest.mark.parametrize("assume", ["hermitian", "skew", "triangular", "metzler"])
def test_promises_in_jax(assume):
    A = keeping(assume, "d", 4, 3)
    E = expm(jax.numpy.asarray(A), assume=assume)
    wanted = expm(A, assume=assume)
    for i in range(3):
        assert relative_error(np.asarray(E[i]), wanted[i]) <= 60 * unit("d")


@pytest.mark.parametrize("char", ALL)
def test_frechet_agrees_with_the_kernels(library, char):
    A = np.concatenate([random_matrices(char, 5, 2, norm) for norm in (1e-4, 0.5, 9.0)])
    A[1] = 0
    A[2, 0, 0] = np.nan
    E = random_matrices(char, 5, 6, 1.0, seed=2)
    kernel = expm_frechet(A, E)
    pair = expm_frechet(convert(library, A), convert(library, E))
    for mine, other in zip(kernel, pair, strict=True):
        other = to_numpy(other)
        assert other.dtype == mine.dtype
        distance = np.linalg.norm(mine - other, axis=(-1, -2))
        finite = np.arange(6) != 2
        bound = 60 * unit(char) * np.linalg.norm(mine, axis=(-1, -2))
        assert (distance <= bound)[finite].all()
        assert np.isnan(other[2]).all()


def test_frechet_broadcasts_and_refuses(library):
    A = random_matrices("d", 3, 4, 1.0).reshape(4, 1, 3, 3)
    E = random_matrices("d", 3, 2, 1.0, seed=1)
    L = expm_frechet(convert(library, A), convert(library, E), compute_expm=False)
    assert to_numpy(L).shape == (4, 2, 3, 3)
    with pytest.raises(ValueError, match="one size"):
        expm_frechet(convert(library, A), convert(library, np.ones((4, 4))))
    with pytest.raises(TypeError, match="one library"):
        expm_frechet(torch.ones(3, 3), array_api_strict.ones((3, 3)))


@pytest.mark.parametrize("t", [None, 0.5, [0.5, -1.0], []])
@pytest.mark.parametrize("char", ALL)
def test_multiply_agrees_with_the_kernels(library, char, t):
    A = np.concatenate([random_matrices(char, 4, 1, norm) for norm in (1e-3, 0.5, 6.0)])
    B = random_matrices(char, 4, 3, 1.0, seed=2)[..., :2].copy()
    mine, info = expm_multiply(A, B, t=t, return_info=True)
    Y, other = expm_multiply(convert(library, A), convert(library, B), t=t, return_info=True)
    Y = to_numpy(Y)
    assert Y.dtype == mine.dtype
    assert Y.shape == mine.shape
    assert other.order.shape == info.order.shape
    assert (np.abs(Y - mine) <= 300 * unit(char) * np.abs(mine).max(initial=0)).all()
    plain = to_numpy(expm_multiply(convert(library, A), convert(library, B), t=t))
    assert np.array_equal(plain, Y)


def test_multiply_of_sixteen_bits_computes_in_float32():
    A = torch.tensor(random_matrices("f", 5, 4, 2.0)).to(torch.bfloat16)
    B = torch.ones(5, 1, dtype=torch.bfloat16)
    Y = expm_multiply(A, B)
    assert Y.dtype == torch.bfloat16
    exact = torch.matmul(expm(A.double()), B.double())
    assert torch.allclose(Y.double(), exact, rtol=2**-8, atol=2**-9)


def test_multiply_refuses_mixed_libraries():
    with pytest.raises(TypeError, match="one library"):
        expm_multiply(np.eye(3), torch.ones(3))
    with pytest.raises(TypeError, match="NumPy array"):
        expm_multiply(scipy.sparse.csr_array(np.eye(3)), torch.ones(3))


PHI = [(library, k) for library in sorted(FROM_NUMPY) for k in (0, 1, 2, 5)]


@pytest.mark.parametrize(("library", "k"), [x for x in PHI if x[0] in FAST or x[1] in (1, 2)])
@pytest.mark.parametrize("char", ALL)
def test_phi_agrees_with_the_kernels(library, char, k):
    A = np.concatenate([random_matrices(char, 4, 2, norm) for norm in (1e-9, 1e-2, 0.7, 20.0)])
    A[1] = 0
    A[3, 1, 0] = np.nan
    mine, decided = phi(A, k, return_info=True)
    x = convert(library, A)
    F, info = phi(x, k, return_info=True)
    assert same_kind(F, x)
    assert (np.abs(info.products - decided.products) <= k + 1)[np.arange(8) != 3].all()
    F = to_numpy(F)
    assert np.isnan(F[3]).all()
    assert np.isnan(info.error_bound[3])
    for i in (0, 1, 2, 4, 5, 6, 7):
        room = 200 if i > 5 else 20
        assert relative_error(F[i], mine[i].astype("D")) <= room * unit(char)


@pytest.mark.parametrize("library", FAST)
def test_phi_of_huge_and_of_nothing(library):
    A = np.array([[[-1e200, 1.0], [1.0, -1e200]], [[-0.5, 0.0], [0.0, 1.0]]])
    F, info = phi(convert(library, A), 1, return_info=True)
    wanted, decided = phi(A, 1, return_info=True)
    assert np.allclose(to_numpy(F), wanted, rtol=1e-12, atol=0)
    assert abs(info.products[0] - decided.products[0]) <= 4
    assert phi(convert(library, np.zeros((0, 3, 3))), 2).shape == (0, 3, 3)
    with pytest.raises(ValueError, match="k must be in"):
        phi(convert(library, A), -3)


def test_gradient_of_phi_through_torch():
    from randla._cpu import expm as binding

    A = random_matrices("d", 5, 3, 2.0)
    G = random_matrices("d", 5, 3, 1.0, seed=1)
    for k in (1, 2):
        x = torch.tensor(A, requires_grad=True)
        (gradient,) = torch.autograd.grad(phi(x, k), x, torch.tensor(G))
        X = np.empty_like(A)
        binding.phi_vjp(A, k, G, 0.0, X)
        assert np.allclose(gradient.numpy(), X, rtol=1e-10, atol=1e-12)
