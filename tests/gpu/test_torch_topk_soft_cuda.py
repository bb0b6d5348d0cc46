"""Soft ranks and soft top-k of torch on a GPU; on the stand-in, of tensors that count as there."""

import contextlib

import pytest
import torch
from cupy_stand_in import record

import randla.torch as rt
from randla.torch import _topk_soft as ops

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")]
KINDS = ("fermi", "laplace", "threshold", "shiva")


@pytest.fixture
def to_gpu(cp, monkeypatch):
    """Move a tensor to the GPU; on the stand-in, have it treated as if it were there."""
    if hasattr(cp, "record"):
        monkeypatch.setattr(ops, "on_gpu", lambda x: True)
        monkeypatch.setattr(ops, "stream", lambda x: contextlib.nullcontext())
        return lambda x: x
    return lambda x: x.cuda()


def scores(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def functions(k):
    yield lambda x, t: rt.soft_rank(x, temperature=t)
    for kind in KINDS:
        yield lambda x, t, kind=kind: rt.soft_topk(x, k, kind=kind, temperature=t)


def test_values_and_gradients_as_on_the_cpu(to_gpu, monkeypatch):
    given = scores(3, 50), torch.tensor([0.05, 0.3, 2.0], dtype=torch.float64)
    g = scores(3, 50, seed=1)

    def results(function, move):
        a, b = (move(v).clone().requires_grad_() for v in given)
        p = function(a, b)
        p.backward(move(g))
        return [v.detach().cpu() for v in (p, a.grad, b.grad)]

    for function in functions(7):
        found = results(function, to_gpu)
        with monkeypatch.context() as patch:
            patch.setattr(ops, "on_gpu", lambda x: False)
            wanted = results(function, lambda v: v)
        for mine, right in zip(found, wanted, strict=True):
            assert torch.allclose(mine, right, 1e-10, 1e-10)


def test_derivatives(to_gpu):
    x = to_gpu(scores(2, 9)).requires_grad_()
    t = to_gpu(torch.tensor(0.3, dtype=torch.float64)).requires_grad_()
    for function in functions(3):
        assert torch.autograd.gradcheck(function, (x, t))
    soft = lambda a: rt.soft_topk(a, 3.5, temperature=0.2)  # noqa: E731
    assert torch.autograd.gradgradcheck(soft, (x,))
    e = to_gpu(scores(2, 9, seed=2))
    _, tangent = torch.func.jvp(soft, (x.detach(),), (e,))
    h = 1e-6
    slope = (soft(x.detach() + h * e) - soft(x.detach() - h * e)) / (2 * h)
    assert torch.allclose(tangent, slope, 1e-6, 1e-7)


def test_half_precision_nan_and_straight_through(to_gpu):
    x = scores(2, 40)
    x[1, 3] = float("nan")
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        y = to_gpu(x.to(dtype))
        p = rt.soft_topk(y, 5, temperature=0.1)
        assert p.dtype == dtype
        assert p.device == y.device
        assert p[1].isnan().all()
        assert abs(float(p[0].double().sum()) - 5) < 0.05
    gate = rt.soft_topk(to_gpu(x[0]).requires_grad_(), 5, temperature=0.1, hard=True)
    assert float(gate.detach().sum()) == 5


def test_kernels_of_the_gpu_run(stand_in, to_gpu):
    x = torch.rand(3, 40).requires_grad_()
    record.clear()
    rt.soft_rank(x, temperature=0.1).sum().backward()
    rt.soft_topk(x, 5, temperature=0.1).sum().backward()
    names = ["topk_soft_ranks", "topk_soft_slopes", "topk_soft_exact", "topk_soft_exact"]
    assert [name for name, _ in record.launches] == names
    assert record.synchronisations == 0
