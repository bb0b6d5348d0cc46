"""Interpolative and CUR decompositions: every sentence of the docstrings."""

import pickle

import numpy as np
import pytest
import scipy.linalg

import randla

DTYPES = ["float32", "float64", "complex64", "complex128"]


def matrix(m, n, decay, dtype="float64", seed=0):
    """Singular values decay**i."""
    rng = np.random.default_rng(seed)
    parts = [rng.standard_normal((k, min(m, n))) for k in (m, n)]
    if np.dtype(dtype).kind == "c":
        parts = [x + 1j * rng.standard_normal(x.shape) for x in parts]
    U, V = (np.linalg.qr(x)[0] for x in parts)
    return ((U * decay ** np.arange(min(m, n))) @ V.conj().T).astype(dtype)


def error(A, approximation):
    return np.linalg.norm(A - approximation) / np.linalg.norm(A)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(400, 60), (60, 400), (50, 50)])
def test_nearly_as_good_as_pivoted_qr(shape, dtype, fast):
    A, k = matrix(*shape, 0.8, dtype), 20
    for layout in "CF":
        for axis in (0, 1):
            B = np.asarray(A, order=layout)
            result = randla.interpolative(B, k, axis=axis, fast=fast, rng=1)
            indices, coefficients = result
            assert result.rank == k
            assert sorted(set(indices.tolist())) == sorted(indices.tolist())
            assert indices.dtype == np.int64
            assert coefficients.dtype == A.dtype
            chosen = coefficients[:, indices] if axis else coefficients[indices]
            assert np.array_equal(chosen, np.eye(k, dtype=dtype))
            product = A[:, indices] @ coefficients if axis else coefficients @ A[indices]
            found = error(A, product)
            R = scipy.linalg.qr(A if axis else A.T, mode="r", pivoting=True)[0]
            best = np.linalg.norm(R[k:]) / np.linalg.norm(R)
            assert found <= (4 if fast else 2) * best
            assert found / 3 <= result.info.error_estimate <= 3 * found
            assert result.info.method == ("sketch" if fast else result.info.method)


def test_as_many_as_a_tolerance_asks_for():
    A = matrix(300, 40, 0.5)
    for fast in (False, True):
        for rtol in (1e-2, 1e-6):
            result = randla.interpolative(A, rtol=rtol, fast=fast, rng=0)
            wanted = np.log(rtol) / np.log(0.5)
            assert abs(result.rank - wanted) <= 4
            assert error(A, A[:, result.indices] @ result.coefficients) <= 10 * rtol


@pytest.mark.parametrize("fast", [False, True])
def test_exact_rank_zeros_and_the_smallest_shapes(fast):
    A = matrix(100, 5, 0.9) @ matrix(5, 80, 0.9, seed=1)
    for k in (5, 30, 80):  # no more columns than the rank
        result = randla.interpolative(A, k, fast=fast, rng=0)
        assert result.rank == 5
        assert error(A, A[:, result.indices] @ result.coefficients) < 1e-13
    zero = randla.interpolative(np.zeros((7, 4)), 3, fast=fast)
    assert zero.rank == 0
    assert zero.indices.shape == (0,)
    assert zero.coefficients.shape == (0, 4)
    assert zero.info.error_estimate == 0
    # scipy issue 23195: one row
    row = np.random.default_rng(0).standard_normal((1, 4))
    for axis in (0, 1):
        result = randla.interpolative(row, rtol=1e-12, axis=axis, fast=fast)
        assert result.rank == 1
        indices, T = result
        np.testing.assert_allclose(row[:, indices] @ T if axis else T @ row[indices], row)
    full = randla.interpolative(A[:, :3], 3, fast=fast)
    assert error(A[:, :3], A[:, full.indices] @ full.coefficients) < 1e-13
    one = randla.interpolative(np.array([[2.0]]), 1, fast=fast)
    assert one.indices.tolist() == [0]
    assert one.coefficients.tolist() == [[1.0]]


