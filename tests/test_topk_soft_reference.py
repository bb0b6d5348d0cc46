"""The reference rung of soft ranks and soft top-k, on every array library, against the kernels."""

import math

import array_api_strict
import jax
import numpy as np
import pytest
import torch

from randla import _topk_soft as core
from randla import soft_rank, soft_topk
from randla._core.dispatch import namespace, to_numpy

jax.config.update("jax_enable_x64", True)

FROM_NUMPY = {
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}
KINDS = ("fermi", "laplace", "threshold", "shiva")


@pytest.fixture(params=sorted(FROM_NUMPY))
def library(request):
    return request.param


def rows(dtype, n=20):
    """Ordinary, with ties, infinities of one or both signs, an outlier, and a NaN."""
    x = np.random.default_rng(1).standard_normal((6, n))
    x[1, ::3] = 0.5
    x[2, :2], x[3, 4:7] = math.inf, -math.inf
    x[3, 0], x[4, 5], x[5, 7] = math.inf, 1e6, math.nan
    return x.astype(dtype)


def close(found, wanted, dtype):
    found = to_numpy(found)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    limit = 2e-5 if dtype == "f" else 1e-10
    assert np.allclose(found, wanted, rtol=limit, atol=limit, equal_nan=True)


@pytest.mark.parametrize("dtype", "fd")
def test_ranks_agree_with_the_kernels(library, dtype):
    x = rows(dtype)
    y = FROM_NUMPY[library](x)
    for t in (2.0, 0.05, 1e-4):
        found = soft_rank(y, temperature=t)
        assert type(found) is type(y)
        assert found.device == y.device
        close(found, soft_rank(x, temperature=t), dtype)


# JAX compiles each operation for each shape and dtype, which takes seconds
CASES = [
    (library, kind, dtype)
    for library in sorted(FROM_NUMPY)
    for kind in KINDS
    for dtype in "fd"
    if (library, dtype) != ("jax", "f") or kind == "threshold"
]


@pytest.mark.parametrize(("library", "kind", "dtype"), CASES)
def test_weights_agree_with_the_kernels(library, kind, dtype):
    x = rows(dtype)
    y = FROM_NUMPY[library](x)
    for k, t in ((1, 0.5), (7, 0.05), (19, 3.0)):
        found = soft_topk(y, k, kind=kind, temperature=t)
        assert type(found) is type(y)
        close(found, soft_topk(x, k, kind=kind, temperature=t), dtype)


@pytest.mark.parametrize("kind", ["fermi", "laplace"])
def test_sums_of_none_of_all_and_of_parts(library, kind):
    x = rows("d")
    for k in (0, 0.4, 6.75, 20):
        p = soft_topk(FROM_NUMPY[library](x), k, kind=kind, temperature=0.1)
        close(p, soft_topk(x, k, kind=kind, temperature=0.1), "d")
        assert np.allclose(to_numpy(p)[:5].sum(-1), k, atol=1e-12)


def test_axes_and_numbers_for_each_row(library):
    x = np.random.default_rng(2).random((3, 4, 5))
    y = FROM_NUMPY[library](x)
    for axis in (0, 1, -1) if library != "jax" else (0,):
        batch = tuple(np.delete(x.shape, axis))
        t, k = np.random.default_rng(3).uniform(0.1, 1, batch), np.full(batch, 1.5)
        given = FROM_NUMPY[library](t)
        close(
            soft_rank(y, axis=axis, temperature=given), soft_rank(x, axis=axis, temperature=t), "d"
        )
        close(
            soft_topk(y, k, axis=axis, temperature=given),
            soft_topk(x, k, axis=axis, temperature=t),
            "d",
        )
        gate = {"kind": "shiva", "gate_temperature": 0.3, "axis": axis}
        close(soft_topk(y, 2, temperature=t, **gate), soft_topk(x, 2, temperature=t, **gate), "d")


def test_empty_rows_and_integers(library):
    convert = FROM_NUMPY[library]
    assert soft_rank(convert(np.zeros((0, 3))), temperature=1.0).shape == (0, 3)
    assert soft_topk(convert(np.zeros((3, 0))), 0, temperature=1.0).shape == (3, 0)
    for a in (np.array([3, 1, 2]), np.array([True, False])):
        close(soft_rank(convert(a), temperature=0.5), soft_rank(a, temperature=0.5), "d")


def test_bad_input(library):
    y = FROM_NUMPY[library](np.zeros((2, 5)))
    for call, error, text in [
        (lambda: soft_rank(y, temperature=0), ValueError, "temperature must be positive"),
        (lambda: soft_rank(y, axis=2, temperature=1), np.exceptions.AxisError, "axis 2"),
        (lambda: soft_topk(y, 6, temperature=1), ValueError, r"k must be in \[0, 5\], got 6"),
        (lambda: soft_topk(y, 1, kind="soft", temperature=1), ValueError, "kind must be one of"),
        (
            lambda: soft_rank(FROM_NUMPY[library](np.zeros(3, "D")), temperature=1),
            TypeError,
            "x has dtype",
        ),
    ]:
        with pytest.raises(error, match=text):
            call()


def test_a_tracer_of_jax_is_refused():
    with pytest.raises(TypeError, match="x is a JAX tracer"):
        jax.jit(lambda a: soft_rank(a, temperature=1.0))(jax.numpy.zeros(4))


@pytest.mark.parametrize("kind", ["rank", *KINDS])
def test_gradients_of_the_reference_are_those_of_the_kernels(kind):
    """Under torch's own differentiation: what second derivatives are made of."""
    import randla.torch as rt

    x = torch.from_numpy(rows("d", 9)[:5])
    k, t, gate = (torch.full((5, 1), v, dtype=torch.float64) for v in (3.0, 0.4, 0.1))
    xp = namespace(x)
    g = torch.from_numpy(np.random.default_rng(4).standard_normal(x.shape))
    found = []
    for kernel in (True, False):
        a, b = x.clone().requires_grad_(), t.clone().requires_grad_()
        if kind == "rank":
            p = rt.soft_rank(a, temperature=b[:, 0]) if kernel else core.reference_rank(xp, a, b)
        elif kernel:
            p = rt.soft_topk(a, 3, kind=kind, temperature=b[:, 0])
        else:
            p = core.reference_topk(xp, kind, a, k, b, gate)
        p.backward(g)
        found.append((p.detach(), a.grad, b.grad))
    for mine, reference in zip(*found, strict=True):
        assert torch.allclose(mine, reference, 1e-8, 1e-9)
