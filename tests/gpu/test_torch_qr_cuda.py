"""QR of tensors of torch on a GPU; on the stand-in, of those that count as being there."""

import contextlib

import numpy as np
import pytest
import qr_gallery
import torch

import randla
import randla.torch as rt

# torch's own forward mode uses parts of torch that are on their way out
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]


@pytest.fixture
def to_gpu(cp, monkeypatch):
    """Move a tensor to the GPU; on the stand-in, have it treated as if it were there."""
    if hasattr(cp, "record"):
        monkeypatch.setattr(rt._qr, "on_gpu", lambda x: True)
        monkeypatch.setattr(rt._qr, "stream", lambda x: contextlib.nullcontext())
        return lambda x: x
    return lambda x: x.cuda()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_factors(to_gpu, dtype):
    rng = np.random.default_rng(0)
    for shape in ((300, 20), (2, 60, 5), (4, 9), (0, 5, 2), (5, 0)):
        A = rng.standard_normal(shape)
        A = (A + 1j * rng.standard_normal(shape) if "complex" in dtype else A).astype(dtype)
        x = to_gpu(torch.from_numpy(A))
        calls = [rt.qr(x, rng=1), rt.qr(x, pivoting=True, rng=1)]
        if shape[-2] >= shape[-1] > 0:
            calls.append(rt.qr(x, pivoting=True, method="cqrrpt", rng=1))
            calls.append(rt.cholesky_qr(x))
        for found in calls:
            assert all(part.device == x.device for part in found)
            host = [part.cpu().numpy() for part in found]
            for i in np.ndindex(shape[:-2]):
                if A[i].size:
                    one = type(found)(*(part[i] for part in host))
                    assert max(qr_gallery.figures(A[i], one)) <= 50
    kept = rt.qr(to_gpu(torch.from_numpy(np.eye(300, 9))), pivoting=True, k=4)
    assert kept.Q.shape == (300, 4)


def test_derivatives(to_gpu):
    A = torch.randn(14, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = to_gpu(A).requires_grad_()
    for method in ("householder", "cqrrpt"):

        def f(y, method=method):
            Q, R, _ = rt.qr(y, pivoting=True, method=method, rng=0)
            return torch.cat([Q, R], -2)

        assert torch.autograd.gradcheck(f, x, check_forward_ad=True)
    B = A.clone()
    B[:, 2] = B[:, 1]
    y = to_gpu(B).requires_grad_()
    with pytest.raises(np.linalg.LinAlgError, match="A has dependent columns"):
        randla.qr(y).R.sum().backward()
    with pytest.raises(np.linalg.LinAlgError, match="A has a NaN"):
        randla.qr(to_gpu(B / B.sum() * torch.nan))