def test_bad_input():
    A = matrix(8, 6, 0.5)
    for function in (randla.interpolative, randla.cur):
        # scipy issue 20452: k too high
        with pytest.raises(ValueError, match=r"k must be in \[1, 6\] = \[1, min\(m, n\)\].*got 10"):
            function(A, 10)
        with pytest.raises(ValueError, match="k must be in"):
            function(A, 0)
        with pytest.raises(TypeError, match="k must be an integer"):
            function(A, 2.0)
        with pytest.raises(ValueError, match="exactly one of k and rtol"):
            function(A)
        with pytest.raises(ValueError, match="exactly one of k and rtol"):
            function(A, 2, rtol=0.1)
        with pytest.raises(ValueError, match=r"rtol must be in \[0, 1\)"):
            function(A, rtol=1)
        with pytest.raises(ValueError, match=r"A must have shape \(m, n\)"):
            function(A[0], 1)
        with pytest.raises(np.linalg.LinAlgError, match="NaN or an infinity"):
            function(A * np.nan, 2)
    with pytest.raises(np.exceptions.AxisError):
        randla.interpolative(A, 2, axis=2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(300, 60), (60, 300)])
def test_cur(shape, dtype):
    A, k = matrix(*shape, 0.7, dtype), 15
    result = randla.cur(A, k, rng=1)
    C, U, R = result
    assert np.array_equal(C, A[:, result.columns])
    assert np.array_equal(R, A[result.rows])
    assert U.shape == (k, k)
    assert {x.dtype for x in result} == {np.dtype(dtype)}
    assert result.rank == k
    found = error(A, C @ U @ R)
    best = np.linalg.norm(0.7 ** np.arange(k, 60)) / np.linalg.norm(0.7 ** np.arange(60))
    assert found <= 6 * best
    assert found / 3 <= result.info.error_estimate <= 3 * found
    # U is the best one
    if dtype == "float64":
        wanted = np.linalg.pinv(C) @ A @ np.linalg.pinv(R)
        assert found <= error(A, C @ wanted @ R) * (1 + 1e-8)


def test_cur_of_exact_rank_zeros_and_a_tolerance():
    A = matrix(100, 5, 0.9) @ matrix(5, 80, 0.9, seed=1)
    for result in (randla.cur(A, 20, rng=0), randla.cur(A, rtol=1e-10, rng=0)):
        assert result.rank == 5
        assert error(A, result.C @ result.U @ result.R) < 1e-12
    zero = randla.cur(np.zeros((7, 4)), 2)
    assert [x.shape for x in zero] == [(7, 0), (0, 0), (0, 4)]
    row = randla.cur(np.array([[1.0, 2.0, 0.0]]), 1)
    np.testing.assert_allclose(row.C @ row.U @ row.R, [[1, 2, 0]], atol=1e-15)


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_large_and_small_numbers(factor):
    A = matrix(60, 30, 0.6)
    wanted = randla.interpolative(A, 8, rng=0)
    found = randla.interpolative(A * factor, 8, rng=0)
    assert np.array_equal(wanted.indices, found.indices)
    np.testing.assert_allclose(wanted.coefficients, found.coefficients, atol=1e-12)
    np.testing.assert_allclose(wanted.info.error_estimate, found.info.error_estimate, rtol=1e-6)
    result = randla.cur(A * factor, 8, rng=0)
    np.testing.assert_allclose(
        result.C / factor @ (result.U * factor) @ (result.R / factor), A, atol=0.1
    )


def test_half_precision_integers_and_pickles():
    result = randla.interpolative(np.arange(12).reshape(3, 4), 2)
    assert result.coefficients.dtype == np.float64
    half = randla.cur(matrix(9, 5, 0.5).astype(np.float16), 2)
    assert half.U.dtype == np.float16
    again = pickle.loads(pickle.dumps(result))
    assert again.info == result.info
    assert np.array_equal(again.indices, result.indices)
