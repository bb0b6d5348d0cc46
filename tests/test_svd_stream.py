"""StreamingSVD, and randomized_svd and pca of rows that come once, in blocks."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from svd_gallery import spectra, with_values

import randla
from randla import StreamingSVD, pca, randomized_svd

CHARS = {"float32": 2e-5, "float64": 1e-12, "complex64": 2e-5, "complex128": 1e-12}


def cut(A, *places):
    return iter(np.split(A, places))


def streamed(A, k, places=(), **options):
    stream = StreamingSVD(A.shape[1], k, **options)
    for block in np.split(A, places):
        stream.update_rows(block)
    return stream


def residual(A, result):
    wide = np.result_type(A, np.float64)
    return np.linalg.norm(A.astype(wide) - (result.U * result.S).astype(wide) @ result.Vh)


def same(one, other):
    return all(x.tobytes() == y.tobytes() for x, y in zip(one, other, strict=True))


def sparse_rows(s, m, n):
    """Singular vectors are columns of unit matrices: the rows could not be more unequal."""
    rng = np.random.default_rng(0)
    A = np.zeros((m, n))
    A[rng.permutation(m)[: len(s)], rng.permutation(n)[: len(s)]] = s
    return A


def one_huge_row(s, m, n):
    A = with_values(m, n, s)
    A[m // 2] *= 1000
    return A


@pytest.mark.parametrize("dtype", CHARS)
def test_error_and_its_estimate(dtype):
    """Values 1/i^2: near the best of the rank, and told by parts that check each other."""
    A = with_values(400, 300, spectra(300)["1/i"] ** 2, dtype)
    best = np.linalg.norm((spectra(300)["1/i"] ** 2)[8:])
    for seed in range(10):
        result = randomized_svd(cut(A, 7, 7, 150, 399), 8, rng=seed)
        assert result.info.method == "stream"
        assert result.info.passes == 1
        assert {x.dtype for x in (result.U, result.Vh)} == {np.dtype(dtype)}
        for X in (result.U, result.Vh.conj().T):
            assert np.allclose(X.conj().T @ X, np.eye(8), atol=50 * np.finfo(dtype).eps)
        assert (np.diff(result.S) <= 0).all()
        left = residual(A, result)
        assert left <= 1.2 * best
        assert left / 1.5 <= result.info.error_fro <= 1.5 * left
        assert result.info.error_2_bound >= np.linalg.norm(A - (result.U * result.S) @ result.Vh, 2)


@pytest.mark.parametrize("shape", [(300, 1000, 3), (1500, 200, 10), (200, 200, 1)])
@pytest.mark.parametrize("make", [with_values, sparse_rows, one_huge_row])
@pytest.mark.parametrize(("power", "factor"), [(2, 1.2), (1, 1.3)])
def test_error_of_unequal_rows(make, shape, power, factor):
    """Measured: 1.06 and 1.15 at most, where four sketches gave 1.08 and 1.65."""
    m, n, k = shape
    A = make(m, n, spectra(200)["1/i"] ** power) if make is with_values else make(
        spectra(200)["1/i"] ** power, m, n
    )  # fmt: skip
    best = np.linalg.norm(np.linalg.svd(A, compute_uv=False)[k:])
    for seed in range(5):
        result = streamed(A, k, [m // 3], rng=seed).result()
        left = residual(A, result)
        assert left <= factor * best
        assert left / 1.5 <= result.info.error_fro <= 1.5 * left


def test_error_of_noise():
    """Where values hardly decay the estimate says so; the error was 1.4 to 1.7 with 4 sketches."""
    A = with_values(2000, 300, np.where(np.arange(300) < 10, 1, 0.1))
    best = 0.1 * np.sqrt(290)
    for seed in range(3):
        result = streamed(A, 10, rng=seed).result()
        left = residual(A, result)
        assert left <= 1.3 * best
        assert left / 1.1 <= result.info.error_fro <= 1.1 * left


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("n", [1, 40])
def test_bits_do_not_depend_on_the_cut(dtype, n):
    A = with_values(2500, n, spectra(n)["1/i"], dtype) + np.asarray(0.1, dtype)
    k = min(n, 5)
    for left in (True, False):
        whole = streamed(A, k, left=left, rng=1)
        for places in ((1,), (1024,), (1023, 2049), tuple(range(0, 2500, 100))):
            part = streamed(A, k, places, left=left, rng=1)
            first = 0 if left else 1
            for one, other in ((whole.result(), part.result()), (whole.pca(), part.pca())):
                assert same(one[first:], other[first:])
                assert one.info == other.info
            assert same([whole.pca().mean], [part.pca().mean])
    result = randomized_svd(iter([A]), k, rng=1)
    assert same(result, streamed(A, k, [9], rng=1).result())
    if n > 1:
        assert not np.array_equal(randomized_svd(iter([A]), k, rng=2).U, result.U)


def test_bits_of_long_blocks_and_layouts():
    """Rows are taken a panel of 8 MB at a time; any layout and kind of array has the same sums."""
    A = np.random.default_rng(0).standard_normal((2300, 500))
    A[np.abs(A) < 1.5] = 0
    whole = streamed(A, 2, rng=0)
    kinds = (
        np.asfortranarray(A),
        np.repeat(A, 2, axis=1)[:, ::2],
        sp.csr_array(A),
        sp.csc_array(A),
    )
    for other in kinds:
        stream = StreamingSVD(500, 2, rng=0)
        stream.update_rows(other)
        assert same(stream.result(), whole.result())


def test_results_in_between():
    A = with_values(60, 20, spectra(20)["1/i"])
    stream = streamed(A[:30], 3, rng=0)
    before = stream.result()
    assert same(before, stream.result())
    stream.update_rows(A[30:])
    assert same(stream.result(), streamed(A, 3, rng=0).result())
    assert same(before, streamed(A[:30], 3, rng=0).result())
    assert stream.shape == (60, 20)


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
        values = streamed(A, k, left=False, rng=3).result()
        assert values.U is None
        assert np.allclose(values.S, result.S, atol=20 * CHARS[dtype] * result.S[0])
    zero = randomized_svd(cut(0 * A, 2), 2, rng=3)
    assert not zero.S.any()
    assert np.allclose(zero.U.conj().T @ zero.U, np.eye(2), atol=1e-5)


@pytest.mark.parametrize(("dtype", "power"), [("float32", 100), ("float64", 660)])
def test_scale(dtype, power):
    """Squares of such numbers leave the range; errors and values do not."""
    A = with_values(60, 20, spectra(20)["1/i"], dtype)
    for name in ("result", "pca"):
        wanted = getattr(streamed(A, 3, [9], rng=0), name)()
        for sign in (-1, 1):
            result = getattr(streamed(np.ldexp(A, sign * power), 3, [9], rng=0), name)()
            assert np.allclose(np.ldexp(result.S, -sign * power), wanted.S, rtol=1e-5)
            for error in ("error_fro", "error_2_bound"):
                found = np.ldexp(getattr(result.info, error), -sign * power)
                assert np.isclose(found, getattr(wanted.info, error), rtol=1e-3)


def test_beyond_the_range():
    stream = streamed(np.full((9, 9), 1e308), 1, rng=0)
    with pytest.raises(np.linalg.LinAlgError, match="beyond the range of its dtype"):
        stream.result()


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
    # the first block decides, unless the dtype is given
    stream = streamed(A.astype("f"), 3, rng=0)
    stream.update_rows(A)
    assert stream.dtype == stream.result().U.dtype == np.float32
    mixed = StreamingSVD(20, 3, dtype="complex64", rng=0)
    mixed.update_rows(A)
    mixed.update_rows(1j * A)
    assert mixed.result().U.dtype == np.complex64


# ---- means ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", CHARS)
@pytest.mark.parametrize("left", [True, False])
def test_pca_of_low_rank(dtype, left):
    """Exactly subtracted means: what is left has rank 3, and so has the decomposition."""
    A = with_values(3000, 80, [4, 2, 1], dtype, seed=2) + np.linspace(-1, 2, 80).astype(dtype)
    exact = A.astype(np.result_type(A, np.float64))
    mean = exact.mean(axis=0)
    exact = exact - mean
    wanted = np.linalg.svd(exact, compute_uv=False)[:3]
    result = streamed(A, 3, [1, 700, 2500], left=left, rng=0).pca()
    close = 200 * np.finfo(dtype).eps * np.linalg.norm(A)
    assert np.allclose(result.mean, mean, atol=20 * np.finfo(dtype).eps)
    assert np.allclose(result.S, wanted, atol=close)
    assert np.allclose(exact @ result.Vh.conj().T @ result.Vh, exact, atol=close)
    if left:
        assert np.allclose((result.U * result.S) @ result.Vh, exact, atol=close)
    assert np.allclose(result.explained_variance, wanted**2 / 2999, rtol=1e-3)
    assert np.isclose(result.explained_variance_ratio.sum(), 1, rtol=1e-3)
    assert np.isclose(
        result.info.cancellation, np.sqrt(3000) * np.linalg.norm(mean) / np.sqrt(21), rtol=1e-2
    )


def test_pca_of_an_iterator():
    A = with_values(500, 60, spectra(60)["1/i"] ** 2) + 5
    result = pca(cut(A, 100, 101), 4, rng=0)
    exact = pca(A, 4, method="exact")
    assert np.allclose(result.S, exact.S, rtol=1e-2)
    assert np.allclose(result.explained_variance_ratio, exact.explained_variance_ratio, rtol=2e-2)
    assert np.allclose(result.mean, exact.mean)
    assert same(result, streamed(A, 4, rng=0).pca())


def test_means_are_summed_in_double_precision():
    A = np.full((20_000, 2), 0.1, np.float32)
    A[:, 1] += np.random.default_rng(0).standard_normal(20_000).astype("f")
    result = streamed(A, 1, left=False, rng=0).pca()
    assert np.abs(result.mean - A.astype(float).mean(axis=0)).max() <= 1e-7


# ---- sums of streams -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", CHARS)
@pytest.mark.parametrize("left", [True, False])
def test_streams_of_rows_add_up(dtype, left):
    A = with_values(300, 40, spectra(40)["1/i"] ** 2, dtype) + np.asarray(0.01, dtype)
    whole = streamed(A, 4, left=left, rng=7)
    ends = [0, 90, 200, 300]
    parts = [
        streamed(A[i:j], 4, first_row=i, left=left, rng=7) for i, j in itertools.pairwise(ends)
    ]
    a, b, c = parts
    before = a.result()
    close = 100 * np.finfo(dtype).eps
    for total in ((a + b) + c, a + (b + c)):
        assert total.shape == (300, 40)
        for one, other in ((total.result(), whole.result()), (total.pca(), whole.pca())):
            assert np.allclose(one.S, other.S, atol=close)
            projection = one.Vh[:3].conj().T @ one.Vh[:3]
            assert np.allclose(projection, other.Vh[:3].conj().T @ other.Vh[:3], atol=50 * close)
            if left:
                back = (other.U * other.S) @ other.Vh
                assert np.allclose((one.U * one.S) @ one.Vh, back, atol=close)
    first = 0 if left else 1
    assert same((a + b + c).result()[first:], (a + b + c).result()[first:])
    assert same(before[first:], a.result()[first:])
    # rows may follow, and what was added stays as it was
    grown = a + b
    grown.update_rows(A[200:])
    assert np.allclose(grown.result().S, whole.result().S, atol=close)
    assert (a + b).shape == (200, 40)
    # streams without rows
    empty = StreamingSVD(40, 4, first_row=300, left=left, rng=7)
    assert same((whole + empty).result()[first:], whole.result()[first:])
    assert same((StreamingSVD(40, 4, left=left, rng=7) + whole).result()[first:],
                whole.result()[first:])  # fmt: skip


def test_streams_that_do_not_go_together():
    A = np.eye(6)
    stream = streamed(A, 2, rng=0)
    for options, message in (
        ({"rank": 3, "n": 6}, "the same rank, got 2 and 3"),
        ({"rank": 2, "n": 7}, "the same n, got 6 and 7"),
        ({"rank": 2, "n": 6, "rng": 1}, r"the same stream, got Stream\(key=0, .*key=1"),
        ({"rank": 2, "n": 6, "dtype": "f"}, "the same dtype, got float64 and float32"),
        ({"rank": 2, "n": 6, "m": 20}, "the same m, got None and 20"),
        ({"rank": 2, "n": 6, "left": False}, "the same left, got True and False"),
        ({"rank": 2, "n": 6}, "must have first_row = 6, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            stream + StreamingSVD(**({"rng": 0} | options))
    with pytest.raises(TypeError):
        stream + 1
    short = [streamed(A, 2, m=10, first_row=i, rng=0) for i in (0, 6)]
    with pytest.raises(ValueError, match="12 rows together, which is more than 10"):
        short[0] + short[1]


def test_pickle_and_repr():
    A = with_values(50, 20, spectra(20)["1/i"])
    stream = streamed(A, 3, rng=5)
    other = pickle.loads(pickle.dumps(stream))
    stream.update_rows(A)
    other.update_rows(A)
    assert same(stream.result(), other.result())
    assert repr(stream) == (
        "StreamingSVD(20, 3, dtype=float64, rng=Stream(key=5, offset=0)) of 100 rows"
    )
    assert repr(StreamingSVD(20, 3, m=9, first_row=4, left=False, rng=5)) == (
        "StreamingSVD(20, 3, m=9, first_row=4, left=False, rng=Stream(key=5, offset=0)) of 0 rows"
    )
    assert pickle.loads(pickle.dumps(StreamingSVD(20, 3, rng=5))).shape == (0, 20)


# ---- update --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", CHARS)
def test_update_of_the_whole(dtype):
    A, H = (with_values(200, 50, spectra(50)["1/i"] ** 2, dtype, seed) for seed in (0, 1))
    stream = StreamingSVD(50, 4, m=200, rng=0)
    stream.update(3, A)
    stream.update(-0.5, H, 2)
    total = -0.5 * A + 2 * H
    wanted = streamed(total.astype(dtype), 4, rng=0)
    close = 100 * np.finfo(dtype).eps
    for name in ("result", "pca"):
        one, other = getattr(stream, name)(), getattr(wanted, name)()
        assert np.allclose((one.U * one.S) @ one.Vh, (other.U * other.S) @ other.Vh, atol=close)
    assert np.isclose(stream.pca().explained_variance_ratio.sum(), 1, atol=0.1)
    # of summands: A + H
    parts = [StreamingSVD(50, 4, m=200, rng=0) for _ in range(2)]
    for part, X in zip(parts, (A, H), strict=True):
        part.update(0, sp.csr_array(X))
    one, other = (parts[0] + parts[1]).result(), streamed((A + H), 4, rng=0).result()
    assert np.allclose((one.U * one.S) @ one.Vh, (other.U * other.S) @ other.Vh, atol=close)
    # all rows by blocks, then a change
    rows = streamed(A, 4, [30], m=200, rng=0)
    rows.update(1, H)
    one = rows.result()
    assert np.allclose((one.U * one.S) @ one.Vh, (other.U * other.S) @ other.Vh, atol=close)


def test_update_refuses():
    A = np.eye(6)
    with pytest.raises(ValueError, match="update needs a stream that was made with m="):
        StreamingSVD(6, 2).update(1, A)
    stream = StreamingSVD(6, 2, m=6, rng=0)
    with pytest.raises(ValueError, match=r"H must have shape \(6, 6\), got \(5, 6\)"):
        stream.update(1, A[:5])
    with pytest.raises(TypeError, match="nu is complex, what came first is not"):
        stream.update(1, A, 1j)
    with pytest.raises(TypeError, match="eta must be a number, got str"):
        stream.update("1", A)
    with pytest.raises(np.linalg.LinAlgError, match="eta is not finite"):
        stream.update(np.inf, A)
    with pytest.raises(np.linalg.LinAlgError, match="H has a NaN or an infinity"):
        stream.update(1, A * np.nan)
    assert stream.shape == (0, 6)
    assert stream.dtype is None
    stream.update(1, A)
    with pytest.raises(ValueError, match="all 6 rows have come by update"):
        stream.update_rows(A)
    part = streamed(A[:2], 2, m=6, rng=0)
    with pytest.raises(ValueError, match="update needs all m = 6 rows or none, got 2"):
        part.update(1, A)
    with pytest.raises(ValueError, match="one stream has all of its rows by update"):
        stream + part


# ---- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [5, 2300])
def test_what_is_not_finite_leaves_the_stream_as_it_was(bad, rows):
    """In the last of several panels, too: those before it are not kept."""
    A = np.random.default_rng(0).standard_normal((rows, 500))
    stream = streamed(A[:4], 2, rng=0)
    before = stream.result()
    for where in (0, rows - 1):
        block = A.copy()
        block[where, 3] = bad
        with pytest.raises(np.linalg.LinAlgError, match="block has a NaN or an infinity"):
            stream.update_rows(block)
        assert stream.shape == (4, 500)
        assert same(stream.result(), before)
    fresh = StreamingSVD(500, 2, rng=0)
    with pytest.raises(np.linalg.LinAlgError):
        fresh.update_rows(block)
    assert fresh.dtype is None


def test_arguments_of_streams():
    A = np.eye(6)
    for options, kind, message in (
        ({"n": 0, "rank": 1}, ValueError, "n must be in"),
        ({"n": 6, "rank": 7}, ValueError, r"rank must be in \[1, 6\] = \[1, min\(m, n\)\], got 7"),
        ({"n": 6, "rank": 4, "m": 3}, ValueError, r"rank must be in \[1, 3\]"),
        ({"n": 6.0, "rank": 1}, TypeError, "n must be an integer"),
        ({"n": 6, "rank": 1, "first_row": -1}, ValueError, "first_row must be in"),
        ({"n": 6, "rank": 1, "left": 1}, TypeError, "left must be True or False, got int"),
        ({"n": 6, "rank": 1, "dtype": "O"}, TypeError, "dtype has dtype object"),
    ):
        with pytest.raises(kind, match=message):
            StreamingSVD(**options)
    stream = StreamingSVD(6, 2, m=7, rng=0)
    with pytest.raises(ValueError, match=r"rank must be in \[1, 0\]"):
        stream.result()
    with pytest.raises(ValueError, match="principal components need 2 rows, got 0"):
        stream.pca()
    with pytest.raises(ValueError, match="block must have 6 columns, got 5"):
        stream.update_rows(A[:, :5])
    with pytest.raises(ValueError, match="block must have two dimensions, got 1"):
        stream.update_rows(A[0])
    stream.update_rows(A)
    stream.update_rows(A[:0])
    with pytest.raises(TypeError, match="block is complex, what came first is not"):
        stream.update_rows(1j * A[:1])
    with pytest.raises(ValueError, match="block has 2 rows, but only 1 of m = 7 are left"):
        stream.update_rows(A[:2])
    with pytest.raises(TypeError, match="expected float16"):
        stream.update_rows(A.astype("g"))


def test_arguments_of_iterators():
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
    with pytest.raises(TypeError, match="block 1 of A is complex, what came first is not"):
        randomized_svd(iter([A, 1j * A]), 2)
    with pytest.raises(np.linalg.LinAlgError, match="block 1 of A has a NaN or an infinity"):
        randomized_svd(iter([A, A * np.nan]), 2)
    with pytest.raises(ValueError, match="principal components need 2 rows, got 1"):
        pca(iter([A[:1]]), 1)
    with pytest.raises(TypeError, match="is for randomized_svd and pca"):
        randla.randomized_range_finder(iter([A]), 2)


def test_changes_of_rows_that_others_precede():
    A = with_values(60, 20, np.ones(3))
    stream = StreamingSVD(20, 3, m=60, first_row=5, rng=0)
    stream.update(0, A)
    assert residual(A, stream.result()) <= 1e-12
    stream.update(1, A)
    assert residual(2 * A, stream.result()) <= 1e-12
    rows = StreamingSVD(20, 3, m=60, first_row=5, rng=0)
    rows.update_rows(A)
    rows.update(1, A)
    assert residual(2 * A, rows.result()) <= 1e-12


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("dtype", CHARS)
def test_ends_of_the_range(dtype, left):
    """LAPACK met infinities and did not come back, or values were 0."""
    A = with_values(100, 30, [1, 0.1, 0.01])
    A /= np.abs(A).max()
    s, limits = np.linalg.svd(A, compute_uv=False)[:3], np.finfo(dtype)
    for scale in (limits.max / 2, limits.max / 5, limits.max / 1e3, limits.tiny * 1e4, limits.tiny):
        stream = StreamingSVD(30, 3, left=left, rng=0)
        stream.update_rows((np.longdouble(A) * scale).astype(dtype))
        if s[0] * np.longdouble(scale) > limits.max:
            for ask in (stream.result, stream.pca):
                with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
                    ask()
            continue
        result = stream.result()
        assert np.allclose(result.S / np.longdouble(scale), s, rtol=1e-3, atol=1e-5)
        assert np.allclose(stream.pca().S[0] / np.longdouble(scale), s[0], rtol=0.2)


def test_what_would_leave_the_range_leaves_the_stream():
    A = with_values(60, 20, np.ones(3))
    stream = streamed(A, 3, m=60, rng=0)
    before = stream.result()
    for eta in (1e308, 10**400):
        with pytest.raises(np.linalg.LinAlgError, match=r"leaves the range|eta is not finite"):
            stream.update(eta, 1e5 * A, 1e308)
    assert same(before, stream.result())
    half = StreamingSVD(20, 1, rng=0)
    half.update_rows(np.full((20, 20), 60000, np.float16))
    with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
        half.result()


def test_copies():
    """Rows of a copy, or of a sum, leave the original alone."""
    A = with_values(60, 20, spectra(20)["1/i"])
    stream = streamed(A[:30], 3, rng=0)
    before = stream.result()
    empty = StreamingSVD(20, 3, first_row=30, rng=0)
    for other in (copy.copy(stream), copy.deepcopy(stream), stream + empty):
        other.update_rows(A[30:])
        assert same(other.result(), streamed(A, 3, rng=0).result())
        assert same(before, stream.result())
    assert copy.copy(empty).shape == (0, 20)
    typed = StreamingSVD(20, 3, first_row=30, dtype="f", rng=0)
    assert (StreamingSVD(20, 3, first_row=30, rng=0) + typed).dtype == np.float32


def test_share_of_single_precision_far_from_zero():
    """The squares of rows are rounded too: means of a thousand times what is left hide them."""
    A = (np.random.default_rng(0).standard_normal((8, 3)) + 900).astype(np.float32)
    share = streamed(A, 3, rng=0).pca().explained_variance_ratio
    assert np.isclose(share.sum(), 1, atol=1e-3)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("dtype", CHARS)
def test_denormal_numbers(dtype, left):
    """No factor of the dtype brings them to 1."""
    A = np.zeros((20, 5), dtype)
    A[3, 2] = 2**18 * np.finfo(dtype).smallest_subnormal
    stream = streamed(A, 1, left=left, rng=0)
    assert np.isclose(stream.result().S[0] / A[3, 2].real, 1, rtol=1e-3)
    assert abs(stream.result().Vh[0, 2]) > 0.9
    assert np.isfinite(stream.pca().S).all()
