"""What the operations of torch do for tensors on a GPU.

On the stand-in those functions get tensors on the CPU, whose memory CuPy's stand-in shares alike.
"""

import sys

import numpy as np
import pytest
import torch
from oracles import ALL, random_matrices, unit

import randla.torch
from randla.torch import _expm as ops

pytestmark = pytest.mark.gpu


@pytest.fixture
def device(cp):
    return "cuda" if torch.cuda.is_available() else "cpu"


def close(X, Y, scale=40):
    X, Y = X.cpu().resolve_conj().numpy(), Y.resolve_conj().numpy()
    return np.abs(X - Y).max() <= scale * unit(X.dtype) * np.abs(Y).max()


@pytest.mark.parametrize("char", ALL)
@pytest.mark.parametrize("n", [3, 16, 70])
def test_the_same_as_on_the_cpu(device, n, char):
    A, D, B = (torch.from_numpy(random_matrices(char, n, 2, 1.0, seed=i).copy()) for i in range(3))
    a, d, b = (x.to(device) for x in (A, D, B))
    for k in (0, 1, 2):
        assert close(ops._function_on_gpu(a, k, 0.0, ""), ops._function_kernel(A, k, 0.0, ""))
        for adjoint in (False, True):
            # one direction for both matrices; views that are conjugated and transposed
            for x, y in ((d, D), (1e5 * d[:1], 1e5 * D[:1]), (d.mH, D.mH)):
                found = ops._derivative_on_gpu(a, x, k, adjoint)
                assert close(found, ops._derivative_kernel(A, y, k, adjoint), 100)
    for x, y in ((b, B), (b[..., :1], B[..., :1]), (b[0], B[0])):
        assert close(ops._multiply_on_gpu(a, x, 0.0), ops._multiply_kernel(A, y, 0.0))
    assert close(ops._function_on_gpu(a, 0, 0.0, ""), torch.matrix_exp(A), 200)


def test_promises_and_tolerances(device):
    A = torch.from_numpy(random_matrices("d", 5, 2, 1.0).copy())
    H = A + A.mH
    found = ops._function_on_gpu(H.to(device), 0, 0.0, "hermitian").cpu()
    assert torch.equal(found, found.mH)
    loose = ops._function_on_gpu(A.to(device), 0, 1e-3, "")
    assert not close(loose, torch.matrix_exp(A), 1e3)
    assert close(loose, torch.matrix_exp(A), 1e-3 / unit("d"))


def test_nothing_to_do(device):
    A = torch.empty(0, 3, 3, device=device)
    assert ops._function_on_gpu(A, 0, 0.0, "").shape == (0, 3, 3)
    assert ops._derivative_on_gpu(A, A, 1, True).shape == (0, 3, 3)
    assert ops._multiply_on_gpu(A, A, 0.0).shape == (0, 3, 3)


def test_public_functions(device):
    """With their reports and gradients, on a GPU where there is one."""
    A = torch.from_numpy(random_matrices("d", 6, 3, 1.0).copy()).to(device).requires_grad_()
    torch.autograd.gradcheck(randla.torch.expm, A)
    torch.autograd.gradcheck(lambda x: randla.torch.expm_multiply(x, x), A)
    _, info = randla.expm(A, return_info=True)
    assert info.order.shape == (3,)


def test_without_cupy(monkeypatch):
    """A tensor on a GPU is refused with the name of what is missing."""
    from randla._core import dispatch

    monkeypatch.setattr(dispatch, "_BACKENDS", {})
    for name in [name for name in sys.modules if name.startswith("randla._cuda")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match="pip install cupy-cuda12x"):
        ops._function_on_gpu(torch.eye(2), 0, 0.0, "")
