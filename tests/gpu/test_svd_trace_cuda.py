"""Estimates of traces and norms on CuPy arrays: the same numbers, and what stays on the device."""

import contextlib

import numpy as np
import pytest
import scipy.sparse as sp
from svd_gallery import spectra, with_values

import randla

gpu = pytest.mark.gpu
METHODS = ["xtrace", "hutch++", "hutchinson", "xnystrace"]


def positive(n, dtype="float64", seed=0):
    B = with_values(n, n, spectra(n)["1/i"], dtype, seed)
    return B @ B.conj().T


@gpu
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_agrees_with_numpy(cp, dtype):
    A = np.stack([positive(90, dtype, seed) for seed in range(2)])
    calls = [lambda x, m=m: randla.trace_estimate(x, method=m, budget=40, rng=5) for m in METHODS]
    calls += [lambda x, o=o: randla.norm_estimate(x, o, budget=40, rng=5) for o in (2, "fro")]
    calls.append(lambda x: randla.trace_estimate(x[0], budget=90))
    for call in calls:
        found, wanted = call(cp.asarray(A)), call(A)
        for a, b in zip(found, wanted, strict=True):
            assert isinstance(a, cp.ndarray)
            assert a.dtype == b.dtype
            assert np.allclose(a.get(), b, atol=2e3 * np.finfo(dtype).eps)
        assert np.array_equal(found.info.products, wanted.info.products)


@gpu
def test_sparse(cp):
    from cupyx.scipy.sparse import csr_matrix

    A = sp.random_array((150, 150), density=0.05, rng=np.random.default_rng(0), format="csr")
    device = csr_matrix(tuple(map(cp.asarray, (A.data, A.indices, A.indptr))), shape=A.shape)
    for call in (
        lambda x: randla.trace_estimate(x, rng=1),
        lambda x: randla.norm_estimate(x, rng=1),
        lambda x: randla.norm_estimate(x, "fro"),
    ):
        found, wanted = call(device), call(A)
        assert isinstance(found.value, cp.ndarray)
        assert np.allclose(float(found.value), wanted.value, rtol=1e-10)
        assert np.allclose(float(found.error), wanted.error, rtol=1e-5, atol=1e-12)


@gpu
def test_what_is_refused(cp):
    A = np.eye(90)
    with pytest.raises(np.linalg.LinAlgError, match="A is not positive semidefinite"):
        randla.trace_estimate(cp.asarray(-A), method="xnystrace")
    A[3, 4] = np.inf
    for call in (randla.trace_estimate, randla.norm_estimate):
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            call(cp.asarray(A))


@gpu
def test_tensors(cp, monkeypatch):
    import torch

    import randla.torch as rt

    A = torch.from_numpy(positive(90))
    if hasattr(cp, "record"):  # as if they were on a GPU
        monkeypatch.setattr(rt._svd, "on_gpu", lambda x: True)
        monkeypatch.setattr(rt._svd, "stream", lambda x: contextlib.nullcontext())
    else:
        A = A.cuda()
    A = A.requires_grad_()
    for name in ("trace_estimate", "norm_estimate"):
        found = getattr(rt, name)(A, rng=5)
        wanted = getattr(randla, name)(A.detach().cpu().numpy(), rng=5)
        assert found.value.device == A.device
        assert np.allclose(found.value.detach().cpu(), wanted.value, rtol=1e-10)
        found.value.backward()
        assert float(A.grad.diagonal().sum()) > 0.9
        A.grad = None


def test_the_matrix_stays_on_the_device(stand_in, monkeypatch):
    """What the host gets are matrices of as many rows as there are vectors."""
    got = []
    original = stand_in.ndarray.get
    monkeypatch.setattr(stand_in.ndarray, "get", lambda x: got.append(x.size) or original(x))
    A = stand_in.asarray(positive(200))
    for method in METHODS:
        randla.trace_estimate(A, method=method, budget=30, rng=0)
    randla.norm_estimate(A, budget=30, rng=0)
    assert max(got) <= 30 * 30 + 1
