"""Linear sketching operators: streams, threads, sparse and broken input."""

import itertools
import re

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from oracles import supported_isa_levels
from sketch_gallery import DENSE, EXACT, MAKE, SAMPLING, SPARSE, close, full, matrix, same_bits

import randla
from randla._cpu import core
from randla.sketch import (
    SRHT,
    Accumulator,
    CountSketch,
    Gaussian,
    Rademacher,
    RowSampling,
    SparseSign,
)


@pytest.fixture(params=list(MAKE))
def name(request):
    return request.param


# ---- the same bits -------------------------------------------------------------------------------


@given(cuts=st.lists(st.integers(0, 700), max_size=8), kind=st.sampled_from(list(MAKE)))
def test_accumulator_has_the_same_bits_for_every_cut(cuts, kind):
    m, n = 700, 5
    S, A = MAKE[kind](40, m, 11), matrix(m, n)
    edges = [0, *sorted(cuts), m]
    acc, reference = S.accumulator(n), S.accumulator(n)
    for i, j in itertools.pairwise(edges):
        acc.update(A[i:j])
    reference.update(A)
    assert acc.rows == m
    assert same_bits(acc.result(), reference.result())
    assert close(acc.result(), S @ A, "d", m)
    if kind in [*SPARSE, "srht"]:
        assert same_bits(acc.result(), S @ A)


@pytest.mark.parametrize("m", [4096, 9000])
def test_accumulator_over_chunks(name, m):
    """Blocks of a transform, of a dense operator, and remainders that wait."""
    S, A = MAKE[name](100, m, 12), matrix(m, 3)
    rng = np.random.default_rng(m)
    results = []
    for _ in range(3):
        acc, at = S.accumulator(3), 0
        while at < m:
            step = int(rng.integers(1, 3000))
            acc.update(A[at : at + step])
            at += step
        results.append(acc.result())
    assert all(same_bits(x, results[0]) for x in results)
    assert close(results[0], full(S) @ A, "d", m)


@pytest.mark.parametrize("char", "fdFD")
def test_accumulator_of_vectors_and_in_between(name, char):
    S = MAKE[name](6, 30, 3)
    x = matrix(30, 1, char)[:, 0]
    acc = S.accumulator(dtype=char)
    assert isinstance(acc, Accumulator)
    for i in range(0, 30, 7):
        acc.update(x[i : i + 7])
        taken = min(i + 7, 30)
        assert acc.rows == taken
        assert close(acc.result(), full(S)[:, :taken] @ x[:taken], char, 30)
    kept = acc.result()
    kept[:] = 0  # a new array each time
    assert acc.result().any()


def test_bad_accumulators(name):
    S = MAKE[name](6, 30, 3)
    acc = S.accumulator(4, np.float32)
    for bad, error, text in [
        (np.zeros((3, 5), "f"), ValueError, r"block must have shape \(rows, 4\), got \(3, 5\)"),
        (np.zeros(4, "f"), ValueError, r"block must have shape \(rows, 4\), got \(4,\)"),
        (np.zeros((31, 4), "f"), ValueError, "block has 31 rows, but only 30 are left"),
        (np.array([["a"] * 4]), TypeError, "block has dtype"),
    ]:
        with pytest.raises(error, match=text):
            acc.update(bad)
    if S.dtype.kind != "c":
        with pytest.raises(TypeError, match="block must have dtype float32, got complex64"):
            acc.update(np.zeros((3, 4), "F"))
    assert acc.rows == 0
    with pytest.raises(ValueError, match=r"block must have shape \(rows,\), got \(3, 1\)"):
        S.accumulator().update(np.zeros((3, 1)))
    with pytest.raises(TypeError, match="dtype must be float32, float64, complex64 or complex128"):
        S.accumulator(3, np.int64)
    with pytest.raises(TypeError, match="n must be an integer, got float"):
        S.accumulator(3.0)
    with pytest.raises(ValueError, match=r"n must be in \[0, \d+\], got -1"):
        S.accumulator(-1)


