"""The reference rung of topk, on every array library there is, against the kernels."""

import itertools

import array_api_strict
import jax
import numpy as np
import pytest
import torch

import randla
from randla import (
    kth_value,
    merge_topk,
    partition_indices,
    topk,
    topk_indices,
    topk_mask,
    topk_values,
)
from randla._core.dispatch import to_numpy

jax.config.update("jax_enable_x64", True)

FROM_NUMPY = {
    "torch": lambda x: torch.from_numpy(np.array(x)),
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}
POLICIES = ["greatest", "least", "propagate"]


@pytest.fixture(params=sorted(FROM_NUMPY))
def library(request):
    return request.param


def same(a, b):
    return np.array_equal(a, b, equal_nan=np.asarray(b).dtype.kind == "f")


def special(shape, dtype, rng):
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, 5, shape).astype(dtype)
    x = rng.integers(-3, 4, shape) * 0.5
    picks = rng.random(shape)
    for level, value in (
        (0.1, -0.0),
        (0.2, np.nan),
        (0.25, -np.nan),
        (0.3, np.inf),
        (0.35, -np.inf),
    ):
        x = np.where((picks < level) & (picks >= level - 0.06), value, x)
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", ["f", "d", "i4", "i8", "u1", "?"])
def test_agrees_with_the_kernels(library, dtype):
    x = special((3, 40), dtype, np.random.default_rng(1))
    y = FROM_NUMPY[library](x)
    combinations = itertools.product((1, 7, 40), (True, False), (True, False), POLICIES)
    for k, largest, is_sorted, nan in combinations:
        options = {"largest": largest, "sorted": is_sorted, "nan": nan}
        wanted, found = topk(x, k, **options), topk(y, k, **options)
        assert isinstance(found, randla.TopKResult)
        assert type(found.values) is type(y)
        assert found.values.dtype == y.dtype
        assert found.indices.device == y.device
        assert np.array_equal(to_numpy(found.indices), wanted.indices), options
        assert same(to_numpy(found.values), wanted.values)


def test_every_function_and_axis(library):
    x = special((4, 5, 6), "f", np.random.default_rng(2))
    y = FROM_NUMPY[library](x)
    for axis, largest in itertools.product((0, 1, -1), (True, False)):
        options = {"axis": axis, "largest": largest}
        for k in (0, 3):
            assert same(to_numpy(topk_values(y, k, **options)), topk_values(x, k, **options))
            found = topk_indices(y, k, sorted=False, **options)
            assert same(to_numpy(found), topk_indices(x, k, sorted=False, **options))
            assert same(to_numpy(topk_mask(y, k, **options)), topk_mask(x, k, **options))
            for a, b in zip(
                partition_indices(y, k, **options), partition_indices(x, k, **options), strict=True
            ):
                assert same(to_numpy(a), b)
        assert same(to_numpy(kth_value(y, 2, **options)), kth_value(x, 2, **options))


def test_one_dimension(library):
    x = np.array([3.0, 1.0, np.nan, 3.0, -0.0, 0.0])
    y = FROM_NUMPY[library](x)
    assert to_numpy(topk_indices(y, 6)).tolist() == [2, 0, 3, 1, 4, 5]
    assert to_numpy(topk_indices(y, 6, largest=False)).tolist() == [4, 5, 1, 0, 3, 2]
    assert to_numpy(topk_mask(y, 2)).tolist() == [True, False, True, False, False, False]
    assert float(kth_value(y, 3)) == 3


def test_lengths(library):
    rng = np.random.default_rng(3)
    x = special((3, 20), "f", rng)
    lengths = np.array([5, 20, 9])
    y = FROM_NUMPY[library](x)
    for k, largest, nan in itertools.product((1, 5), (True, False), POLICIES):
        options = {"largest": largest, "nan": nan, "lengths": lengths}
        wanted = topk(x, k, **options)
        found = topk(y, k, **options)
        assert np.array_equal(to_numpy(found.indices), wanted.indices)
        assert same(to_numpy(found.values), wanted.values)
        assert same(to_numpy(topk_mask(y, k, **options)), topk_mask(x, k, **options))
    given = FROM_NUMPY[library](lengths)
    assert same(to_numpy(topk(y, 5, lengths=given).indices), topk(x, 5, lengths=lengths).indices)


def test_merge(library):
    x = special((2, 30), "d", np.random.default_rng(4))
    y = FROM_NUMPY[library](x)
    parts = [topk(y[:, start : start + 10], 6) for start in (0, 10, 20)]
    merged = merge_topk(parts, 6, offsets=[0, 10, 20])
    whole = topk(x, 6)
    assert np.array_equal(to_numpy(merged.indices), whole.indices)
    assert same(to_numpy(merged.values), whole.values)


def test_bad_input(library):
    y = FROM_NUMPY[library](np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"k must be in \[0, 5\], got 6"):
        topk(y, 6)
    with pytest.raises(TypeError, match="out is for NumPy arrays"):
        topk(y, 1, out=(np.zeros((2, 1)), np.zeros((2, 1), np.int64)))
    with pytest.raises(np.exceptions.AxisError):
        topk(y, 1, axis=2)
    with pytest.raises(ValueError, match="index_dtype"):
        topk(y, 1, index_dtype="int16")
    with pytest.raises(TypeError, match="x has dtype"):
        topk(FROM_NUMPY[library](np.zeros(3, "D")), 1)
    bad = np.zeros((2, 5))
    bad[1, 3] = np.nan
    with pytest.raises(ValueError, match=r"row \(1,\) of x has a NaN"):
        topk(FROM_NUMPY[library](bad), 1, nan="raise")


def test_index_dtype(library):
    y = FROM_NUMPY[library](np.arange(5.0))
    assert str(topk(y, 2, index_dtype=np.int32).indices.dtype).endswith("int32")
    assert str(topk(y, 2).indices.dtype).endswith("int64")
    if library == "torch":
        assert topk(y, 2, index_dtype=torch.int32).indices.dtype is torch.int32


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_sixteen_bits(name):
    x = torch.tensor([0.5, -1.0, 2.0, float("nan"), 2.0]).to(getattr(torch, name))
    values, indices = topk(x, 3)
    assert values.dtype is x.dtype
    assert indices.tolist() == [3, 2, 4]


def test_gradient():
    """Under torch's own autograd: the upstream gradient goes to where the values came from."""
    x = torch.tensor([[3.0, 1.0, 2.0, 3.0]], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([[10.0, 20.0, 30.0]], dtype=torch.float64)
    (topk(x, 3).values * weights).sum().backward()
    assert x.grad.tolist() == [[10.0, 0.0, 30.0, 20.0]]
    assert torch.autograd.gradcheck(lambda a: topk(a, 2, largest=False).values, (x,))


def test_jax_tracer():
    with pytest.raises(TypeError, match="x is a JAX tracer"):
        jax.jit(lambda a: topk(a, 2).values)(jax.numpy.zeros(4))


def test_flush_to_zero():
    """torch may have switched it on: to the kernels subnormal numbers keep their order."""
    rng = np.random.default_rng(0)
    rows = [
        rng.standard_normal(5000) * 2.0**-1022,
        (rng.standard_normal(5000) * 2.0**-126).astype("f"),
    ]
    wanted = [topk_indices(x, k) for x in rows for k in (20, 2500)]
    try:
        assert torch.set_flush_denormal(True)
        found = [topk_indices(x, k) for x in rows for k in (20, 2500)]
    finally:
        torch.set_flush_denormal(False)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
