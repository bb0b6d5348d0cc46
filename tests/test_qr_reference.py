"""The reference rung of qr, on every array library there is, against the kernels."""

import array_api_strict
import jax
import numpy as np
import pytest
import qr_gallery
import torch

import randla
from randla._core.dispatch import to_numpy
from randla._core.random import Stream
from randla._qr import Plan, _reference

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


def call(library, A, pivoting=True, mode="economic", k=None, rtol=None, method="cqrrpt", rng=0):
    x = FROM_NUMPY[library](A)
    result = _reference(x, Plan(x, pivoting, mode, k, rtol, method), Stream(rng))
    for part in result:
        assert part is None or type(part) is type(x)
    return result


def on_host(result):
    kind = type(result)
    return kind(*(None if x is None else to_numpy(x) for x in result))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_agrees_with_the_kernels(library, dtype):
    if library == "jax" and dtype not in ("float64", "complex64"):
        return  # it compiles each operation for each dtype
    A = random_matrix((300, 20), dtype)
    for pivoting, method in (
        (True, "cqrrpt"),
        (True, "householder"),
        (False, "cqrrt"),
        (False, "householder"),
        (False, "cholqr2"),
        (False, "cholqr3"),
    ):
        found = call(library, A, pivoting, method=method)
        assert found.info.method == method
        if method.startswith("chol"):
            wanted = randla.cholesky_qr(A, method=method)
        else:
            wanted = randla.qr(A, pivoting=pivoting, method=method, rng=0)
        assert found.rank == wanted.rank == 20
        assert str(found.Q.dtype).endswith(dtype)
        result = on_host(found)
        orth, off = qr_gallery.figures(A, result)
        assert orth <= 50
        assert off <= 50
        if pivoting:  # the sketch is the same on every library
            assert (result.P == wanted.P).all()
        tolerance = 1e3 * np.finfo(A.dtype).eps
        np.testing.assert_allclose(result.R, wanted.R, atol=tolerance * np.abs(wanted.R).max())


@pytest.mark.parametrize(
    "name",
    [
        "exact low rank",
        "kappa 1e18",
        "[I; 0]",
        "duplicate columns",
        "zero",
        "times 1e-200",
        "first column zero",
        "Kahan",
    ],
)
@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict"])
def test_gallery(library, name):
    A = qr_gallery.build(name, "float64", "C", 400, 40, 0)
    for pivoting, method in ((True, "cqrrpt"), (False, "cqrrt"), (False, "cholqr2")):
        result = on_host(call(library, A, pivoting, method=method))
        orth, off = qr_gallery.figures(A, result)
        assert orth <= 50, method
        assert off <= 50, method
        if pivoting:
            rank = call(library, A).rank
            low, high = qr_gallery.allowed_ranks(name, A)
            assert low <= rank <= high


@pytest.mark.parametrize("library", LIBRARIES)
def test_truncation_batches_and_empty_matrices(library):
    A = random_matrix((2, 60, 6))
    A[1, :, 5] = A[1, :, 0]
    result = call(library, A)
    assert tuple(result.Q.shape) == (2, 60, 6)
    assert result.rank.tolist() == [6, 5]
    assert result.info.attempts.shape == (2,)
    few = call(library, A[1], mode="truncated")
    assert tuple(few.R.shape) == (5, 6)
    assert tuple(call(library, A, k=3).Q.shape) == (2, 60, 3)
    assert call(library, A[0], mode="r").Q is None
    assert tuple(call(library, A[:0]).R.shape) == (0, 6, 6)
    empty = call(library, A[0][:, :0])
    assert tuple(empty.Q.shape) == (60, 0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_not_finite_is_named(library):
    A = random_matrix((3, 30, 4))
    A[2, 3, 1] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(2,\) of A has a NaN"):
        call(library, A)


def test_public_functions_reach_it():
    x = torch.from_numpy(random_matrix((300, 20)))
    for result in (randla.qr(x, pivoting=True, rng=0), randla.qr(x, rng=0), randla.cholesky_qr(x)):
        assert isinstance(result.Q, torch.Tensor)
    y = jax.numpy.asarray(x.numpy())
    assert isinstance(randla.qr(y, rng=0).R, jax.Array)