@pytest.mark.parametrize("shape", [(20000, 40), (70000, 1), (3000, 300)])
def test_threads_change_no_bit(name, shape):
    m, n = shape
    d = 200
    S, A, B = MAKE[name](d, m, 5), matrix(m, n), matrix(d, n)
    results = []
    for threads in (1, 2, 3):
        with randla.num_threads(threads):
            results.append(
                [
                    S @ A,
                    S @ np.asfortranarray(A),
                    S.T @ B,
                    S.T @ np.asfortranarray(B),
                    S.cols(3, 5000).toarray() if m > 5000 else S.toarray(),
                ]
            )
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            assert same_bits(x, y) if name in EXACT else close(x, y, "d", m)
    again = [S @ A, S @ np.asfortranarray(A)]
    assert all(same_bits(x, y) for x, y in zip(again, results[0], strict=False)) or name in DENSE


@pytest.mark.parametrize("threads", [1, 2])
def test_repeated_calls_have_equal_bits(name, threads):
    S, A = MAKE[name](50, 3000, 5), matrix(3000, 30)
    with randla.num_threads(threads):
        first = S @ A
        assert all(same_bits(S @ A, first) for _ in range(4))


def test_levels_have_equal_bits(name):
    S, A, B = MAKE[name](50, 1000, 5), matrix(1000, 21), matrix(50, 21)
    results = []
    for level in supported_isa_levels():
        core.set_isa(level)
        results.append([S.toarray(), S @ A, S @ np.asfortranarray(A), S.T @ B, S @ A[:, 0]])
    core.set_isa("auto")
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            if name.startswith("gaussian"):
                assert close(x, y, "f" if "single" in name else "d", 1000)
            else:
                assert same_bits(x, y)


# ---- what is not finite --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", "CF")
def test_what_is_not_finite(name, value, order):
    m, n = 60, 11
    S, A = MAKE[name](9, m, 21), np.array(matrix(m, n), order=order)
    clean = S @ A
    i, j = 17, 10
    A[i, j] = value
    got = S @ A
    wrong = ~np.isfinite(got)
    assert not wrong[:, :j].any()
    assert same_bits(got[:, :j], clean[:, :j])
    if name in [*SPARSE, *SAMPLING]:
        reached = S.toarray()[:, i] != 0
        assert np.array_equal(wrong[:, j], reached)
        assert same_bits(got[~reached, j], clean[~reached, j])
    else:
        assert wrong[:, j].all()


def test_what_is_not_finite_in_an_adjoint():
    for kind in [*SPARSE, *SAMPLING]:
        S = MAKE[kind](9, 60, 21)
        B = matrix(9, 5)
        B[4, 2] = np.nan
        for y in (B, np.asfortranarray(B)):
            wrong = np.isnan(S.T @ y)
            assert np.array_equal(wrong[:, 2], S.toarray()[4] != 0)
            assert not np.delete(wrong, 2, axis=1).any()


# ---- sparse input --------------------------------------------------------------------------------


def sparse_matrix(m, n, char="d", seed=1):
    rng = np.random.default_rng(seed)
    A = np.where(rng.random((m, n)) < 0.2, rng.integers(-9, 9, (m, n)), 0)
    return (A * (1 + 1j) if char in "FD" else A).astype(char)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "bsr", "dia"])
