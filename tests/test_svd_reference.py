"""The decompositions on other array libraries: the same algorithms on their operations."""

import array_api_strict
import jax
import numpy as np
import pytest
import torch
from svd_gallery import check, spectra, with_values

import randla
from randla._core.dispatch import to_numpy
from randla._core.random import Stream
from randla._svd import PCAResult, SVDResult, _decompose
from randla._svd_plan import Plan

jax.config.update("jax_enable_x64", True)

FROM_NUMPY = {
    "torch": lambda x: torch.from_numpy(np.array(x)),
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}
LIBRARIES = ["array_api_strict", "torch"]  # JAX compiles each operation for each shape


def call(library, A, k, kind=SVDResult, rtol=None, method="auto", rng=0, precision="auto"):
    x = FROM_NUMPY[library](A)
    plan = Plan(k, rtol, None, 10, "auto", method, precision, kind is PCAResult)
    plan.of(tuple(x.shape))
    result = _decompose(x, plan, Stream(rng), kind)
    for part in result if kind is not None else result[:1]:
        assert type(part) is type(x)
    return result


def on_host(result):
    return type(result)(*map(to_numpy, result), rank=result.rank, info=result.info)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_agrees_with_numpy(library, dtype):
    A = with_values(160, 90, spectra(90)["1/i"], dtype)
    close = 2e4 * np.finfo(dtype).eps
    for method in ("subspace", "krylov", "gram", "exact"):
        for kind, own in ((SVDResult, randla.randomized_svd), (PCAResult, randla.pca)):
            for B in (A, A.T) if method == "subspace" else (A,):
                found = call(library, B, 4, kind, method=method)
                wanted = own(B, 4, method=method, rng=0)
                assert found.info.method == method
                assert str(found.U.dtype).endswith(dtype)
                result = on_host(found)
                check(B, result, 4, kind is PCAResult)
                assert np.allclose(result.S, wanted.S, rtol=close)
                assert np.allclose(result.U, wanted.U, atol=close)  # the same Gaussian numbers
                assert np.isclose(result.info.error_fro, wanted.info.error_fro, rtol=1e-2)
                if kind is PCAResult:
                    assert np.allclose(to_numpy(found.mean), wanted.mean, atol=close)


@pytest.mark.parametrize("library", LIBRARIES)
def test_batches_rtol_and_bases(library):
    A = np.stack([with_values(100, 70, spectra(70)["exponential"], seed=i) for i in range(2)])
    found, wanted = call(library, A, 3), randla.randomized_svd(A, 3, rng=0)
    assert np.allclose(to_numpy(found.U), wanted.U, atol=1e-9)
    assert found.info.error_fro.shape == (2,)
    found = call(library, A[0], None, rtol=0.01)
    assert found.rank == randla.randomized_svd(A[0], rtol=0.01, rng=0).rank
    Q, info = call(library, A[0], 5, None)
    wanted = randla.randomized_range_finder(A[0], 5, rng=0)
    assert np.allclose(to_numpy(Q), wanted, atol=1e-6)
    assert info.method == "subspace"
    empty = call(library, A[:0], 3, PCAResult)
    assert empty.U.shape == (0, 100, 3)


@pytest.mark.parametrize("library", LIBRARIES)
def test_zero_integers_scale_and_what_is_not_finite(library):
    assert not to_numpy(call(library, np.zeros((90, 80)), 3).S).any()
    B = np.random.default_rng(0).integers(-5, 5, (90, 80))
    result = on_host(call(library, B, 3))
    check(B, result, 3)
    A = with_values(160, 90, spectra(90)["1/i"])
    plain = to_numpy(call(library, A, 3).S)
    for power in (-900, 900):
        S = to_numpy(call(library, A * 2.0**power, 3).S)
        assert np.allclose(np.ldexp(S, -power), plain, rtol=1e-9)
    A[4, 5] = np.nan
    for method in ("subspace", "exact", "gram"):
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            call(library, A, 3, method=method)


@pytest.mark.parametrize("library", LIBRARIES)
def test_mixed_precision_and_householder(library):
    s = spectra(100)["graded"]
    A = with_values(300, 100, s)
    result = on_host(call(library, A, 20, precision="mixed", method="subspace"))
    check(A, result, 20)
    assert np.abs(result.S - s[:20]).max() <= 1e-14
    assert result.info.precision == "mixed"
    assert result.info.fallbacks > 0


def test_public_names_take_what_has_a_namespace():
    A = with_values(100, 80, spectra(80)["1/i"])
    for library in ("jax", "array_api_strict"):
        x = FROM_NUMPY[library](A)
        found = randla.pca(x, 3, rng=0)
        assert type(found.U) is type(x)
        assert np.allclose(to_numpy(found.U), randla.pca(A, 3, rng=0).U, atol=1e-9)
        assert type(randla.randomized_range_finder(x, 3, n_iter=1, rng=0)) is type(x)
    with pytest.raises(TypeError, match="JAX tracer"):
        jax.jit(lambda x: randla.randomized_svd(x, 3).S)(jax.numpy.asarray(A))
