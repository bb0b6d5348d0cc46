"""Sketches of arrays of every library, by the reference, against the kernels."""

import array_api_strict
import jax
import numpy as np
import pytest
import torch

from randla._core import dispatch
from randla._core.dispatch import to_numpy
from randla.sketch import SRHT, CountSketch, Gaussian, Rademacher, RowSampling, SparseSign

jax.config.update("jax_enable_x64", True)

M = 300
OPERATORS = {
    "sparse": SparseSign(50, M, rng=1),
    "count": CountSketch(5, None, rng=2),
    "srht": SRHT(20, M, rng=3),
    "gaussian": Gaussian(20, None, rng=4),
    "gaussian, float32": Gaussian(20, M, np.float32, rng=5),
    "gaussian, complex": Gaussian(20, M, complex=True, rng=6),
    "rademacher": Rademacher(20, M, rng=7),
    "rows": RowSampling(20, M, rng=8),
    "rows, weighted": RowSampling(50, M, p=np.arange(M) / 44850, rng=9),
}
FROM_NUMPY = {
    "torch": lambda x: torch.from_numpy(np.array(x)),
    "jax": lambda x: jax.numpy.asarray(np.array(x)),
    "array_api_strict": lambda x: array_api_strict.asarray(np.array(x)),
}


@pytest.fixture(params=sorted(OPERATORS))
def S(request):
    return OPERATORS[request.param]


@pytest.fixture(params=sorted(FROM_NUMPY))
def library(request, monkeypatch):
    """For torch, what devices without kernels are served by."""
    monkeypatch.setattr(dispatch, "adapter", lambda x: None)
    return request.param


def matrix(shape, char="d", seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if char in "FD" else 0)
    return A.astype(char)


def close(found, wanted, unit=None):
    found = to_numpy(found)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    unit = np.finfo(wanted.dtype).eps if unit is None else unit
    assert np.abs(found - wanted).max(initial=0) <= 40 * unit * np.abs(wanted).max(initial=0)


def exact_entries(S):
    return S.cols(0, M).toarray(np.result_type(S.dtype, np.float64))


@pytest.mark.parametrize("char", "fdFD")
def test_agrees_with_the_kernels(library, S, char):
    A, B = matrix((M, 7), char), matrix((S.d, 3), char, 1)
    a, b = (FROM_NUMPY[library](x) for x in (A, B))
    back = S.cols(0, M)
    found = S @ a
    assert type(found) is type(a)
    close(found, S @ A)
    close(back.T @ b, back.T @ B)
    close(S @ a[:, 2], S @ A[:, 2])
    close(S.apply(FROM_NUMPY[library](A.T.copy()), 1), A.T @ S.T)
    if library != "array_api_strict":  # which takes its own arrays alone
        close(a.T @ S.T, A.T @ S.T)
        close(b.T @ back, B.T @ back)


def test_batches_and_blocks(library, S):
    A = matrix((2, 3, 90, 4))
    part = S.cols(40, 130).rows(2, 5)
    a = FROM_NUMPY[library](A)
    close(part @ a, part @ A)
    close(part.apply(FROM_NUMPY[library](A[0, 0].T.copy()), -1), part.apply(A[0, 0].T, -1))
    assert (part @ FROM_NUMPY[library](A[:0])).shape == (0, 3, 3, 4)
    assert not to_numpy(S.cols(7, 7) @ FROM_NUMPY[library](A[0, 0, :0])).any()


@pytest.mark.parametrize("dtype", ["int32", "bool", "float16", "bfloat16"])
def test_other_dtypes(library, S, dtype):
    """Integers become float64; half precision is computed in single, and rounded once."""
    if library == "array_api_strict" and "float" in dtype:
        return  # it has none
    A = np.random.default_rng(3).integers(0, 2, (M, 4))
    a = FROM_NUMPY[library](A)
    if library == "torch":
        a = a.to(getattr(torch, dtype))
    elif library == "jax":
        a = a.astype(dtype)
    else:
        a = array_api_strict.astype(a, getattr(array_api_strict, dtype))
    found = S @ a
    wanted = S @ A.astype("f" if "float" in dtype else "d")
    if "float" not in dtype or S.dtype.kind == "c":
        close(found, wanted, 2.0**-23 if "float" in dtype else None)
        return
    assert found.dtype == a.dtype
    found = found.float() if library == "torch" else found.astype("float32")
    unit = 2.0**-11 if dtype == "float16" else 2.0**-8
    assert np.all(np.abs(to_numpy(found) - wanted) <= unit * np.abs(wanted) + 1e-5)


def test_a_panel_at_a_time(library, monkeypatch):
    from randla.sketch import _operator

    monkeypatch.setattr(_operator, "_PANEL", 64)
    for S in (OPERATORS["sparse"], OPERATORS["gaussian"].cols(0, M)):
        A, B = matrix((M, 3)), matrix((S.d, 3), seed=1)
        close(S @ FROM_NUMPY[library](A), S @ A)
        close(S.T @ FROM_NUMPY[library](B), S.T @ B)


def test_arguments(library, S):
    a = FROM_NUMPY[library](matrix((M + 1, 2)))
    if S.m is not None:
        with pytest.raises(ValueError, match=r"axis 0 of A must have length m = 300, .*got 301"):
            S @ a
    with pytest.raises(np.exceptions.AxisError, match="axis 2"):
        S.apply(a, 2)
    with pytest.raises(TypeError, match="sparse_output is for sparse A"):
        S.apply(a, sparse_output=True)
    if S.dtype.kind != "c":
        with pytest.raises(TypeError, match="out is for NumPy arrays"):
            S.apply(FROM_NUMPY[library](matrix((M, 2))), out=a)


# ---- JAX -----------------------------------------------------------------------------------------


def test_jax_transforms(S):
    A = matrix((M, 5))
    a = jax.numpy.asarray(A)
    back, entries = S.cols(0, M), exact_entries(S)
    close(jax.jit(lambda x: S @ x)(a), S @ A)
    close(jax.jit(lambda x: back.T @ (S @ x))(a), back.T @ (S @ A))
    close(jax.vmap(lambda x: S @ x, 1, 1)(a), S @ A)
    gradient = jax.grad(lambda x: (abs(S @ x) ** 2).sum())
    exact = 2 * (entries.conj().T @ (entries @ A)).real
    close(gradient(a), exact)
    close(jax.jit(gradient)(a), exact)
    value, tangent = jax.jvp(lambda x: S @ x, (a,), (2 * a,))
    close(value, S @ A)
    close(tangent, 2 * (S @ A))


def test_jax_gradient_of_the_adjoint():
    S = OPERATORS["srht"]
    b = jax.numpy.asarray(matrix((20, 3)))
    found = jax.jit(jax.grad(lambda x: jax.numpy.sin(S.T @ x).sum()))(b)
    close(found, S @ np.cos(S.T @ np.asarray(b)))


def test_torch_records_the_reference(monkeypatch):
    """Tensors of a device without kernels are differentiated too."""
    monkeypatch.setattr(dispatch, "adapter", lambda x: None)
    for S in OPERATORS.values():
        x = torch.from_numpy(matrix((M, 2))).requires_grad_()
        (found,) = torch.autograd.grad((S @ x).abs().square().sum(), x)
        entries = exact_entries(S)
        close(found, 2 * (entries.conj().T @ (entries @ x.detach().numpy())).real)
