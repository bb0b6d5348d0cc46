"""Estimates of traces and norms on other array libraries: the same algorithms and numbers."""

import array_api_strict
import jax
import numpy as np
import pytest
import torch
from svd_gallery import spectra, with_values

import randla
from randla._core.dispatch import to_numpy
from randla._core.random import Stream
from randla._svd_trace import LEAST, _estimate

jax.config.update("jax_enable_x64", True)

FROM_NUMPY = {
    "torch": lambda x: torch.from_numpy(np.array(x)),
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}
WAYS = [*(("trace", method) for method in LEAST), ("norm", 2), ("norm", "fro")]


def on_numpy(A, what, how, budget=60):
    if what == "trace":
        return randla.trace_estimate(A, method=how, budget=budget, rng=5)
    return randla.norm_estimate(A, how, budget=budget, rng=5)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_agrees_with_numpy(library, dtype):
    B = with_values(90, 90, spectra(90)["1/i"], dtype)
    A = np.stack([B @ B.conj().T, B.conj().T @ B])
    close = 2e3 * np.finfo(dtype).eps
    for what, how in WAYS:
        for budget in (40, 90):
            x = FROM_NUMPY[library](A)
            found = _estimate(x, budget, Stream(5), what, how)
            wanted = on_numpy(A, what, how, budget)
            for a, b in zip(found, wanted, strict=True):
                assert type(a) is type(x)
                assert str(a.dtype).endswith(str(b.dtype))
                assert np.allclose(to_numpy(a), b, atol=close), (what, how, budget)
            assert np.array_equal(found.info.products, wanted.info.products)
            assert np.array_equal(found.info.meaning, wanted.info.meaning)
    empty = _estimate(x[:0, ...], 40, Stream(5), "trace", "xtrace")
    assert empty.value.shape == (0,)
    assert empty.value.dtype == x.dtype


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_what_is_refused_and_scale(library):
    A = np.eye(70)
    A[3, 4] = np.nan
    for what, how in WAYS:
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            _estimate(FROM_NUMPY[library](A), 60, Stream(0), what, how)
        huge = FROM_NUMPY[library](np.diag(np.arange(70.0) * 2.0**900))
        value = float(_estimate(huge, 60, Stream(0), what, how).value) * 2.0**-900
        plain = float(on_numpy(np.diag(np.arange(70.0)), what, how).value)
        assert np.isclose(value, plain, rtol=0.5)
    with pytest.raises(np.linalg.LinAlgError, match=r"not positive .* is -1 for some x"):
        _estimate(-FROM_NUMPY[library](np.eye(70)), 60, Stream(0), "trace", "xnystrace")


def test_public_names_take_what_has_a_namespace():
    A = with_values(80, 80, spectra(80)["1/i"])
    for library in ("jax", "array_api_strict"):
        x = FROM_NUMPY[library](A)
        found = randla.trace_estimate(x, rng=0)
        assert type(found.value) is type(x)
        assert np.isclose(float(found.value), randla.trace_estimate(A, rng=0).value)
        assert np.isclose(float(randla.norm_estimate(x, rng=0).value), 1)
    with pytest.raises(TypeError, match="JAX tracer"):
        jax.jit(lambda x: randla.trace_estimate(x).value)(jax.numpy.asarray(A))
