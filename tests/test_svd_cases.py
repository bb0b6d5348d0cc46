"""Inputs on which a known library once failed; `data/svd_cases.json` has what must hold."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import randla
import randla.torch as rt

CASES = {
    c["name"]: c for c in json.loads((Path(__file__).parent / "data/svd_cases.json").read_text())
}


def test_every_case_is_told():
    told = {name for name in CASES if f'"{name}"' in Path(__file__).read_text()}
    assert told == set(CASES)


def test_complex_input():
    """scikit-learn#30736, dask#9418: transposes without conjugates gave plausible nonsense."""
    assert "7 iterations" in CASES["complex input"]["holds"]
    rng = np.random.default_rng(30736)
    A = rng.standard_normal((100, 20)) + 1j * rng.standard_normal((100, 20))
    exact = np.linalg.svd(A, compute_uv=False)
    best = np.linalg.norm(exact[5:])
    for method in ("subspace", "krylov", "gram", "exact"):
        for B in (A, A.conj().T):
            # as many columns as the peers iterate with
            U, S, Vh = randla.randomized_svd(B, 5, n_iter=7, method=method, rng=1)
            assert np.allclose(S, exact[:5], rtol=0.01)
            assert np.linalg.norm(B - (U * S) @ Vh) <= 1.01 * best
            # the same as of real matrices of twice the size, whose values come in pairs
            R = np.block([[B.real, -B.imag], [B.imag, B.real]])
            pairs = randla.randomized_svd(R, 10, n_iter=30, method=method, rng=1).S
            assert np.allclose(np.repeat(S, 2), pairs, rtol=0.01)


def test_overflow_without_normalisation():
    """scikit-learn#23262, #23373: powers of A A^H left the range of float32."""
    assert "n_iter = 6" in CASES["overflow without normalisation in float32"]["A"]
    rng = np.random.default_rng(23262)
    left, right = (rng.standard_normal((n, 40), dtype=np.float32) for n in (13000, 2900))
    s = np.float32(1e8) * np.float32(0.5) ** np.arange(40, dtype=np.float32)
    A = (left * (s / np.float32(13000**0.5))) @ right.T / np.float32(2900**0.5)
    U, S, Vh = randla.randomized_svd(A, 10, n_iter=6, rng=0)  # a warning is an error
    assert {x.dtype for x in (U, S, Vh)} == {np.dtype(np.float32)}
    assert all(np.isfinite(x).all() for x in (U, S, Vh))
    assert np.allclose(S, s[:10], rtol=0.1)
    assert np.allclose((A @ Vh.T) / S, U, atol=1e-4)


def test_wide_short_matrix():
    """pytorch#42062: the square of the long side was formed, 3.9 TB."""
    assert "below 10 copies" in CASES["wide short matrix"]["holds"]
    code = (
        "import resource, numpy as np, randla\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "randla.randomized_svd(np.ones((6, 100)), 5, rng=0)\n"
        "A = np.random.default_rng(0).standard_normal((6, 698895))\n"
        "before = peak()\n"
        "for method in ('auto', 'subspace'):\n"
        "    U, S, Vh = randla.randomized_svd(A, 5, method=method, rng=0)\n"
        "    assert np.allclose((A.T @ U) / S, Vh.T, atol=1e-9)\n"
        "print((peak() - before) / A.nbytes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd="/",
    )
    assert float(done.stdout) < 10


def test_oversampling_beyond_the_smaller_side():
    """pytorch#72909: k + oversampling had to fit, so that the default failed on small matrices."""
    assert "capped" in CASES["k above the smaller side by default"]["holds"]
    A = np.random.default_rng(0).standard_normal((8, 5))
    for options in ({}, {"n_iter": 2}, {"method": "subspace"}, {"method": "krylov"}):
        U, S, Vh = randla.randomized_svd(A, 5, n_oversamples=10, rng=0, **options)
        assert np.allclose((U * S) @ Vh, A)
    assert randla.randomized_range_finder(A, 5, n_oversamples=10).shape == (8, 5)


