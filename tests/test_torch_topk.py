"""topk in torch: what the battery does not ask; and the exact mask with a soft gradient."""

import math

import numpy as np
import pytest
import torch
from oracles import topk_sample

import randla
import randla.torch as rt

DTYPES = {
    torch.float16: "e", torch.float32: "f", torch.float64: "d", torch.bool: "?",
    torch.int8: "b", torch.int16: "h", torch.int32: "i", torch.int64: "q",
    torch.uint8: "B", torch.uint16: "H", torch.uint32: "I", torch.uint64: "Q",
}  # fmt: skip


def scores(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def same(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_as_numpy(dtype):
    rng = np.random.default_rng(1)
    for shape, dim in (((3, 300), -1), ((40, 3), 0), ((2, 30, 4), 1)):
        x = topk_sample(np.dtype(DTYPES[dtype]), shape, rng, "random")
        y = torch.from_numpy(x)
        for k in (0, 1, 17, shape[dim]):
            for largest in (True, False):
                options = {"largest": largest, "sorted": k != 17}
                found = randla.topk(y, k, axis=dim, **options)
                wanted = randla.topk(x, k, axis=dim, **options)
                same(found.values, wanted.values)
                same(found.indices, wanted.indices)
                same(rt.topk_indices(y, k, dim=dim, **options), wanted.indices)
                same(rt.topk_values(y, k, dim=dim, **options), wanted.values)
                same(
                    rt.topk_mask(y, k, dim=dim, largest=largest),
                    randla.topk_mask(x, k, axis=dim, largest=largest),
                )
                for a, b in zip(
                    rt.partition_indices(y, k, dim=dim, largest=largest),
                    randla.partition_indices(x, k, axis=dim, largest=largest),
                    strict=True,
                ):
                    same(a, b)
                if k:
                    same(
                        rt.kth_value(y, k, dim=dim, largest=largest),
                        randla.kth_value(x, k, axis=dim, largest=largest),
                    )


def test_bfloat16():
    x = scores((4, 200)).to(torch.bfloat16)
    found, wanted = rt.topk(x, 30), randla.topk(x.float().numpy(), 30)
    assert found.values.dtype == torch.bfloat16
    same(found.indices, wanted.indices)
    same(found.values.float(), wanted.values)


def test_no_copy_where_there_is_no_need(monkeypatch):
    seen = []
    kernel = rt._topk.dispatch.backend("numpy").topk.topk

    def spy(code, x, *rest):
        seen.append(x.ctypes.data)
        return kernel(code, x, *rest)

    monkeypatch.setattr(rt._topk.dispatch.backend("numpy").topk, "topk", spy)
    x = scores((6, 50))
    rt.topk(x, 3)
    rt.topk(x[:, ::2], 3)
    rt.topk(x.T, 3, dim=0)
    rt.topk(x.requires_grad_(), 3)
    assert seen == [x.data_ptr()] * 4


def test_arguments():
    x = scores((2, 5))
    for arguments, options, error, text in [
        ((6,), {}, ValueError, r"k must be in \[0, 5\], got 6"),
        ((1.0,), {}, TypeError, "k must be an integer, got float"),
        ((1,), {"dim": 2}, np.exceptions.AxisError, "axis 2"),
        ((1,), {"index_dtype": torch.int16}, ValueError, "index_dtype must be int64 or int32"),
        ((1,), {"nan": "most"}, ValueError, "nan must be one of"),
        ((1,), {"lengths": [1, 2, 3]}, ValueError, r"lengths must have shape \(2,\), got \(3,\)"),
        ((1,), {"lengths": [1.0, 2.0]}, TypeError, "lengths must be integers"),
        ((1,), {"lengths": [1, 6]}, ValueError, r"lengths must be in \[0, 5\], got 6"),
        ((3,), {"lengths": [2, 5]}, ValueError, "smallest of lengths"),
    ]:
        with pytest.raises(error, match=text):
            rt.topk(x, *arguments, **options)
    with pytest.raises(ValueError, match=r"k must be in \[1, 5\], got 0"):
        rt.kth_value(x, 0)
    with pytest.raises(TypeError, match=r"x has dtype torch\.complex64"):
        rt.topk(torch.zeros(3, dtype=torch.complex64), 1)
    with pytest.raises(ValueError, match="at least one dimension"):
        rt.topk(torch.tensor(1.0), 0)
    with pytest.raises(TypeError, match="out is for NumPy arrays"):
        randla.topk(x, 1, out=(x, x))


def test_nan():
    x = torch.tensor([[1.0, math.nan, 3.0], [4.0, 5.0, 6.0]], dtype=torch.float64)
    for nan in ("greatest", "least", "propagate"):
        for y in (x, x.clone().requires_grad_()):
            found, wanted = rt.topk(y, 2, nan=nan), randla.topk(x.numpy(), 2, nan=nan)
            same(found.indices, wanted.indices)
            assert np.array_equal(found.values.detach(), wanted.values, equal_nan=True)
    with pytest.raises(ValueError, match=r"^row \(0,\) of x has a NaN$"):
        rt.topk(x, 1, nan="raise")
    with pytest.raises(ValueError, match=r"^row \(0,\) of x has a NaN$"):
        rt.topk(x.clone().requires_grad_(), 1, nan="raise")
    y = x.clone().requires_grad_()
    rt.topk(y, 2, nan="propagate").values.nansum().backward()
    assert y.grad.tolist() == [[0, 0, 0], [0, 1, 1]]


def test_lengths():
    x = scores((3, 20))
    lengths = torch.tensor([5, 20, 9])
    wanted = randla.topk(x.numpy(), 5, lengths=lengths.numpy())
    for given in (lengths, lengths.numpy(), [5, 20, 9], lengths.to(torch.int32)):
        same(rt.topk(x, 5, lengths=given).indices, wanted.indices)
    y = x.clone()
    y[0, 7] = math.nan  # beyond
    same(
        rt.topk(y.requires_grad_(), 5, lengths=lengths, nan="propagate").values.detach(),
        wanted.values,
    )
    f = torch.compile(
        lambda a, n: rt.topk(a, 5, lengths=n).indices, fullgraph=True, backend="aot_eager"
    )
    same(f(x, lengths), wanted.indices)
    with pytest.raises(ValueError, match=r"."):
        f(x, torch.tensor([4, 20, 9]))
    many = torch.vmap(lambda a, n: rt.topk_indices(a, 5, lengths=n))(x, lengths)
    same(many, wanted.indices)


def test_indices_under_transforms():
    x = scores((4, 3, 9))
    y = x.permute(2, 1, 0)
    many = torch.vmap(lambda a: rt.topk(a, 4, dim=0, largest=False).indices, 2, 2)(y)
    same(many, randla.topk(y.numpy(), 4, axis=0, largest=False).indices)
    for f in (
        lambda a: rt.topk_mask(a, 4),
        lambda a: rt.partition_indices(a, 4).rejected,
        lambda a: rt.partition_indices(a, 0).rejected,
        lambda a: rt.topk_indices(a, 4, index_dtype=torch.int32),
    ):
        assert torch.equal(torch.vmap(f)(x), f(x))
        torch._dynamo.reset()
        assert torch.equal(torch.compile(f, fullgraph=True, backend="aot_eager")(x), f(x))
        assert f(x.to("meta")).shape == f(x).shape
    assert not rt.topk(x.clone().requires_grad_(), 2).indices.requires_grad


def test_merge():
    x = scores((2, 30)).requires_grad_()
    parts = [rt.topk(x[:, start : start + 10], 6) for start in (20, 0, 10)]
    merged = rt.merge_topk(parts, 6, offsets=[20, 0, 10])
    whole = rt.topk(x, 6)
    assert torch.equal(merged.indices, whole.indices)
    assert torch.equal(merged.values, whole.values)
    (mine,) = torch.autograd.grad(merged.values.sum(), x)
    (exact,) = torch.autograd.grad(whole.values.sum(), x)
    assert torch.equal(mine, exact)


# ---- straight through ----------------------------------------------------------------------------


def soft(s, k, kind, t):
    """The soft selection of one row in float64, its threshold found by bisection."""

    def p(b):
        z = (s - b) / t
        if kind == "laplace":
            return torch.where(z < 0, torch.exp(-z.abs()) / 2, 1 - torch.exp(-z.abs()) / 2)
        return torch.sigmoid(z)

    if kind == "threshold":
        best = s.sort(descending=True).values
        return p((best[k - 1] + best[k]) / 2)
    low, high = s.min() - 50 * t - 50, s.max() + 50 * t + 50
    for _ in range(200):
        b = (low + high) / 2
        low, high = (b, high) if p(b).sum() > k else (low, b)
    return p(b)


@pytest.mark.parametrize("kind", ["fermi", "laplace", "threshold"])
@pytest.mark.parametrize(("n", "k"), [(12, 4), (12, 1), (9, 8), (200, 100)])
@pytest.mark.parametrize("t", [0.03, 0.4, 10.0])
def test_gradient_is_that_of_the_soft_selection(kind, n, k, t):
    s = scores(n, n + k).requires_grad_()
    g = scores(n, 7)
    gate = rt.straight_through_topk(s, k, kind=kind, temperature=t)
    assert torch.equal(gate, rt.topk_mask(s, k).double())
    (found,) = torch.autograd.grad(gate @ g, s)
    h = 1e-5 * t
    if kind != "threshold":
        assert abs(float(soft(s.detach(), k, kind, t).sum()) - k) < 1e-9
    wanted = torch.zeros(n, dtype=torch.float64)
    for i in range(n):
        step = torch.zeros(n, dtype=torch.float64)
        step[i] = h
        more, less = (soft(s.detach() + sign * step, k, kind, t) for sign in (1, -1))
        wanted[i] = ((more - less) / (2 * h)) @ g
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()) + 1e-9)
    if kind != "threshold":  # the sum of p is k whatever the scores are
        (flat,) = torch.autograd.grad(
            rt.straight_through_topk(s, k, kind=kind, temperature=t).sum(), s
        )
        assert float(flat.abs().max()) <= 1e-9 / t


