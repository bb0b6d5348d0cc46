"""matmul in torch: what the battery does not ask."""

import numpy as np
import pytest
import torch

import randla
import randla.torch as rt
from randla import _matmul

SCHEMES = [scheme.name for scheme in randla.matmul_schemes()]
FLOATING = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def integers(shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-2, 3, shape, generator=generator)
    if dtype.is_complex:
        x = x + 1j * torch.randint(-2, 3, shape, generator=generator)
    return x.to(dtype)


@pytest.mark.parametrize("algorithm", ["auto", "classical", *SCHEMES])
@pytest.mark.parametrize("dtype", [*FLOATING, torch.complex64, torch.complex128], ids=str)
def test_exact(algorithm, dtype):
    for left, right in (
        ((20, 21), (21, 22)), ((2, 20, 21), (21, 22)), ((20, 21), (3, 21, 22)),
        ((21,), (21, 5)), ((4, 21), (21,)), ((21,), (21,)), ((0, 20, 21), (21, 3)),
        ((5, 0), (0, 6)),
    ):  # fmt: skip
        a, b = integers(left, dtype), integers(right, dtype, 1)
        for spelling in (rt.matmul, randla.matmul):
            c, info = spelling(a, b, algorithm=algorithm, return_info=True)
            assert c.dtype == dtype
            wide = torch.complex128 if dtype.is_complex else torch.float64
            assert torch.equal(c.to(wide), torch.matmul(a.to(wide), b.to(wide)))
            assert np.shape(info.levels) == tuple(
                c.shape[:-2] if min(len(left), len(right)) > 1 else ()
            )


@pytest.mark.parametrize("algorithm", SCHEMES)
def test_gradients_are_those_of_the_product(algorithm):
    a, b = (integers((17, 17), torch.float64, s).requires_grad_() for s in (0, 1))
    weight = integers((17, 17), torch.float64, 2)
    mine = torch.autograd.grad((rt.matmul(a, b, algorithm=algorithm) * weight).sum(), (a, b))
    exact = torch.autograd.grad((torch.matmul(a, b) * weight).sum(), (a, b))
    for x, y in zip(mine, exact, strict=True):
        assert torch.equal(x, y)


def test_the_backward_uses_the_same_algorithm(monkeypatch):
    seen = []
    plain = _matmul.dense
    monkeypatch.setattr(_matmul, "dense", lambda *x: seen.append(x[2:4]) or plain(*x))
    a, b = (torch.ones(9, 9, dtype=torch.float64, requires_grad=True) for _ in range(2))
    rt.matmul(a, b, algorithm="winograd", levels=2).sum().backward()
    assert seen == [("winograd", 2)] * 3


def test_conjugates_and_layouts():
    a, b = integers((8, 9), torch.complex128), integers((9, 8), torch.complex128, 1)
    assert torch.equal(rt.matmul(b.mH, a.mH, algorithm="strassen"), (a @ b).mH)
    assert torch.equal(rt.matmul(a.conj(), b.conj(), algorithm="winograd"), (a @ b).conj())
    wide = integers((20, 30), torch.float64)
    part = wide[2:15:2, 1:29:3]
    assert torch.equal(rt.matmul(part, part.T, algorithm="winograd"), part @ part.T)


def test_arguments():
    a = torch.ones(3, 3)
    with pytest.raises(TypeError, match=r"tensors must have one dtype, got torch\.float32 for a"):
        rt.matmul(a, a.double())
    with pytest.raises(ValueError, match="tensors must be on one device, got cpu and meta"):
        rt.matmul(a, a.to("meta"))
    with pytest.raises(TypeError, match="b must be a tensor like the other, got ndarray"):
        randla.matmul(a, np.ones((3, 3)))
    with pytest.raises(TypeError, match="a must be a tensor like the other, got ndarray"):
        randla.matmul(np.ones((3, 3), "f"), a)
    with pytest.raises(TypeError, match="out is for arrays of NumPy and CuPy"):
        randla.matmul(a, a, out=a)
    with pytest.raises(ValueError, match="algorithm must be one of"):
        rt.matmul(a, a, algorithm="fast")
    with pytest.raises(ValueError, match="levels must be at least 0, got -2"):
        rt.matmul(a, a, levels=-2)
    with pytest.raises(ValueError, match="a and b must have the same inner dimension"):
        rt.matmul(a, torch.ones(2, 3))
    with pytest.raises(TypeError, match="'3m' is for complex matrices"):
        rt.matmul(a, a, algorithm="3m")
    whole = torch.ones(3, 3, dtype=torch.int64)
    assert torch.equal(rt.matmul(whole, whole, algorithm="winograd"), whole @ whole)


def test_meta_and_info():
    a = torch.ones(2, 5, 6, device="meta")
    c, info = rt.matmul(a, a.mT, algorithm="winograd", return_info=True)
    assert c.device.type == "meta"
    assert c.shape == (2, 5, 5)
    assert info is None
    b = torch.ones(16, 16, dtype=torch.float64)
    _, info = rt.matmul(b, b, algorithm="winograd", levels=2, return_info=True)
    assert (info.algorithm, info.levels) == ("winograd", 2)
    _, info = rt.matmul(b, b, return_info=True)
    assert (info.algorithm, info.levels) == ("classical", 0)


def test_auto_above_its_crossover(monkeypatch):
    from randla._cpu import matmul as binding

    try:
        for threads in (1, 2):
            binding.set_crossover("d", threads, (8, 40))
        monkeypatch.setitem(_matmul._least, "d", 8)
        a = integers((20, 20), torch.float64)
        c, info = rt.matmul(a, a, return_info=True)
        assert torch.equal(c, a @ a)
        assert info.algorithm == "winograd"
        a[3, 3] = torch.nan
        c, info = rt.matmul(a, a, return_info=True)
        assert info.algorithm == "classical"
        assert torch.equal(c.isnan(), (a @ a).isnan())
    finally:
        for threads in (1, 2):
            binding.set_crossover("d", threads, None)
