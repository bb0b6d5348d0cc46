"""What is randomized_eigh's own in torch; the rest is in the battery."""

import numpy as np
import pytest
import torch

import randla
import randla.torch as rt

# torch's own forward mode uses parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def with_values(w, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((len(w), len(w)))
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal(X.shape)
    Q = np.linalg.qr(X)[0]
    A = (Q * np.asarray(w)) @ Q.conj().T
    return ((A + A.conj().T) / 2).astype(dtype)


def leaf(w, dtype="float64", seed=0):
    return torch.from_numpy(with_values(w, dtype, seed)).requires_grad_()


def product(A, k=3, **options):
    H = (A + A.mH) / 2
    w, V = rt.randomized_eigh(H, k, rng=0, **options)
    return (V * w.unsqueeze(-2).to(V.dtype)) @ V.mH


def vectors(A, k=3, **options):
    """What does not depend on signs or phases, and does on w and V each for itself."""
    H = (A + A.mH) / 2
    w, V = rt.randomized_eigh(H, k, rng=0, **options)
    return torch.cat([V.abs() ** 2 * w.unsqueeze(-2), V.abs() ** 4], -2)


@pytest.mark.parametrize("psd", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_derivatives_of_vectors(dtype, psd):
    """With what was cut off, which the usual formula leaves out; values of both signs."""
    w = np.abs([3.0, -2.0, 1.4, -0.7, 0.3]) if psd else [3.0, -2.0, 1.4, -0.7, 0.3]
    A = torch.from_numpy(np.stack([with_values(w, dtype, i) for i in range(2)])).requires_grad_()
    for f in (product, vectors):
        assert torch.autograd.gradcheck(lambda x, f=f: f(x, psd=psd), (A,), check_forward_ad=True)
    h = torch.func.vmap(torch.func.grad(lambda x: vectors(x).sum()))(torch.stack([A, 2 * A]))
    (wanted,) = torch.autograd.grad(vectors(A).sum(), A)
    assert torch.allclose(h[0], wanted, rtol=1e-9, atol=1e-10)
    compiled = torch.compile(vectors, fullgraph=True, backend="aot_eager")
    (mine,) = torch.autograd.grad(compiled(A).sum(), A)
    assert torch.allclose(mine, wanted, rtol=1e-9, atol=1e-10)


def test_gradient_of_k_pairs_is_that_of_all():
    """After iterations: beside torch's own decomposition of the whole matrix."""
    w = np.r_[-1.0, 0.8, 0.6, -0.5, 0.2 * 0.9 ** np.arange(116)]
    A = leaf(w)
    B = A.detach().clone().requires_grad_()

    def loss(w, V):
        return (w**3).sum() + ((V[:40] @ torch.diag(w) @ V[:40].mT) ** 2).sum()

    found, X = rt.randomized_eigh(A, 4, method="krylov", n_iter=13, rng=0)
    loss(found, X).backward()
    values, Y = torch.linalg.eigh(B)
    order = values.abs().argsort(descending=True)[:4]
    loss(values[order], Y[:, order]).backward()
    wanted = (B.grad + B.grad.mT) / 2
    assert torch.allclose(A.grad, wanted, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_as_numpy(dtype):
    A = with_values(0.8 ** np.arange(90.0) * np.where(np.arange(90) % 3, 1, -1), dtype)
    x = torch.from_numpy(A)
    found, wanted = rt.randomized_eigh(x, 4, rng=3), randla.randomized_eigh(A, 4, rng=3)
    for a, b in zip(found, wanted, strict=True):
        assert np.array_equal(a.resolve_conj().numpy(), b)
    assert str(found.info) == str(wanted.info)  # NaN is not equal to itself
    assert found.rank == 4
    assert torch.equal(randla.randomized_eigh(x, 4, rng=3).eigenvalues, found.eigenvalues)
    stack = torch.stack([x, 2 * x])
    assert rt.randomized_eigh(stack, 4, rng=3).eigenvalues.shape == (2, 4)
    if not x.is_complex():
        half = rt.randomized_eigh(torch.eye(80).half(), 2)
        assert half.eigenvalues.dtype == half.eigenvectors.dtype == torch.float16


def test_equal_values():
    """A loss of values, of products or of spaces has its gradient; another one an error."""
    A = leaf([2.0, 2.0, -1.0, 0.1, 0.0])
    G = torch.randn(5, 5, dtype=torch.float64, generator=torch.manual_seed(0))
    G = G + G.mT

    def gradient(f):
        w, V = rt.randomized_eigh(A, 3, rng=0)
        return torch.autograd.grad(f(w, V), A)[0]

    def slope(f, D, h=1e-5):
        def at(t):
            w, V = np.linalg.eigh((A + t * D).detach().numpy())
            order = np.argsort(-np.abs(w))[:3]
            return float(f(*map(torch.from_numpy, (w[order], V[:, order].copy()))))

        return (at(h) - at(-h)) / (2 * h)

    for f in (
        lambda w, V: w.sum(),
        lambda w, V: ((V * w) @ V.mT * G).sum(),
        lambda w, V: ((V @ V.mT) * G).sum(),
    ):
        D = torch.randn(5, 5, dtype=torch.float64)
        D = D + D.mT
        assert float((gradient(f) * D).sum()) == pytest.approx(slope(f, D), rel=1e-6)
    with pytest.raises(np.linalg.LinAlgError, match=r"basis of equal eigenvalues|what kind"):
        gradient(lambda w, V: (V[:, 0] ** 4).sum())


def test_losses_that_are_not_defined():
    A = leaf([3.0, -2.0, 1.0, 0.5, 0.2], "complex128")
    _, V = rt.randomized_eigh(A, 2, rng=0)
    with pytest.raises(np.linalg.LinAlgError, match="phases"):
        V.imag.sum().backward()
    B = leaf([3.0, -1.0, -1.0, *np.full(77, 0.1)])  # the second equals what is cut off
    with pytest.raises(np.linalg.LinAlgError, match="cut off"):
        (rt.randomized_eigh(B, 2, rng=0).eigenvectors[:, 1] ** 4).sum().backward()
    C = leaf([3.0, -2.0, 1.0, 0.5, 0.2])
    (g,) = torch.autograd.grad(product(C).sin().sum(), C, create_graph=True)
    with pytest.raises(NotImplementedError, match="alone"):
        g.sum().backward()


def test_bad_arguments():
    with pytest.raises(TypeError, match="A must be a tensor, got ndarray"):
        rt.randomized_eigh(np.eye(3), 2)
    with pytest.raises(ValueError, match=r"k must be in \[1, 3\]"):
        rt.randomized_eigh(torch.eye(3), 4)
    with pytest.raises(ValueError, match="A must be Hermitian"):
        rt.randomized_eigh(torch.ones(3, 3).triu(), 1)
    with pytest.raises(np.linalg.LinAlgError, match="NaN or an infinity"):
        rt.randomized_eigh(torch.full((3, 3), torch.nan), 1)
    with pytest.raises(np.linalg.LinAlgError, match="not positive semidefinite"):
        rt.randomized_eigh(-torch.eye(3), 1, psd=True)