@pytest.mark.parametrize("char", "fdFDqi")
def test_sparse_arrays(name, form, char):
    A = sparse_matrix(50, 23, char)
    S = MAKE[name](9, 50, 2)
    dense = full(S)
    kind = np.dtype("d") if char in "qi" else np.dtype(char)
    unit = "f" if char in "fF" else "d"
    if S.dtype.kind == "c":
        kind = np.result_type(kind, "F")
    for cls in (getattr(sp, f"{form}_array"), getattr(sp, f"{form}_matrix")):
        X = cls(A)
        before = X.toarray()
        for got, wanted in [
            (S @ X, dense @ A),
            (X.T @ S.T, A.T @ dense.T),
            (S.apply(X, 0), dense @ A),
            (S.apply(cls(A.T), axis=1), A.T @ dense.T),
        ]:
            assert isinstance(got, np.ndarray)
            assert got.dtype == kind
            assert close(got, wanted, unit, 50)
        B = cls(sparse_matrix(9, 4, char))
        assert close(S.T @ B, dense.T @ B.toarray(), unit, 50)
        assert close(B.T @ S, B.toarray().T @ dense, unit, 50)
        assert np.array_equal(X.toarray(), before)


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_unsorted_duplicates_and_wide_indices(name, form, index):
    rng = np.random.default_rng(3)
    m = n = 40
    pointers = np.arange(0, 41 * 6, 6).astype(index)
    indices = rng.integers(0, 40, 240).astype(index)  # unsorted, repeated
    data = rng.integers(-4, 5, 240).astype("d")
    X = getattr(sp, f"{form}_array")((data, indices, pointers), shape=(m, n))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    kept = (X.data.copy(), X.indices.copy(), X.indptr.copy())
    S = MAKE[name](9, m, 2)
    assert close(S @ X, full(S) @ X.toarray(), "d", m)
    assert close(X @ S.T, X.toarray() @ full(S).T, "d", m)
    for before, now in zip(kept, (X.data, X.indices, X.indptr), strict=True):
        assert same_bits(before, now)


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_sparse_blocks_threads_out(name, form):
    A = sparse_matrix(3000, 60)
    X = getattr(sp, f"{form}_array")(A)
    S = MAKE[name](70, 3000, 2)
    part = S.rows(5, 40).cols(100, 2900)
    assert close(part @ X[100:2900], full(part) @ A[100:2900], "d", 3000)
    results = []
    for threads in (1, 2, 3):
        with randla.num_threads(threads):
            results.append(S @ X)
    assert all(same_bits(x, results[0]) for x in results) or name in DENSE
    out = np.ones((70, 60), results[0].dtype)
    assert S.apply(X, out=out, accumulate=True) is out
    assert close(out, results[0] + 1, "d", 3000)
    S.apply(X, out=out)
    assert close(out, results[0], "d", 3000)


def test_sparse_output():
    for kind in [*SPARSE, *SAMPLING]:
        S = MAKE[kind](9, 50, 2)
        for char in "fdFDq":
            A = sparse_matrix(50, 23, char)
            for X in (sp.csr_array(A), sp.csc_matrix(A), sp.coo_array(A)):
                got = S.apply(X, sparse_output=True)
                assert got.format == "csr"
                assert got.dtype == (np.dtype("d") if char == "q" else char)
                assert close(got.toarray(), full(S) @ A, "f" if char in "fF" else "d", 50)
                other = S.apply(X.T, 1, sparse_output=True)
                assert other.format == "csr"
                assert close(other.toarray(), (full(S) @ A).T, "f" if char in "fF" else "d", 50)
        part = S.rows(1, 6).cols(4, 44)
        got = part.apply(sp.csr_array(A[4:44]), sparse_output=True)
        assert close(got.toarray(), full(part) @ A[4:44], "d", 50)
    S, X = SparseSign(9, 50, rng=0), sp.csr_array(sparse_matrix(50, 3))
    with pytest.raises(TypeError, match="sparse_output makes a new array: out must be None"):
        S.apply(X, sparse_output=True, out=np.zeros((9, 3)))
    with pytest.raises(TypeError, match="sparse_output is for sparse A, got ndarray"):
        S.apply(X.toarray(), sparse_output=True)
    for kind in [*DENSE, "srht"]:
        with pytest.raises(TypeError, match=r"sparse_output is for sparse operators; .* is dense"):
            MAKE[kind](9, 50, 2).apply(X, sparse_output=True)


def test_sparse_arrays_that_are_empty_or_broken(name):
    S = MAKE[name](9, 50, 2)
    for shape in ((50, 0), (50, 4)):
        for form in ("csr", "csc", "coo"):
            got = S @ getattr(sp, f"{form}_array")(shape)
            assert got.shape == (9, shape[1])
            assert not got.any()
    X = sp.csr_array(sparse_matrix(50, 4))
    X.indices = X.indices.copy()
    X.indices[0] = 77
    with pytest.raises(ValueError, match="A is a broken sparse array"):
        S @ X
    with pytest.raises(ValueError, match="axis 0 of A must have length m = 50"):
        S @ sp.csr_array((49, 4))
    with pytest.raises(ValueError, match="a sparse A must have 2 dimensions, got 1"):
        S @ sp.coo_array(np.ones(50))


