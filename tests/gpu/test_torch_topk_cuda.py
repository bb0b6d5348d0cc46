"""topk on tensors of torch on a GPU; on the stand-in, on tensors that count as being there."""

import contextlib

import numpy as np
import processes
import pytest
import torch
from cupy_stand_in import record
from oracles import topk_sample

import randla
import randla.torch as rt

pytestmark = pytest.mark.gpu


@pytest.fixture
def to_gpu(cp, monkeypatch):
    """Move a tensor to the GPU; on the stand-in, have it treated as if it were there."""
    if hasattr(cp, "record"):
        monkeypatch.setattr(rt._topk, "on_gpu", lambda x: True)
        monkeypatch.setattr(rt._topk, "stream", lambda x: contextlib.nullcontext())
        return lambda x: x
    return lambda x: x.cuda()


def same(found, wanted):
    found, wanted = found.detach().cpu().numpy(), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("char", "efd?bhiqB")
def test_every_dtype_as_numpy(to_gpu, char):
    x = topk_sample(np.dtype(char), (30, 3), np.random.default_rng(1), "few")
    y = to_gpu(torch.from_numpy(x))
    for k in (0, 1, 7, 30):
        for is_sorted in (True, False):
            options = {"axis": 0, "largest": k != 7, "sorted": is_sorted}
            found, wanted = randla.topk(y, k, **options), randla.topk(x, k, **options)
            assert found.values.device == found.indices.device == y.device
            same(found.values, wanted.values)
            same(found.indices, wanted.indices)
        same(randla.topk_mask(y, k, axis=0), randla.topk_mask(x, k, axis=0))
        for a, b in zip(
            randla.partition_indices(y, k, axis=0),
            randla.partition_indices(x, k, axis=0),
            strict=True,
        ):
            same(a, b)
        if k:
            same(randla.kth_value(y, k, axis=0), randla.kth_value(x, k, axis=0))


def test_bfloat16(to_gpu):
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((4, 200))).to(torch.bfloat16)
    found, wanted = rt.topk(to_gpu(x), 30), randla.topk(x.float().numpy(), 30)
    assert found.values.dtype == torch.bfloat16
    same(found.indices, wanted.indices)
    same(found.values.float(), wanted.values)


def test_derivatives(to_gpu):
    x = to_gpu(torch.from_numpy(np.random.default_rng(3).standard_normal((2, 9)))).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: rt.topk(a, 4).values, (x,))
    assert torch.autograd.gradcheck(lambda a: rt.kth_value(a, 4, largest=False), (x,))
    many = torch.vmap(lambda a: rt.topk_indices(a, 4))(x.detach())
    same(many, randla.topk_indices(x.detach().cpu().numpy(), 4))
    gate = rt.straight_through_topk(x, 3, temperature=0.2)
    assert gate.sum(-1).tolist() == [3, 3]
    (grad,) = torch.autograd.grad(gate[:, 0].sum(), x)
    assert float(grad.sum(-1).abs().max()) < 1e-9


def test_nan_and_lengths(to_gpu):
    x = topk_sample(np.dtype("f"), (3, 40), np.random.default_rng(4), "special")
    y = to_gpu(torch.from_numpy(x))
    lengths = np.array([9, 40, 20])
    given = to_gpu(torch.from_numpy(lengths))
    for nan in ("greatest", "least", "propagate"):
        wanted = randla.topk(x, 9, nan=nan, lengths=lengths)
        same(rt.topk(y, 9, nan=nan, lengths=given).indices, wanted.indices)
    with pytest.raises(ValueError, match=r"^row \(0,\) of x has a NaN$"):
        rt.topk(y, 9, nan="raise")
    with pytest.raises(ValueError, match="smallest of lengths"):
        rt.topk(y, 10, lengths=given)


def test_kernels_of_the_gpu_run(stand_in, to_gpu):
    record.clear()
    rt.topk(torch.ones(3, 40), 5)
    assert [name for name, _ in record.launches] == ["topk_rows", "topk_sort"]
    assert record.synchronisations == 0


def test_without_cupy_it_says_what_to_install():
    code = """
import sys
sys.modules["cupy"] = None
import torch, randla.torch as rt
rt._topk.on_gpu = lambda x: True
try:
    rt.topk(torch.ones(3), 1)
except ImportError as error:
    assert "pip install cupy-cuda12x" in str(error), error
    print("told")
"""
    done = processes.run(code)
    assert done.stdout == "told\n", done.stderr
