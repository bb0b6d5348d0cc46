"""lstsq in torch: what the battery does not ask."""

import numpy as np
import pytest
import torch

import randla
import randla.torch as rt

# torch's own forward mode uses parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def random(shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64], ids=str)
@pytest.mark.parametrize("method", ["spir", "fossils", "qr"])
def test_is_the_function_of_numpy(method, dtype):
    A, b = random((2, 300, 8), dtype), random((300, 2), dtype, 1)
    wanted = randla.lstsq(A.numpy(), b.numpy(), method=method, rng=0)
    for function in (rt.lstsq, randla.lstsq):
        result = function(A, b, method=method, rng=0)
        assert result.x.dtype == dtype
        assert np.array_equal(result.x.numpy(), wanted.x)
        assert np.array_equal(result.residual_norm.numpy(), wanted.residual_norm)
        assert (result.rank == wanted.rank).all()
        assert (result.info.method == method).all()


@pytest.mark.parametrize("damp", [0.0, 1e-5, 0.5])
@pytest.mark.parametrize("shape", [(900, 6), (4, 300)])
def test_gradients_by_a_sketch_are_those_of_torch(shape, damp):
    A = random(shape).requires_grad_()
    b = random((shape[0], 2), seed=1).requires_grad_()
    weight = random((shape[1], 2), seed=2)
    result = rt.lstsq(A, b, damp=damp, method="spir", rng=0)
    mine = torch.autograd.grad((result.x * weight).sum() + result.residual_norm.sum(), (A, b))
    if shape[0] > shape[1]:
        x = torch.linalg.solve(A.mT @ A + damp**2 * torch.eye(6), A.mT @ b)
    else:
        x = A.mT @ torch.linalg.solve(A @ A.mT + damp**2 * torch.eye(4), b)
    r_norm = torch.linalg.vector_norm(b - A @ x, dim=0)
    if shape[0] < shape[1] and not damp:  # nothing is left of b: the norm has no derivative there
        mine = torch.autograd.grad((rt.lstsq(A, b, method="spir").x * weight).sum(), (A, b))
        r_norm = torch.zeros(())
    exact = torch.autograd.grad((x * weight).sum() + r_norm.sum(), (A, b))
    for one, other in zip(mine, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_no_derivative_without_full_rank():
    A = random((40, 5))
    A[:, 4] = A[:, 0]
    b = random((40,), seed=1)
    assert rt.lstsq(A, b).rank == 4  # the function itself is there
    A.requires_grad_()
    x = rt.lstsq(A, b).x
    with pytest.raises(np.linalg.LinAlgError, match="no full rank: got rank 4 of 5"):
        x.sum().backward()
    with pytest.raises(np.linalg.LinAlgError, match="no full rank"):
        torch.func.jvp(lambda y: rt.lstsq(y, b, rng=0).x, (A.detach(),), (A.detach(),))
    x = rt.lstsq(A, b, damp=0.1).x  # with a penalty it is
    assert torch.isfinite(torch.autograd.grad(x.sum(), A)[0]).all()


def test_arguments():
    A, b = random((9, 3)), random((9,))
    with pytest.raises(TypeError, match=r"one dtype, got torch\.float64 for A and torch\.float32"):
        rt.lstsq(A, b.float())
    with pytest.raises(TypeError, match="b must be a tensor"):
        rt.lstsq(A, b.numpy())
    with pytest.raises(ValueError, match="A has 9 rows, but b has 8"):
        rt.lstsq(A, b[:8])
    with pytest.raises(ValueError, match="damp must be finite"):
        rt.lstsq(A, b, damp=-1.0)
    with pytest.raises(np.linalg.LinAlgError, match="b has a NaN"):
        rt.lstsq(A, b * torch.nan)
    whole = rt.lstsq(A.to(torch.int64), b.to(torch.int64))
    assert whole.x.dtype == torch.float64
    half = rt.lstsq(A.bfloat16(), b.bfloat16())
    assert half.x.dtype == half.residual_norm.dtype == torch.bfloat16
