"""What is randomized_svd's own in torch; the rest is in the battery."""

import numpy as np
import pytest
import torch
from svd_gallery import check, spectra, with_values

import randla
import randla.torch as rt

# torch's own forward mode uses parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def leaf(m, n, s, dtype="float64", seed=0):
    return torch.from_numpy(with_values(m, n, s, dtype, seed)).requires_grad_()


def product(A, k=3, **options):
    U, S, Vh = rt.randomized_svd(A, k, rng=0, **options)
    return (U * S.unsqueeze(-2).to(U.dtype)) @ Vh


def vectors(A, k=3, **options):
    """What does not depend on signs or phases, and does on U, S and V each for itself."""
    U, S, Vh = rt.randomized_svd(A, k, rng=0, **options)
    return torch.cat([U.abs() ** 2 * S.unsqueeze(-2), Vh.mT.abs() ** 4], -2)


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (2, 6, 6)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_derivatives_of_vectors(dtype, shape):
    """With what was cut off: the usual formula, of rank k, is off by a quarter here."""
    *batch, m, n = shape
    s = [3.0, 2.0, 1.4, 0.7, 0.3]
    parts = [with_values(m, n, s, dtype, i) for i in range(2)]
    A = torch.from_numpy(np.stack(parts) if batch else parts[0]).requires_grad_()
    for f in (product, vectors):
        assert torch.autograd.gradcheck(f, (A,), check_forward_ad=True)
    h = torch.func.vmap(torch.func.grad(lambda x: vectors(x).sum()))(torch.stack([A, 2 * A]))
    (wanted,) = torch.autograd.grad(vectors(A).sum(), A)
    assert torch.allclose(h[0], wanted, rtol=1e-9, atol=1e-10)
    _, slope = torch.func.jvp(vectors, (A.detach(),), (torch.ones_like(A),))
    assert slope.shape == vectors(A).shape
    compiled = torch.compile(vectors, fullgraph=True, backend="aot_eager")
    (mine,) = torch.autograd.grad(compiled(A).sum(), A)
    assert torch.allclose(mine, wanted, rtol=1e-9, atol=1e-10)


