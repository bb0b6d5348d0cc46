"""Exponentials of tensors: accuracy of gradients, and what is refused."""

import numpy as np
import pytest
import torch
from oracles import exp_pair, random_matrices, relative_error, unit

import randla
import randla.torch as rt


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("char", ["f", "d"])
def test_gradients_are_accurate_for_incoming_gradients_of_every_size(char, size):
    errors = []
    for n in (4, 8, 16, 32):
        for norm in (0.3, 1.0, 8.0):
            A = random_matrices(char, n, 2, norm)
            G = (random_matrices(char, n, 2, 1.0, seed=3) * size).astype(char)
            x = torch.tensor(A, requires_grad=True)
            (mine,) = torch.autograd.grad(rt.expm(x), x, torch.tensor(G))
            for i in range(2):
                _, exact = exp_pair(A[i].T.astype("d"), G[i].astype("d"))
                off = np.linalg.norm(mine[i].numpy() - exact) / np.linalg.norm(exact)
                errors.append(off / unit(char))
    assert np.median(errors) <= 5
    assert max(errors) <= 25


def test_second_derivative_of_a_large_direction():
    """The block that gives it has the direction inside, brought to the size of A first."""
    A, E = (torch.tensor(random_matrices("d", 4, 1, 1.0, seed=s)[0]) for s in (0, 1))
    A.requires_grad_()
    for size in (1e-9, 1.0, 1e9):
        (g,) = torch.autograd.grad(rt.expm_frechet(A, size * E).frechet.sum(), A)
        (wanted,) = torch.autograd.grad(rt.expm_frechet(A, E).frechet.sum(), A)
        assert torch.allclose(g, size * wanted, rtol=1e-12, atol=0)


def test_public_functions_are_these():
    A = torch.tensor(random_matrices("d", 3, 2, 2.0))
    B = torch.ones(3, 2, dtype=torch.float64)
    assert torch.equal(randla.expm(A), rt.expm(A))
    assert torch.equal(randla.phi(A, 2), rt.phi(A, 2))
    assert torch.equal(randla.expm_multiply(A, B), rt.expm_multiply(A, B))
    assert torch.equal(randla.expm_frechet(A, A).frechet, rt.expm_frechet(A, A).frechet)
    for mine, numpys in (
        (rt.expm(A), randla.expm(A.numpy())),
        (rt.phi(A, 2), randla.phi(A.numpy(), 2)),
        (rt.expm_multiply(A, B), randla.expm_multiply(A.numpy(), B.numpy())),
        (rt.expm_frechet(A, A).frechet, randla.expm_frechet(A.numpy(), A.numpy()).frechet),
    ):
        assert np.array_equal(mine.numpy(), numpys)  # the kernels: the same bits


def test_reports():
    A = torch.tensor(random_matrices("d", 3, 4, 2.0), requires_grad=True)
    E, info = rt.expm(A, tol=1e-6, return_info=True)
    _, wanted = randla.expm(A.detach().numpy(), tol=1e-6, return_info=True)
    assert E.requires_grad
    assert np.array_equal(info.products, wanted.products)
    _, info = rt.phi(A, 1, return_info=True)
    assert info.order.shape == (4,)
    _, info = rt.expm_multiply(A, torch.ones(3, dtype=torch.float64), t=[1, 2], return_info=True)
    assert info.order.shape == (2, 4)


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.uint8], ids=str)
def test_integers_become_doubles(dtype):
    A = torch.tensor([[1, 0], [1, 1]]).to(dtype)
    assert rt.expm(A).dtype == torch.float64
    assert torch.allclose(rt.expm(A), rt.expm(A.double()))
    assert rt.phi(A, 1).dtype == torch.float64
    assert rt.expm_multiply(A, A).dtype == torch.float64


@pytest.mark.parametrize("t", [None, 0.5, 2, 1j, [0.5, -1.0], (1.0, 2j), np.array([1.0, 0.0]), []])
def test_times(t):
    A = torch.tensor(random_matrices("d", 3, 2, 1.0))
    for B in (torch.ones(3, dtype=torch.float64), torch.ones(5, 1, 3, 2, dtype=torch.float64)):
        mine = rt.expm_multiply(A, B, t=t)
        wanted = randla.expm_multiply(A.numpy(), B.numpy(), t=t)
        assert mine.shape == wanted.shape
        assert mine.numpy().dtype == wanted.dtype
        assert np.allclose(mine.numpy(), wanted, rtol=1e-13)


def test_conjugate_and_negative_views():
    A = torch.tensor(random_matrices("D", 3, 2, 1.0))
    E = rt.expm(A.mH)
    assert relative_error(E[0].numpy(), rt.expm(A.mH.resolve_conj().clone())[0].numpy()) == 0
    imaginary = torch._neg_view(A.real)
    assert torch.equal(rt.expm(imaginary), rt.expm((-A.real).clone()))


def test_nan_stays_in_its_matrix():
    A = torch.tensor(random_matrices("f", 3, 3, 1.0).copy())
    A[1, 0, 0] = float("nan")
    A.requires_grad_()
    E = rt.expm(A)
    (g,) = torch.autograd.grad(E[[0, 2]].sum(), A)
    assert torch.isfinite(g[[0, 2]]).all()
    assert E[1].isnan().all()


def test_refusals():
    A = torch.eye(3)
    with pytest.raises(ValueError, match="square in its last two axes"):
        rt.expm(torch.ones(2, 3))
    with pytest.raises(ValueError, match="A must have shape"):
        rt.phi(torch.ones(3), 1)
    with pytest.raises(ValueError, match="assume must be one of"):
        rt.expm(A, assume="orthogonal")
    with pytest.raises(ValueError, match="hermitian"):
        rt.expm(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), assume="hermitian")
    with pytest.raises(TypeError, match="real matrices"):
        rt.expm(A.to(torch.complex64), assume="metzler")
    with pytest.raises(ValueError, match="tol must be in"):
        rt.expm(A, tol=2.0)
    with pytest.raises(ValueError, match="k must be in"):
        rt.phi(A, -1)
    with pytest.raises(TypeError, match="k must be an integer"):
        rt.phi(A, 1.5)
    with pytest.raises(TypeError, match=r"one dtype, got torch.float32 for A and torch.float64"):
        rt.expm_multiply(A, A.double())
    with pytest.raises(ValueError, match="on one device, got cpu for A and meta for E"):
        rt.expm_frechet(A, A.to("meta"))
    with pytest.raises(ValueError, match="one size"):
        rt.expm_frechet(A, torch.eye(2))
    with pytest.raises(ValueError, match="same n"):
        rt.expm_multiply(A, torch.ones(2))
    with pytest.raises(ValueError, match="do not broadcast"):
        rt.expm_multiply(torch.ones(2, 3, 3), torch.ones(4, 3, 1))
    with pytest.raises(ValueError, match="number or 1-d"):
        rt.expm_multiply(A, A, t=[[1.0]])
    with pytest.raises(TypeError, match=r"A has dtype torch.uint16"):
        rt.expm(torch.zeros(2, 2, dtype=torch.uint16))
    with pytest.raises(TypeError, match="out is for arrays of NumPy and CuPy"):
        randla.expm(A, out=A)