@pytest.mark.parametrize("kind", ["fermi", "laplace", "threshold"])
def test_straight_through_everywhere(kind):
    def f(a):
        return rt.straight_through_topk(a, 3, kind=kind, temperature=0.2, dim=0)

    x = scores((8, 4))
    assert torch.equal(f(x).sum(0), torch.full((4,), 3.0, dtype=torch.float64))
    g = scores((8, 4), 9)
    (whole,) = torch.autograd.grad((f(y := x.clone().requires_grad_()) * g).sum(), y)
    rows = torch.vmap(torch.func.grad(lambda a, b: (f(a) * b).sum()), in_dims=1, out_dims=1)(x, g)
    assert torch.allclose(rows, whole, rtol=1e-10, atol=1e-12)
    torch._dynamo.reset()
    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    (mine,) = torch.autograd.grad((compiled(y) * g).sum(), y)
    assert torch.allclose(mine, whole, rtol=1e-10, atol=1e-12)
    assert f(x.to("meta")).shape == x.shape
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        narrow = x.to(dtype).requires_grad_()
        assert f(narrow).dtype == dtype
        (grad,) = torch.autograd.grad((f(narrow) * g.to(dtype)).sum(), narrow)
        assert torch.allclose(grad.double(), whole, rtol=0.1, atol=0.1)
    assert f(x[:, :0]).shape == (8, 0)