def test_derivative_after_iterations():
    """Of a matrix that is not decomposed exactly: finite differences along one direction."""
    A = leaf(120, 90, 0.6 ** np.arange(90.0))
    D = torch.from_numpy(np.random.default_rng(1).standard_normal(A.shape))
    D /= torch.linalg.norm(D)

    def loss(x):
        U, S, Vh = rt.randomized_svd(x, 5, n_iter=8, precision="same", rng=0)
        assert x.requires_grad is False or S.grad_fn is not None
        return (S**3).sum() + (U[:30] ** 4).sum() * 50 + (Vh[:, :20] ** 2).sum()

    (g,) = torch.autograd.grad(loss(A), A)
    with torch.no_grad():
        h = 1e-5
        slope = (loss(A + h * D) - loss(A - h * D)) / (2 * h)
    assert float((g * D).sum()) == pytest.approx(float(slope), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_as_numpy(dtype):
    A = with_values(150, 90, spectra(90)["1/i"], dtype)
    x = torch.from_numpy(A)
    for k in (1, 4):
        found, wanted = rt.randomized_svd(x, k, rng=3), randla.randomized_svd(A, k, rng=3)
        for a, b in zip(found, wanted, strict=True):
            assert np.array_equal(a.resolve_conj().numpy(), b)
        assert found.info == wanted.info
        assert found.rank == k
        check(
            A, type(wanted)(*(y.resolve_conj().numpy() for y in found), rank=k, info=found.info), k
        )
    assert torch.equal(randla.randomized_svd(x, 4, rng=3).S, found.S)  # one function
    assert torch.equal(rt.randomized_svd(x.conj().mT, 4, rng=3).S, found.S)
    centred, wanted = randla.pca(x, 3, rng=1), randla.pca(A, 3, rng=1)
    tolerance = 1e3 * np.finfo(dtype).eps
    for name in ("S", "mean", "explained_variance", "explained_variance_ratio"):
        mine = getattr(centred, name).numpy()
        assert np.allclose(mine, getattr(wanted, name), rtol=tolerance, atol=tolerance)
    Q, info = randla.randomized_range_finder(x, 3, rng=1, return_info=True)
    assert np.array_equal(Q.numpy(), randla.randomized_range_finder(A, 3, rng=1))
    assert info.method == "subspace"
    assert not Q.requires_grad


def test_rtol():
    A = leaf(150, 90, 0.7 ** np.arange(90.0))
    plain = rt.randomized_svd(A.detach(), rtol=0.01, rng=0)
    assert plain.rank == randla.randomized_svd(A.detach().numpy(), rtol=0.01, rng=0).rank
    assert not plain.S.requires_grad
    graph = rt.randomized_svd(A, rtol=0.01, rng=0)
    assert graph.rank == plain.rank
    graph.S.sum().backward()
    assert torch.linalg.matrix_rank(A.grad) == plain.rank
    assert randla.pca(A, rtol=0.01, rng=0).S.requires_grad
    with pytest.raises(NotImplementedError, match="pass k"):
        torch.func.grad(lambda x: rt.randomized_svd(x, rtol=0.1).S.sum())(A)


def test_gradient_of_pca_and_of_means():
    A = leaf(9, 5, [3.0, 2.0, 1.0, 0.5, 0.2])
    assert torch.autograd.gradcheck(lambda x: rt.pca(x, 2, rng=0).explained_variance_ratio, (A,))
    M = torch.randn(9, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: rt.randomized_svd(x, 2, M=y, rng=0).S, (A, M))
    with pytest.raises(ValueError, match=r"M must broadcast to \(9, 5\), got \(2, 1, 5\)"):
        rt.randomized_svd(A, 2, M=M[None, :1].expand(2, 1, 5))
    with pytest.raises(TypeError, match="M must be a tensor"):
        rt.randomized_svd(A, 2, M=0.0)


def test_losses_that_are_not_defined():
    A = leaf(6, 5, [3.0, 2.0, 1.0, 0.5, 0.2], "complex128")
    U, _, _ = rt.randomized_svd(A, 2, rng=0)
    with pytest.raises(np.linalg.LinAlgError, match="phases"):
        U.imag.sum().backward()
    B = leaf(90, 80, np.r_[3.0, 1.0, 1.0, np.full(77, 0.1)])  # the second equals what is cut off
    with pytest.raises(np.linalg.LinAlgError, match=r"cut off"):
        (rt.randomized_svd(B, 2, rng=0).U[:, 1] ** 4).sum().backward()
    C = leaf(6, 5, [3.0, 2.0, 1.0, 0.5, 0.2])
    (g,) = torch.autograd.grad(product(C).sin().sum(), C, create_graph=True)
    with pytest.raises(NotImplementedError, match="singular values alone"):
        g.sum().backward()


def test_bad_arguments():
    A = torch.ones(6, 5)
    for own in (rt.randomized_svd, rt.pca, rt.randomized_range_finder):
        with pytest.raises(TypeError, match="A must be a tensor, got ndarray"):
            own(np.ones((6, 5)), 2)
        with pytest.raises(ValueError, match=r"k must be in \[1, 5\]"):
            own(A, 6)
        with pytest.raises(np.linalg.LinAlgError, match="NaN or an infinity"):
            own(A * torch.nan, 2)
    with pytest.raises(TypeError, match=r"A has dtype torch\.float8"):
        rt.randomized_svd(A.to(torch.float8_e5m2), 2)
    assert rt.randomized_svd(A.int(), 1).S.dtype == torch.float64
    half = rt.randomized_svd(A.bfloat16(), 1)
    assert half.U.dtype == half.S.dtype == torch.bfloat16
