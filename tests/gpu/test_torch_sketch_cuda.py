"""Sketches of tensors of torch on a GPU; on the stand-in, of those that count as being there."""

import contextlib

import numpy as np
import pytest
import torch
from cupy_stand_in import record

import randla.torch as rt
from randla.sketch import SRHT, Gaussian, SparseSign

pytestmark = pytest.mark.gpu
OPERATORS = (SparseSign(50, 300, rng=1), SRHT(20, 300, rng=2), Gaussian(20, 300, rng=3))


@pytest.fixture
def to_gpu(cp, monkeypatch):
    """Move a tensor to the GPU; on the stand-in, have it treated as if it were there."""
    if hasattr(cp, "record"):
        monkeypatch.setattr(rt._sketch, "on_gpu", lambda x: True)
        monkeypatch.setattr(rt._sketch, "stream", lambda x: contextlib.nullcontext())
        return lambda x: x
    return lambda x: x.cuda()


def close(found, wanted):
    found, wanted = found.detach().resolve_conj().cpu().numpy(), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    unit = np.finfo(wanted.dtype).eps
    assert np.abs(found - wanted).max(initial=0) <= 20 * unit * np.abs(wanted).max(initial=0)


@pytest.mark.parametrize("char", "fdFD")
def test_as_numpy(to_gpu, char):
    rng = np.random.default_rng(0)
    for shape in ((300, 7), (2, 300, 3)):
        x = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if char in "FD" else 0)
        x = x.astype(char)
        for S in OPERATORS:
            record.clear()
            y = to_gpu(torch.from_numpy(x))
            found = S @ y
            assert record.synchronisations == 0
            assert found.device == y.device
            close(found, S @ x)
            close(y.mT @ S.T, x.swapaxes(-1, -2) @ S.T)
            close(S.T @ found, S.T @ (S @ x))
            close(S @ y.mT.contiguous().mT.conj(), S @ x.conj())


def test_half_precision(to_gpu):
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((300, 4))).to(torch.bfloat16)
    for S in OPERATORS:
        found = S @ to_gpu(x)
        assert found.dtype == torch.bfloat16
        assert np.allclose(found.float().cpu(), S @ x.float().numpy(), rtol=1e-2, atol=1e-2)


def test_derivatives(to_gpu):
    x = to_gpu(torch.from_numpy(np.random.default_rng(3).standard_normal((300, 2))))
    for S in OPERATORS:
        y = x.clone().requires_grad_()
        (found,) = torch.autograd.grad((S @ y).square().sum(), y)
        close(found, 2 * (S.T @ (S @ x.cpu().numpy())))
        part = S.cols(0, 5)
        assert torch.autograd.gradcheck(lambda a, part=part: part @ a, (y[:5],))
        close(torch.vmap(lambda a, S=S: S @ a, 1, 1)(x), S @ x.cpu().numpy())
