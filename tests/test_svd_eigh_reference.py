"""randomized_eigh on other array libraries: the same algorithm on their operations."""

import array_api_strict
import jax
import numpy as np
import pytest
import torch
from svd_gallery import orthonormal

import randla
from randla._core.dispatch import to_numpy
from randla._core.random import Stream
from randla._svd_eigh import _decompose, _Plan

jax.config.update("jax_enable_x64", True)

FROM_NUMPY = {
    "torch": lambda x: torch.from_numpy(np.array(x)),
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}
LIBRARIES = ["array_api_strict", "torch"]  # JAX compiles each operation for each shape
WAYS = [{}, {"n_iter": 6}, {"psd": True, "n_iter": 1}, {"method": "exact"}]


def hermitian(w, dtype="float64", seed=0):
    Q = orthonormal(len(w), len(w), dtype, np.random.default_rng(seed))
    A = (Q * w) @ Q.conj().T
    return ((A + A.conj().T) / 2).astype(dtype)


def call(library, A, k, **given):
    x = FROM_NUMPY[library](A)
    options = {"psd": False, "n_oversamples": 10, "n_iter": "auto", "method": "auto", **given}
    plan = _Plan(k, **options)
    plan.of(tuple(x.shape))
    result = _decompose(x, plan, Stream(0))
    assert all(type(part) is type(x) for part in result)
    return result


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_agrees_with_numpy(library, dtype):
    A = hermitian(1 / np.arange(1.0, 121), dtype)
    close = 2e4 * np.finfo(dtype).eps
    for way in WAYS:
        found, wanted = call(library, A, 4, **way), randla.randomized_eigh(A, 4, rng=0, **way)
        assert found.info.method == wanted.info.method
        assert str(found.eigenvectors.dtype).endswith(dtype)
        assert str(found.eigenvalues.dtype).endswith(np.finfo(dtype).dtype.name)
        assert np.allclose(to_numpy(found.eigenvalues), wanted.eigenvalues, rtol=close)
        assert np.allclose(to_numpy(found.eigenvectors), wanted.eigenvectors, atol=close)
        assert np.isclose(found.info.error_fro, wanted.info.error_fro, rtol=1e-2)
        nuclear = (x.info.error_nuclear for x in (found, wanted))
        assert np.allclose(*nuclear, rtol=1e-2, equal_nan=True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_batches_zero_scale_and_errors(library):
    A = np.stack([hermitian(0.7 ** np.arange(90.0), seed=i) for i in range(2)])
    found, wanted = call(library, A, 3), randla.randomized_eigh(A, 3, rng=0)
    assert np.allclose(to_numpy(found.eigenvectors), wanted.eigenvectors, atol=1e-8)
    assert found.info.passes.shape == (2,)
    assert call(library, A[:0], 3).eigenvectors.shape == (0, 90, 3)
    assert not to_numpy(call(library, np.zeros((90, 90)), 3).eigenvalues).any()
    for power in (-900, 900):
        w = to_numpy(call(library, A[0] * 2.0**power, 3).eigenvalues)
        assert np.allclose(np.ldexp(w, -power), wanted.eigenvalues[0], rtol=1e-9)
    repeated = hermitian(np.where(np.arange(300) < 40, 1.0, 0.5 * 0.99 ** np.arange(300)))
    assert np.allclose(to_numpy(call(library, repeated, 10).eigenvalues), 1)
    for way in WAYS:
        with pytest.raises(ValueError, match="A must be Hermitian"):
            call(library, np.triu(A[0]), 3, **way)
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            call(library, A[0] * np.nan, 3, **way)
    with pytest.raises(np.linalg.LinAlgError, match="not positive semidefinite"):
        call(library, -A[0], 3, psd=True)


def test_public_name_takes_what_has_a_namespace():
    A = hermitian(0.5 ** np.arange(80.0))
    for library in ("jax", "array_api_strict"):
        x = FROM_NUMPY[library](A)
        found = randla.randomized_eigh(x, 3, n_iter=2, rng=0)
        assert type(found.eigenvectors) is type(x)
        wanted = randla.randomized_eigh(A, 3, n_iter=2, rng=0)
        assert np.allclose(to_numpy(found.eigenvectors), wanted.eigenvectors, atol=1e-8)
    with pytest.raises(TypeError, match="JAX tracer"):
        jax.jit(lambda y: randla.randomized_eigh(y, 3, rng=0).eigenvalues)(jax.numpy.asarray(A))
