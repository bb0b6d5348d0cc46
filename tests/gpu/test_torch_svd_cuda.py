"""Decompositions of tensors on a GPU; on the stand-in, of those that count as being there."""

import contextlib

import numpy as np
import pytest
import torch
from svd_gallery import spectra, with_values

import randla
import randla.torch as rt

pytestmark = pytest.mark.gpu


@pytest.fixture
def to_gpu(cp, monkeypatch):
    """Move a tensor to the GPU; on the stand-in, have it treated as if it were there."""
    if hasattr(cp, "record"):
        monkeypatch.setattr(rt._svd, "on_gpu", lambda x: True)
        monkeypatch.setattr(rt._svd, "stream", lambda x: contextlib.nullcontext())
        return lambda x: x
    return lambda x: x.cuda()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_as_numpy(to_gpu, dtype):
    A = with_values(150, 90, spectra(90)["1/i"], dtype)
    x = to_gpu(torch.from_numpy(A))
    close = 2e4 * np.finfo(dtype).eps
    for own in (randla.randomized_svd, randla.pca):
        found, wanted = own(x, 4, rng=3), own(A, 4, rng=3)
        assert all(part.device == x.device for part in found)
        assert np.allclose(found.S.cpu(), wanted.S, rtol=close)
        U, Vh = (part.resolve_conj().cpu().numpy() for part in (found.U, found.Vh))
        assert np.allclose(U, wanted.U, atol=close)
        assert np.allclose(Vh, wanted.Vh, atol=close)
    Q = randla.randomized_range_finder(x, 4, rng=3)
    assert Q.device == x.device
    assert Q.shape == (150, 14)


def test_gradient(to_gpu):
    A = to_gpu(torch.from_numpy(with_values(8, 5, [3.0, 2.0, 1.4, 0.7, 0.3]))).requires_grad_()

    def f(A):
        U, S, Vh = rt.randomized_svd(A, 3, rng=0)
        return torch.cat([U**2 * S, Vh.mT**4], -2)

    assert torch.autograd.gradcheck(f, (A,))
