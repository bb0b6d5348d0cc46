"""Least squares, interpolative and CUR decompositions of CuPy arrays."""

import numpy as np
import pytest

import randla

pytestmark = pytest.mark.gpu


def random_matrix(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal(shape)
    return A.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(400, 12), (12, 400)])
def test_least_squares(cp, shape, dtype):
    A, b = random_matrix(shape, dtype), random_matrix((shape[0], 2), dtype, 1)
    for method in ("spir", "fossils", "qr"):
        for damp in (0.0, 0.5):
            found = randla.lstsq(cp.asarray(A), cp.asarray(b), method=method, damp=damp, rng=0)
            wanted = randla.lstsq(A, b, method=method, damp=damp, rng=0)
            assert isinstance(found.x, cp.ndarray)
            assert found.x.dtype == dtype
            assert found.info.method == method
            assert found.rank == 12
            tolerance = 1e4 * np.finfo(dtype).eps
            np.testing.assert_allclose(found.x.get(), wanted.x, atol=tolerance)
            np.testing.assert_allclose(
                found.residual_norm.get(), wanted.residual_norm, rtol=1e-4, atol=tolerance
            )


def test_without_full_rank_and_ill_conditioned(cp):
    A = random_matrix((300, 4)) @ random_matrix((4, 9), seed=1)
    b = random_matrix((300,), seed=2)
    for method in ("spir", "qr"):
        found = randla.lstsq(cp.asarray(A), cp.asarray(b), method=method, rng=0)
        assert found.rank == 4
        np.testing.assert_allclose(found.x.get(), np.linalg.lstsq(A, b)[0], atol=1e-12)
    A = random_matrix((600, 10)) * np.logspace(0, -12, 10)
    found = randla.lstsq(cp.asarray(A), cp.asarray(A[:, 0]), rcond=0, method="spir", rng=0)
    assert found.info.backward_error <= 40 * 2**-52
    assert found.info.n_steps <= 80


def test_decompositions(cp):
    A = random_matrix((90, 4)) @ random_matrix((4, 30), seed=1)
    x = cp.asarray(A)
    for fast in (False, True):
        indices, T = (y.get() for y in randla.interpolative(x, 4, fast=fast, rng=0))
        np.testing.assert_allclose(A[:, indices] @ T, A, atol=1e-11)
    C, U, R = (y.get() for y in randla.cur(x, 4, rng=0))
    np.testing.assert_allclose(C @ U @ R, A, atol=1e-10)
