"""Soft ranks and soft top-k as operations of torch; test_torch_battery.py has their derivatives."""

import math

import numpy as np
import pytest
import torch

import randla
import randla.torch as rt

KINDS = ("fermi", "laplace", "threshold", "shiva")


def scores(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_as_numpy_for_every_dim_and_dtype():
    x = scores(3, 4, 5)
    t = scores(3, 5, seed=1) + 0.1
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int32):
        y = (10 * x).to(dtype)
        known = y.float().numpy() if dtype == torch.bfloat16 else y.numpy()
        for function in (
            lambda a, **to: (rt if isinstance(a, torch.Tensor) else randla).soft_rank(a, **to),
            lambda a, **to: (rt if isinstance(a, torch.Tensor) else randla).soft_topk(a, 2, **to),
        ):
            found = function(y, dim=1, temperature=t)
            wanted = function(known, axis=1, temperature=t.numpy())
            assert found.dtype == (dtype if dtype.is_floating_point else torch.float64)
            assert found.shape == y.shape
            loose = 1e-2 if dtype in (torch.float16, torch.bfloat16) else 0
            assert np.allclose(found.double().numpy(), wanted, loose, loose)
        assert torch.equal(randla.soft_rank(y, axis=1, temperature=t), rt.soft_rank(
            y, dim=1, temperature=t))  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_straight_through(kind):
    x = scores(2, 30).requires_grad_()
    g = scores(2, 30, seed=1)
    hard = rt.straight_through_topk(x, 7, kind=kind, temperature=0.1)
    assert torch.equal(hard.detach() == 1, rt.topk_mask(x.detach(), 7))
    assert set(hard.detach().unique().tolist()) == {0.0, 1.0}
    soft = rt.soft_topk(x, 7, kind=kind, temperature=0.1)
    both = [torch.autograd.grad((p * g).sum(), x)[0] for p in (hard, soft)]
    assert torch.equal(*both)
    for k in (0, 30):
        edge = rt.straight_through_topk(x, k, kind=kind, temperature=0.1)
        assert float(edge.detach().sum()) == 2 * k
        assert not torch.autograd.grad(edge.sum(), x)[0].any()


def test_a_budget_stays_one_in_training():
    """By k and by temperatures of rows there are gradients; sums stay k."""
    x = scores(4, 50).requires_grad_()
    k = torch.tensor([1.0, 7.5, 20.0, 49.5], dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.02, 0.1, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    for kind in ("fermi", "laplace"):
        p = rt.soft_topk(x, k, kind=kind, temperature=t)
        assert torch.allclose(p.sum(-1), k, 0, 50 * 2.0**-50)
        by = torch.autograd.grad(p.sum(), (x, k, t))
        assert torch.allclose(by[1], torch.ones(4, dtype=torch.float64))
        assert max(float(by[0].abs().max()), float(by[2].abs().max())) < 1e-10


def test_missing_and_infinite_scores():
    x = torch.tensor([[math.nan, 1.0, 2.0], [math.inf, 0.5, 0.25]], requires_grad=True)
    for kind in KINDS:
        hard = rt.straight_through_topk(x, 1, kind=kind, temperature=0.5)
        assert hard[0].isnan().all()
        assert hard[1].tolist() == [1, 0, 0]
        (grad,) = torch.autograd.grad(hard.sum(), x)
        assert grad[0].isnan().all()
        assert float(grad[1, 0]) == 0
        assert grad[1].isfinite().all()


def test_bad_input():
    x = torch.zeros(2, 5)
    for call, error, text in [
        (lambda: rt.soft_rank(x, temperature=0.0), ValueError, "temperature must be positive"),
        (lambda: rt.soft_rank(x, temperature=torch.tensor(-1.0)), ValueError, "got -1"),
        (lambda: rt.soft_rank(x, temperature=torch.ones(3)), ValueError, r"have shape \(2,\)"),
        (lambda: rt.soft_topk(x, 6, temperature=1), ValueError, r"k must be in \[0, 5\], got 6"),
        (lambda: rt.soft_topk(x, True, temperature=1), TypeError, "got bool"),
        (lambda: rt.soft_topk(x, 1, kind="hot", temperature=1), ValueError, "kind must be one of"),
        (lambda: rt.straight_through_topk(x, 1.5, temperature=1), TypeError, "k must be an int"),
        (lambda: rt.straight_through_topk(x.int(), 1, temperature=1), TypeError, "floating type"),
        (lambda: rt.soft_rank(x * 1j, temperature=1), TypeError, "x has dtype torch.complex64"),
        (
            lambda: rt.soft_topk(x, 1, temperature=1, gate_temperature=1),
            ValueError,
            "for kind 'shiva'",
        ),
    ]:
        with pytest.raises(error, match=text):
            call()
