"""randomized_eigh on CuPy arrays and sparse matrices: products and panels stay on the device."""

import cupy_stand_in
import numpy as np
import pytest
from svd_gallery import orthonormal

import randla

gpu = pytest.mark.gpu
FEW = cupy_stand_in.SANITIZE  # what ASan must see are the paths, not the cases
DTYPES = ["float32", "complex128"] if FEW else ["float32", "float64", "complex64", "complex128"]
WAYS = [{}, {"n_iter": 6}, {"psd": True, "n_iter": 1}, {"method": "exact"}]


def hermitian(w, dtype="float64", seed=0):
    Q = orthonormal(len(w), len(w), dtype, np.random.default_rng(seed))
    A = (Q * w) @ Q.conj().T
    return ((A + A.conj().T) / 2).astype(dtype)


@gpu
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_numpy(cp, dtype, way):
    A = hermitian(1 / np.arange(1.0, 121), dtype)
    found = randla.randomized_eigh(cp.asarray(A), 4, rng=3, **way)
    wanted = randla.randomized_eigh(A, 4, rng=3, **way)
    assert all(isinstance(x, cp.ndarray) for x in found)
    close = 2e4 * np.finfo(dtype).eps
    w, V = (x.get() for x in found)
    assert np.allclose(w, wanted.eigenvalues, rtol=close)
    assert np.allclose(V, wanted.eigenvectors, atol=close)
    assert np.linalg.norm(V.conj().T @ V - np.eye(4)) <= 40 * np.finfo(dtype).eps
    assert np.isclose(found.info.error_fro, wanted.info.error_fro, rtol=1e-2)


@gpu
def test_batches_zero_and_errors(cp):
    A = np.stack([hermitian(0.7 ** np.arange(90.0), seed=i) for i in range(2)])
    found = randla.randomized_eigh(cp.asarray(A), 3, rng=0)
    assert np.allclose(found[1].get(), randla.randomized_eigh(A, 3, rng=0)[1], atol=1e-8)
    assert not randla.randomized_eigh(cp.zeros((90, 90)), 3).eigenvalues.get().any()
    with pytest.raises(ValueError, match="A must be Hermitian"):
        randla.randomized_eigh(cp.asarray(np.triu(A[0])), 3)
    with pytest.raises(np.linalg.LinAlgError, match="NaN or an infinity"):
        randla.randomized_eigh(cp.asarray(A[0] * np.nan), 3)
    with pytest.raises(np.linalg.LinAlgError, match="not positive semidefinite"):
        randla.randomized_eigh(cp.asarray(-A[0]), 3, psd=True, n_iter=0)
