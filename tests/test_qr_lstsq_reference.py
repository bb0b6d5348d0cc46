"""The reference rung of lstsq, interpolative and cur, on every array library there is."""

import array_api_strict
import jax
import numpy as np
import pytest
import torch

import randla
from randla import _qr_lstsq
from randla._core.dispatch import to_numpy
from randla._core.random import Stream

jax.config.update("jax_enable_x64", True)

FROM_NUMPY = {
    "numpy": np.array,
    "torch": lambda x: torch.from_numpy(np.array(x)),
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}
LIBRARIES = sorted(FROM_NUMPY)


def random_matrix(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal(shape)
    return A.astype(dtype)


def call(library, A, b, rcond=None, tol=None, damp=0.0, method="spir", rng=0):
    x, y = FROM_NUMPY[library](A), FROM_NUMPY[library](b)
    result = _qr_lstsq.reference(x, y, _qr_lstsq._Options(rcond, tol, damp, method), Stream(rng))
    assert type(result.x) is type(x)
    return result


def close(library, dtype, A, b, **options):
    result = call(library, A, b, **options)
    assert str(result.x.dtype).endswith(dtype)
    method = options.get("method", "spir")
    wanted = randla.lstsq(A, b, rng=0, **{"method": "spir", **options})
    assert result.info.method == wanted.info.method == method
    assert result.rank == wanted.rank
    tolerance = 1e4 * np.finfo(dtype).eps
    x, r = to_numpy(result.x), to_numpy(result.residual_norm)
    np.testing.assert_allclose(x, wanted.x, atol=tolerance * np.abs(wanted.x).max())
    np.testing.assert_allclose(r, wanted.residual_norm, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_agrees_with_the_kernels(library, dtype):
    if library == "jax" and dtype != "complex128":
        return  # it compiles each operation for each dtype
    A, b = random_matrix((400, 12), dtype), random_matrix((400, 2), dtype, 1)
    for method in ("spir", "fossils", "qr") if library != "jax" else ("spir",):
        close(library, dtype, A, b, method=method)
    if library == "jax":
        return
    close(library, dtype, A, b, damp=0.5)
    wide, side = A[:30].T.copy(), b[:12]
    for method in ("spir", "qr"):
        close(library, dtype, wide, side, method=method)
        close(library, dtype, wide, side, method=method, damp=0.5)
    deficient = A.copy()
    deficient[:, 5:] = A[:, :7] + A[:, 1:8]
    close(library, dtype, deficient, b)
    close(library, dtype, A @ np.ones((12, 12), dtype), b, method="qr")


@pytest.mark.parametrize("library", LIBRARIES)
def test_ill_conditioned(library):
    A = (
        random_matrix((600, 10))
        @ np.diag(np.logspace(0, -12, 10))
        @ random_matrix((10, 10), seed=1)
    )
    b = random_matrix((600, 1), seed=2)
    result = call(library, A, b, rcond=0)
    assert result.info.backward_error <= 40 * 2**-52
    assert result.info.n_steps <= 80


@pytest.mark.parametrize("library", LIBRARIES)
def test_batches_vectors_and_what_is_empty(library):
    A, b = random_matrix((2, 60, 6)), random_matrix((60,), seed=1)
    A[1, :, 5] = A[1, :, 0]
    result = call(library, A, b, method="qr" if library != "jax" else "spir")
    assert tuple(result.x.shape) == (2, 6)
    assert tuple(result.residual_norm.shape) == (2,)
    assert result.rank.tolist() == [6, 5]
    assert tuple(call(library, A[:0], b).x.shape) == (0, 6)
    assert tuple(call(library, A[0][:, :0], b).x.shape) == (0,)
    assert not to_numpy(call(library, 0 * A[0], b).x).any()
    A[1, 2, 3] = np.inf
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1,\): A has a NaN"):
        call(library, A, b)


@pytest.mark.parametrize("library", LIBRARIES)
def test_decompositions(library):
    A = random_matrix((90, 4)) @ random_matrix((4, 30), seed=1)
    x = FROM_NUMPY[library](A)
    for fast in (False, True) if library != "jax" else (True,):
        result = randla.interpolative(x, 4, fast=fast, rng=0)
        assert type(result.indices) is type(x)
        indices, T = (to_numpy(y) for y in result)
        np.testing.assert_allclose(A[:, indices] @ T, A, atol=1e-11)
        assert result.info.error_estimate < 1e-13
    if library == "jax":
        return
    rows = randla.interpolative(x, rtol=1e-10, axis=0, rng=0)
    assert rows.rank == 4
    np.testing.assert_allclose(
        to_numpy(rows.coefficients) @ A[to_numpy(rows.indices)], A, atol=1e-11
    )
    result = randla.cur(x, 4, rng=0)
    C, U, R = (to_numpy(y) for y in result)
    np.testing.assert_allclose(C @ U @ R, A, atol=1e-10)
    assert np.array_equal(R, A[to_numpy(result.rows)])
    assert randla.cur(0 * x, 3).rank == 0


def test_public_functions_reach_it():
    A, b = random_matrix((300, 5)), random_matrix((300,), seed=1)
    for library in ("torch", "array_api_strict"):
        x, y = FROM_NUMPY[library](A), FROM_NUMPY[library](b)
        result = randla.lstsq(x, y, rng=0)
        assert type(result.x) is type(x)
        assert tuple(result.x.shape) == (5,)
    with pytest.raises(TypeError, match="arrays must be of one library"):
        randla.lstsq(x, b)