@pytest.mark.parametrize("kind", ["fermi", "laplace", "threshold"])
def test_limits(kind):
    """Small and large temperatures, ties, all or nothing, infinities, a NaN."""
    x = torch.tensor([3.0, 1.0, 1.0, 1.0, -2.0], dtype=torch.float64, requires_grad=True)
    for t in (1e-300, 1e-12, 1e12):
        gate = rt.straight_through_topk(x, 2, kind=kind, temperature=t)
        assert gate.tolist() == [1, 1, 0, 0, 0]
        (grad,) = torch.autograd.grad(gate[0], x)
        assert torch.isfinite(grad).all() or t == 1e-300
    for k in (0, 5):
        gate = rt.straight_through_topk(x, k, kind=kind, temperature=1.0)
        assert gate.tolist() == [float(k > 0)] * 5
        (grad,) = torch.autograd.grad(gate.sum(), x)
        assert not grad.any()
    wide = torch.tensor(
        [[math.inf, 1.0, 0.5, -math.inf], [math.nan, 1.0, 2.0, 0.0]], dtype=torch.float64
    )
    for k in (2, 4):
        y = wide.clone().requires_grad_()
        gate = rt.straight_through_topk(y, k, kind=kind, temperature=0.1)
        assert gate[0].tolist() == ([1, 1, 0, 0] if k == 2 else [1] * 4)
        assert gate[1].isnan().all()
        (grad,) = torch.autograd.grad(gate[0] @ torch.arange(4.0, dtype=torch.float64), y)
        assert torch.isfinite(grad[0]).all()
        assert grad[1].isnan().all() if k == 2 else not grad[1].any()  # all is a constant
        assert grad[0, 0] == grad[0, 3] == 0


def test_straight_through_arguments():
    x = scores(5)
    for options, error, text in [
        ({"temperature": 0}, ValueError, "temperature must be positive and finite, got 0"),
        ({"temperature": math.inf}, ValueError, "temperature must be positive"),
        (
            {"temperature": "x"},
            TypeError,
            "temperature must be a number or an array of them, got str",
        ),
        ({"temperature": 1.0, "kind": "sharp"}, ValueError, "kind must be one of"),
    ]:
        with pytest.raises(error, match=text):
            rt.straight_through_topk(x, 2, **options)
    with pytest.raises(ValueError, match=r"k must be in \[0, 5\], got 6"):
        rt.straight_through_topk(x, 6, temperature=1.0)
    with pytest.raises(TypeError, match=r"x has dtype torch\.int64"):
        rt.straight_through_topk(torch.arange(5), 2, temperature=1.0)