def test_row_vector_of_means():
    """pytorch#122699: svd_lowrank took only an M of the shape of A."""
    assert "equal to center" in CASES["row vector M"]["holds"]
    A = torch.randn(17, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    given = rt.randomized_svd(A, 2, M=A.mean(dim=0, keepdim=True), rng=0)
    for other in (
        rt.randomized_svd(A, 2, center=True, rng=0),
        rt.randomized_svd(A, 2, M=A.mean(dim=0), rng=0),
        rt.randomized_svd(A, 2, M=A.mean(dim=0).expand(17, 4), rng=0),
        randla.randomized_svd(A.numpy(), 2, center=True, rng=0),
    ):
        for a, b in zip(given, other, strict=True):
            assert np.allclose(a, b, atol=1e-12)


def test_sparse_pca_stays_sparse():
    """scanpy#393: centring made the matrix dense."""
    assert "50000 x 3000" in CASES["sparse PCA without densifying"]["A"]
    A = sp.random_array((50000, 3000), density=0.01, rng=np.random.default_rng(393), format="csr")
    tracemalloc.start()
    result = randla.pca(A, 5, method="subspace", n_iter=1, rng=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50000 * 3000 * 8 / 10
    means = A.mean(axis=0)
    assert np.allclose(result.mean, means)
    centred = A @ result.Vh.T - means @ result.Vh.T
    assert np.allclose(np.linalg.norm(centred, axis=0) ** 2 / 49999, result.explained_variance,
                       rtol=0.05)  # fmt: skip
    small = A[:2000, :300]
    wanted = randla.pca(small.toarray(), 5, n_iter=30, rng=0)
    found = randla.pca(small, 5, n_iter=30, rng=0)
    assert np.allclose(found.S, wanted.S, rtol=1e-9)
    assert np.allclose(found.explained_variance_ratio, wanted.explained_variance_ratio)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_gradient_at_equal_singular_values(dtype):
    """pytorch#194705, torch-batch-svd#5: 1 / (s_i^2 - s_j^2) made it Inf or NaN."""
    assert "never NaN" in CASES["gradient at equal singular values"]["holds"]
    rng = np.random.default_rng(0)
    for A, k in ((np.diag([3.0, 3, 1, 0]), 3), (2 * np.eye(4), 4)):
        A = torch.tensor(A, dtype=dtype, requires_grad=True)
        W = rng.standard_normal((4, 4)) + 1j * rng.standard_normal((4, 4))
        W = torch.tensor(W if dtype.is_complex else W.real)
        U, S, Vh = rt.randomized_svd(A, k, rng=0)
        (of_values,) = torch.autograd.grad(S.sum(), A, retain_graph=True)
        polar = torch.zeros_like(A)
        polar[:k, :k] = torch.eye(k)
        assert torch.allclose(of_values, polar)
        (of_product,) = torch.autograd.grad(
            ((U * S) @ Vh * W.conj()).real.sum(), A, retain_graph=True
        )
        # the derivative of the best approximation: all but the part outside of both spans
        Q = (torch.eye(4) - polar).to(dtype)
        assert torch.allclose(of_product, W - Q @ W @ Q, atol=1e-9)
        (of_projector,) = torch.autograd.grad((U[:, :2].abs() ** 2).sum(), A, retain_graph=True)
        assert torch.allclose(of_projector, torch.zeros_like(A), atol=1e-9)
        with pytest.raises(np.linalg.LinAlgError, match="basis of equal singular values"):
            ((U[0] + U[1]).abs() ** 2 * torch.arange(k)).sum().backward()


def test_one_nan():
    """LightGCL#15: it went through, and came out as a matrix of NaN."""
    assert CASES["NaN in one entry"]["holds"].startswith("LinAlgError")
    A = np.random.default_rng(15).standard_normal((200, 100))
    A[123, 45] = np.nan
    for x in (A, A.astype(np.float32), torch.from_numpy(A), sp.csr_array(A)):
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            randla.randomized_svd(x, 5)
