"""Matrices of known singular values, and what the contract of `randomized_svd` says of a result."""

import numpy as np


def orthonormal(m, k, dtype, rng):
    X = rng.standard_normal((m, k))
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal((m, k))
    return np.linalg.qr(X)[0]


def with_values(m, n, s, dtype="float64", seed=0):
    """An m x n matrix with these singular values."""
    rng = np.random.default_rng(seed)
    s = np.asarray(s, float)
    U, V = (orthonormal(size, len(s), dtype, rng) for size in (m, n))
    return np.ascontiguousarray((U * s) @ V.conj().T).astype(dtype)


def spectra(p):
    """Singular values of length p, by name."""
    i = np.arange(1, p + 1)
    return {
        "1/i": 1 / i,
        "exponential": 0.8**i,
        "step": np.where(i <= 12, 1.0, 1e-3),
        "low rank": np.where(i <= 7, 2.0 ** -i.astype(float), 0),
        "repeated": np.repeat(np.linspace(1, 0.1, 10), -(-p // 10))[:p],
        "graded": 10.0 ** (-13 * np.minimum(i - 1, 19) / 19) * (i <= 20),
        "flat": np.ones(p),
    }


def plain(name):
    """Of low rank, with unit vectors, or sums of them, among the singular vectors."""
    rng = np.random.default_rng(0)
    if name == "few rows":
        A = np.zeros((300, 200))
        A[5:35] = rng.standard_normal((30, 200))
    elif name == "few columns":
        A = np.zeros((300, 200))
        A[:, 7:27] = rng.standard_normal((300, 20))
    elif name == "tiles":
        A = np.tile(rng.standard_normal((4, 200)), (75, 1))
    else:
        A = np.kron(rng.standard_normal((3, 2)), np.ones((100, 100)))
    return A


def wide(A):
    return A.astype(np.result_type(A.dtype, np.float64))


def check(A, result, k, center=False):
    """Sections 1 to 4 of the contract: orthonormal factors, Ritz values, error, signs."""
    A = np.asarray(A)
    dtype = A.dtype if A.dtype.kind in "fc" else np.dtype(np.float64)
    eps = np.finfo(dtype).eps
    A = wide(A)
    if center:
        A = A - A.mean(axis=0)
    U, S, Vh = result
    m, n = A.shape
    assert U.shape == (m, k)
    assert S.shape == (k,)
    assert Vh.shape == (k, n)
    assert U.dtype == Vh.dtype == dtype
    assert S.dtype == np.finfo(dtype).dtype
    assert result.rank == k
    U, S, Vh = (wide(x) for x in result)
    eye = np.eye(k)
    for X in (U, Vh.conj().T):
        assert np.linalg.norm(X.conj().T @ X - eye) <= 20 * eps * np.sqrt(k)
    exact = np.linalg.svd(A, compute_uv=False)
    norm = np.linalg.norm(exact)
    assert (S >= 0).all()
    assert (np.diff(S) <= 0).all()
    assert (S - exact[:k] <= 10 * eps * norm).all()
    largest = U[np.abs(U).argmax(axis=0), np.arange(k)]
    assert (largest.real > 0).all()
    assert np.abs(largest.imag).max() <= 10 * eps
    error = np.linalg.norm(A - (U * S) @ Vh)
    assert result.info.error_fro >= 30 * eps * norm * 0.99
    if np.linalg.norm(exact[k:]) <= eps * norm:
        assert error <= 100 * eps * norm
    best = np.linalg.norm(exact[k:])
    return error, best, norm