def test_sparse_with_nan():
    S = SparseSign(9, 50, 3, rng=2)
    A = sparse_matrix(50, 4)
    A[7, 1] = np.nan
    for X in (sp.csr_array(A), sp.csc_array(A)):
        wrong = np.isnan(S @ X)
        assert np.array_equal(wrong[:, 1], S.toarray()[:, 7] != 0)
        assert wrong[:, [0, 2, 3]].sum() == 0


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Gaussian, Rademacher, SparseSign, CountSketch, SRHT, RowSampling])
def test_bad_sizes(make):
    for d, error, text in [
        (0, ValueError, r"d must be in \[1, 1073741824\], got 0"),
        (-3, ValueError, r"d must be in \[1, 1073741824\], got -3"),
        (2**30 + 1, ValueError, rf"d must be in \[1, 1073741824\], got {2**30 + 1}"),
        (2.0, TypeError, "d must be an integer, got float"),
        (True, TypeError, "d must be an integer, got bool"),
        ("2", TypeError, "d must be an integer, got str"),
        (None, TypeError, "d must be an integer, got NoneType"),
    ]:
        with pytest.raises(error, match=text):
            make(d, 8)
    for m, error, text in [
        (0, ValueError, r"m must be in \[1, \d+\], got 0"),
        (8.0, TypeError, "m must be an integer, got float"),
    ]:
        with pytest.raises(error, match=text):
            make(1, m)
    with pytest.raises(TypeError, match="rng must be None, an int, a Generator"):
        make(1, 8, rng="seed")
    with pytest.raises(ValueError, match=r"key must be in \[0, 2\*\*64\), got -1"):
        make(1, 8, rng=-1)
    assert make(np.int64(2), np.int32(8), rng=np.int64(1)) == make(2, 8, rng=1)


def test_bad_parameters():
    for nnz, error, text in [
        (0, ValueError, r"nnz must be in \[1, 5\] \(d\), got 0"),
        (6, ValueError, r"nnz must be in \[1, 5\] \(d\), got 6"),
        (1.0, TypeError, "nnz must be an integer, got float"),
    ]:
        with pytest.raises(error, match=text):
            SparseSign(5, 9, nnz)
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got int64"):
        Gaussian(5, 9, np.int64)
    with pytest.raises(
        ValueError, match=r"d must be in \[1, 16\] \(the power of two from m = 9 up\), got 17"
    ):
        SRHT(17, 9)
    assert SRHT(16, 9).shape == (16, 9)
    with pytest.raises(
        ValueError, match=r"d must be in \[1, 9\] \(m: without p, rows are distinct\)"
    ):
        RowSampling(10, 9)


def test_bad_lengths(name):
    S = MAKE[name](5, 9, 0)
    cls = type(S).__name__
    for call, where, letter, wanted, got in [
        (lambda: S @ np.zeros((8, 2)), "axis 0 of A", "m", 9, 8),
        (lambda: S @ np.zeros(5), "axis 0 of A", "m", 9, 5),
        (lambda: np.zeros((2, 5)) @ S.T, "axis 1 of A", "m", 9, 5),
        (lambda: S.T @ np.zeros((9, 2)), "axis 0 of A", "d", 5, 9),
        (lambda: np.zeros((2, 9)) @ S, "axis 1 of A", "d", 5, 9),
        (lambda: S.apply(np.zeros((3, 8, 2)), 1), "axis 1 of A", "m", 9, 8),
    ]:
        text = f"{where} must have length {letter} = {wanted}, as {cls} has, got {got}"
        with pytest.raises(ValueError, match=re.escape(text)):
            call()


def test_results_that_no_memory_holds():
    huge = np.broadcast_to(np.zeros(1), (9, 2**40))
    with pytest.raises(MemoryError):
        SparseSign(2**30, 9) @ huge
    with pytest.raises(MemoryError, match="S has shape"):
        SparseSign(2**30, 2**40).toarray()
