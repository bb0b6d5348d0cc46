"""randomized_svd of rows that come once, in blocks."""

import numpy as np
import pytest
from svd_gallery import spectra, with_values

import randla
from randla import randomized_svd

CHARS = {"float32": 2e-5, "float64": 1e-12, "complex64": 2e-5, "complex128": 1e-12}


def cut(A, *places):
    return iter(np.split(A, places))


def residual(A, result):
    wide = np.result_type(A, np.float64)
    return np.linalg.norm(A.astype(wide) - (result.U * result.S).astype(wide) @ result.Vh)


@pytest.mark.parametrize("dtype", CHARS)
def test_error_and_its_estimate(dtype):
    """Values 1/i^2: near the best of the rank, and told by ten Gaussian rows."""
    A = with_values(400, 300, spectra(300)["1/i"] ** 2, dtype)
    best = np.linalg.norm((spectra(300)["1/i"] ** 2)[8:])
    ratios, told = [], []
    for seed in range(10):
        result = randomized_svd(cut(A, 7, 7, 150, 399), 8, rng=seed)
        assert result.info.method == "stream"
        assert result.info.passes == 1
        assert {x.dtype for x in (result.U, result.Vh)} == {np.dtype(dtype)}
        for X in (result.U, result.Vh.conj().T):
            assert np.allclose(X.conj().T @ X, np.eye(8), atol=50 * np.finfo(dtype).eps)
        assert (np.diff(result.S) <= 0).all()
        left = residual(A, result)
        ratios.append(left / best)
        told.append(result.info.error_fro / left)
        assert result.info.error_2_bound >= np.linalg.norm(A - (result.U * result.S) @ result.Vh, 2)
    assert np.median(ratios) <= 1.2
    assert max(ratios) <= 1.5
    assert np.sum((np.array(told) > 0.5) & (np.array(told) < 2)) >= 9


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_bits_do_not_depend_on_the_cut(dtype):
    A = with_values(2500, 40, spectra(40)["1/i"], dtype)
    whole = randomized_svd(iter([A]), 5, rng=1)
    for places in ((1,), (1024,), (1023, 1025), tuple(range(0, 2500, 100))):
        result = randomized_svd(cut(A, *places), 5, rng=1)
        for x, y in zip(result, whole, strict=True):
            assert x.tobytes() == y.tobytes()
        assert result.info == whole.info
    other = randomized_svd(iter([A]), 5, rng=2)
    assert not np.array_equal(other.U, whole.U)


@pytest.mark.parametrize("dtype", CHARS)
@pytest.mark.parametrize("shape", [(200, 90), (30, 300), (9, 7), (3, 3)])
def test_what_has_low_rank_is_exact(dtype, shape):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1]))
    A = A.astype(dtype)
    for k in (2, 3):
        result = randomized_svd(cut(A, 1, 2), k, rng=3)
        assert residual(A, result) <= CHARS[dtype] * np.linalg.norm(A)
        assert result.info.error_fro <= 20 * CHARS[dtype] * np.linalg.norm(A)
    zero = randomized_svd(cut(0 * A, 2), 2, rng=3)
    assert not zero.S.any()
    assert np.allclose(zero.U.conj().T @ zero.U, np.eye(2), atol=1e-5)


@pytest.mark.parametrize(("dtype", "power"), [("float32", 100), ("float64", 660)])
def test_scale(dtype, power):
    """Squares of such numbers leave the range; errors and values do not."""
    A = with_values(60, 20, spectra(20)["1/i"], dtype)
    wanted = randomized_svd(cut(A, 9), 3, rng=0)
    for sign in (-1, 1):
        result = randomized_svd(cut(np.ldexp(A, sign * power), 9), 3, rng=0)
        assert np.allclose(np.ldexp(result.S, -sign * power), wanted.S, rtol=1e-5)
        for name in ("error_fro", "error_2_bound"):
            found = np.ldexp(getattr(result.info, name), -sign * power)
            assert np.isclose(found, getattr(wanted.info, name), rtol=1e-3)


def test_signs_dtypes_and_generators():
    A = with_values(60, 20, spectra(20)["exponential"])
    U, S, Vh = randomized_svd((A[i : i + 7] for i in range(0, 60, 7)), 3, rng=0)
    top = np.abs(U).argmax(axis=0)
    assert (U[top, np.arange(3)] > 0).all()
    assert np.allclose((U * S) @ Vh, A, atol=np.linalg.norm(A - (U * S) @ Vh) + 1e-12)
    half = randomized_svd(iter([A.astype("e")]), 3, rng=0)
    assert {x.dtype for x in half} == {np.dtype(np.float16)}
    whole = randomized_svd(iter([[[1, 2], [3, 4]], [[5, 6]]]), 1, rng=0)
    assert whole.S.dtype == np.float64
    one = randomized_svd(iter([[[-3.0]]]), 1, rng=0)
    assert np.allclose([x.item() for x in one], [1, 3, -1])


def test_arguments():
    A = np.eye(6)
    for options, message in (
        ({"rtol": 0.1}, "an iterator of blocks of rows needs k, got rtol"),
        ({"k": 2, "n_iter": 3}, "method and n_iter must be 'auto'"),
        ({"k": 2, "method": "krylov"}, "got 'krylov'"),
        ({"k": 2, "center": True}, "and center False"),
        ({"k": 7}, r"k must be in \[1, 6\] = \[1, min\(m, n\)\], got 7"),
        ({"k": 0}, "k must be in"),
    ):
        with pytest.raises(ValueError, match=message):
            randomized_svd(iter([A]), **options)
    with pytest.raises(ValueError, match=r"k must be in \[1, 3\] = \[1, min\(m, n\)\], got 4"):
        randomized_svd(iter([A[:2], A[:1]]), 4)
    with pytest.raises(ValueError, match="block 1 of A must have 6 columns, got 5"):
        randomized_svd(iter([A, A[:, :5]]), 2)
    with pytest.raises(ValueError, match="block 1 of A must have two dimensions, got 1"):
        randomized_svd(iter([A, A[0]]), 2)
    with pytest.raises(ValueError, match="got an iterator without blocks"):
        randomized_svd(iter([]), 2)
    with pytest.raises(ValueError, match="blocks without columns"):
        randomized_svd(iter([A[:, :0]]), 1)
    with pytest.raises(TypeError, match="block 1 of A is complex, the first one is not"):
        randomized_svd(iter([A, 1j * A]), 2)
    with pytest.raises(np.linalg.LinAlgError, match="block 1 of A has a NaN or an infinity"):
        randomized_svd(iter([A, A * np.nan]), 2)
    for other in (randla.pca, randla.randomized_range_finder):
        with pytest.raises(TypeError, match="an iterator of blocks of rows is for randomized_svd"):
            other(iter([A]), 2)
