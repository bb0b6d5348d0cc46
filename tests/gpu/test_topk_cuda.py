"""topk on CuPy arrays: the kernels against a stable sort, and against the CPU's results."""

import itertools
import re

import cupy_stand_in
import ml_dtypes
import numpy as np
import processes
import pytest
from cupy_stand_in import record
from oracles import topk_oracle, topk_sample

import randla
from randla import (
    kth_value,
    merge_topk,
    partition_indices,
    topk,
    topk_indices,
    topk_mask,
    topk_values,
)

gpu = pytest.mark.gpu
FLOATS = [np.dtype(t) for t in (np.float16, np.float32, np.float64)]
DTYPES = [*FLOATS, np.dtype(ml_dtypes.bfloat16), *(np.dtype(t) for t in ("?", *"bhilBHIL"))]
KINDS = ["random", "few", "special", "subnormal", "sorted", "reversed", "constant", "cauchy"]
POLICIES = ["greatest", "least", "propagate"]
BOTH = [True, False]
FEW = cupy_stand_in.SANITIZE  # what ASan must see are the paths, not the cases


def known(cp, dtype):
    """Whether this CuPy has arrays of that dtype: bfloat16 came late."""
    try:
        cp.asarray(np.zeros(1, dtype))
    except (TypeError, ValueError):
        return False
    return True


def same(found, wanted):
    found, wanted = found.get(), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.tobytes() == wanted.tobytes()


def kinds_of(dtype):
    return KINDS if dtype.kind in "fV" else ["random", "few"]


def agrees(cp, x, k, axis=-1, lengths=None, **options):
    """Every function, with the CPU's bits."""
    y, where = cp.asarray(x), {"axis": axis, "lengths": lengths, **options}
    for is_sorted in BOTH:
        found, wanted = (topk(a, k, sorted=is_sorted, **where) for a in (y, x))
        assert type(found) is randla.TopKResult
        same(found.values, wanted.values)
        same(found.indices, wanted.indices)
        same(topk_values(y, k, sorted=is_sorted, **where), wanted.values)
        same(topk_indices(y, k, sorted=is_sorted, **where), wanted.indices)
    same(topk_mask(y, k, **where), topk_mask(x, k, **where))
    if k:
        same(kth_value(y, k, **where), kth_value(x, k, **where))
    if lengths is None:
        for found, wanted in zip(
            partition_indices(y, k, axis=axis, **options),
            partition_indices(x, k, axis=axis, **options),
            strict=True,
        ):
            same(found, wanted)


@pytest.fixture
def cut(cp, monkeypatch):
    """Rows are cut into several parts, and more than a few pairs need the long sort."""
    from randla._cuda import topk as room

    monkeypatch.setattr(room, "LONG", 600)
    monkeypatch.setattr(room, "THREADS", 128)
    monkeypatch.setattr(room, "SORT_MOST", 100)
    monkeypatch.setattr(room, "SORT_CHUNK", 300)


@pytest.fixture(autouse=True)
def _in_order():
    yield
    record.seed = 0


# ---- selection -----------------------------------------------------------------------------------


@gpu
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
@pytest.mark.parametrize("n", [1, 33, 300] if FEW else [1, 5, 33, 300, 1100])
def test_every_dtype(cp, dtype, n):
    if not known(cp, dtype):
        with pytest.raises((TypeError, ValueError)):
            cp.asarray(np.zeros(1, dtype))
        return
    rng = np.random.default_rng(n)
    for kind in kinds_of(dtype)[: 4 if n > 100 else 8]:
        x = topk_sample(dtype, (2, n), rng, kind)
        for k in {1, n // 3, n} - {0}:
            agrees(cp, x, k, largest=bool(rng.integers(2)), nan=POLICIES[rng.integers(2)])


@gpu
def test_a_random_three_thousand(cp):
    rng = np.random.default_rng(3000)
    dtypes = [d for d in DTYPES if known(cp, d)]
    for case in range(150 if FEW else 3000):
        dtype = dtypes[rng.integers(len(dtypes))]
        kinds = kinds_of(dtype)
        n = int(np.exp(rng.uniform(0, 7.5)))
        k = int(rng.integers(0, n + 1))
        x = topk_sample(dtype, n, rng, kinds[rng.integers(len(kinds))])
        largest, nan, is_sorted = bool(rng.integers(2)), POLICIES[rng.integers(2)], bool(case % 3)
        record.seed = case % 2 * case
        order = topk_oracle(x, k, largest, nan)
        order = order if is_sorted else np.sort(order)
        values, indices = topk(cp.asarray(x), k, largest=largest, nan=nan, sorted=is_sorted)
        assert np.array_equal(indices.get(), order), (dtype, n, k, largest, nan, is_sorted, case)
        assert values.get().tobytes() == x[order].tobytes()


@gpu
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("char", "efdb")
def test_several_blocks_for_a_row(cp, cut, char, kind):
    dtype = np.dtype(char)
    if kind not in kinds_of(dtype):
        kind = "few"
    record.seed = seed = KINDS.index(kind)
    n = 1300 + 41 * seed
    x = topk_sample(dtype, (2, n), np.random.default_rng(n), kind)
    for k, largest in ((n // 50, seed % 2 == 0), (n // 2, seed % 2 == 1)):
        agrees(cp, x, k, largest=largest, nan=POLICIES[seed % 3])
    found, wanted = topk(cp.asarray(x), n), topk(x, n)
    same(found.values, wanted.values)
    same(found.indices, wanted.indices)


@gpu
@pytest.mark.parametrize("char", "fd")
def test_a_long_row_as_it_comes(cp, char):
    """Nothing patched: several blocks, and more pairs than one block sorts."""
    n = 60_000 if FEW else 200_001
    for kind in ("random", "constant"):
        x = topk_sample(np.dtype(char), (1, n), np.random.default_rng(1), kind)
        for k in (20, 5000):
            found, wanted = topk(cp.asarray(x), k), topk(x, k)
            same(found.values, wanted.values)
            same(found.indices, wanted.indices)


@gpu
def test_keys_that_share_their_leading_digits(cp, cut):
    """A radix select is slowest, and nearest to its edges, where digits decide late."""
    rng = np.random.default_rng(5)
    record.seed = 5
    for dtype, low in ((np.int64, 12), (np.int32, 3), (np.uint64, 1), (np.uint16, 2)):
        base = np.iinfo(dtype).max - 10**6 if np.dtype(dtype).itemsize > 2 else 1000
        x = (base + rng.integers(0, low, (1, 1000)).astype(dtype)).astype(dtype)
        x[0, 700] += dtype(low)
        for k in (1, 500, 999):
            agrees(cp, x, k, largest=bool(k % 2))
    bits = rng.integers(0, 2, (1, 900)).astype(np.uint64) << np.uint64(63)
    x = (bits | rng.integers(0, 4, (1, 900)).astype(np.uint64)).view(np.float64)
    agrees(cp, x, 500)  # subnormal numbers and zeros of both signs


@gpu
def test_extremes_of_integers(cp):
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64):
        info = np.iinfo(dtype)
        x = np.array([[0, info.max, info.min, 1, info.max, info.min]], dtype)
        for k, largest in itertools.product(range(7), BOTH):
            agrees(cp, x, k, largest=largest)


# ---- layouts -------------------------------------------------------------------------------------


@gpu
def test_layouts(cp):
    base = np.random.default_rng(5).integers(0, 50, (2, 4, 35)).astype("f")
    views = [
        lambda a: a,
        lambda a: a.transpose(1, 0, 2),
        lambda a: a.transpose(2, 1, 0),
        lambda a: a[::-1, ::2],
        lambda a: a[..., ::-3],
        lambda a: a[:, :2, 5:6],
    ]
    for view in views:
        x, y = view(base), view(cp.asarray(base))
        for axis in range(-3, 3):
            k = max(1, x.shape[axis] // 3)
            for found, wanted in zip(topk(y, k, axis=axis), topk(x, k, axis=axis), strict=True):
                same(found, wanted)
                assert found.flags.c_contiguous
            same(topk_mask(y, k, axis=axis), topk_mask(x, k, axis=axis))
            same(kth_value(y, k, axis=axis), kth_value(x, k, axis=axis))
            for found, wanted in zip(
                partition_indices(y, k, axis=axis), partition_indices(x, k, axis=axis), strict=True
            ):
                same(found, wanted)
    wide = cp.broadcast_to(cp.asarray(base[0]), base.shape)
    same(topk(wide, 3).values, topk(np.broadcast_to(base[0], base.shape), 3).values)
    assert np.array_equal(cp.asarray(base).get(), base)


@gpu
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5), (0, 0), (2, 0, 4)])
def test_empty(cp, shape):
    for axis in range(len(shape)):
        agrees(cp, np.zeros(shape), 0, axis=axis)
        if shape[axis]:
            agrees(cp, np.zeros(shape), 1, axis=axis)


@gpu
def test_k_zero_reads_nothing(cp):
    y = cp.asarray(np.full((2, 3), np.nan))
    assert topk(y, 0, nan="raise").values.shape == (2, 0)
    assert not topk_mask(y, 0).get().any()
    assert np.array_equal(partition_indices(y, 0).rejected.get(), [[0, 1, 2]] * 2)


@gpu
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_index_dtype(cp, cut, dtype):
    x = np.random.default_rng(2).standard_normal((3, 1500))
    for k in (5, 800):
        same(
            topk_indices(cp.asarray(x), k, index_dtype=dtype), topk_indices(x, k, index_dtype=dtype)
        )
        same(
            partition_indices(cp.asarray(x), k, index_dtype=dtype).rejected,
            partition_indices(x, k, index_dtype=dtype).rejected,
        )


@gpu
@pytest.mark.parametrize("strided", BOTH)
@pytest.mark.parametrize("axis", [0, 1])
def test_out(cp, axis, strided):
    x = np.random.default_rng(3).standard_normal((30, 40)).astype("f")
    wanted = topk(x, 7, axis=axis)
    rows, columns = wanted.values.shape
    big = [cp.zeros((2 * rows, 3 * columns), t) for t in ("f", "i8")]
    out = tuple(b[::2, ::3] if strided else cp.zeros((rows, columns), b.dtype) for b in big)
    found = topk(cp.asarray(x), 7, axis=axis, out=out)
    assert found.values is out[0]
    assert found.indices is out[1]
    same(out[0], wanted.values)
    same(out[1], wanted.indices)
    assert topk_values(cp.asarray(x), 7, axis=axis, out=out[0]) is out[0]


@gpu
def test_bad_out(cp):
    x = cp.zeros((3, 9))
    good = cp.zeros((3, 2)), cp.zeros((3, 2), np.int64)
    both = cp.zeros((3, 2), np.int64)
    for out, error, text in [
        (good[0], TypeError, "out must be a tuple"),
        ((np.zeros((3, 2)), good[1]), TypeError, r"out must be a cupy\.ndarray, got ndarray"),
        ((good[0][:2], good[1]), ValueError, r"out must have shape \(3, 2\)"),
        ((good[0].astype("f"), good[1]), TypeError, "out must have dtype float64"),
        ((good[0], good[1].astype("i4")), TypeError, "out must have dtype int64"),
        ((x[:, 2:4], good[1]), ValueError, "overlap"),
        ((x[:, ::-1][:, 2:4], good[1]), ValueError, "overlap"),
        ((both.view(np.float64), both), ValueError, "overlap"),
    ]:
        with pytest.raises(error, match=text):
            topk(x, 2, out=out)
    with pytest.raises(TypeError, match=r"out must be a numpy\.ndarray, got ndarray"):
        topk(np.zeros((3, 9)), 2, out=good)


# ---- NaN, lengths, merging -----------------------------------------------------------------------


@gpu
@pytest.mark.parametrize("n", [8, 900])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nan_policies(cp, cut, dtype, n):
    rng = np.random.default_rng(n)
    x = topk_sample(dtype, (2, 3, n), rng)
    agrees(cp, x, 3, nan="raise")
    x[1, 0, n - 1] = np.nan
    x[1, 2, 0] = -np.nan
    for nan, largest in itertools.product(POLICIES[:2], BOTH):
        agrees(cp, x, 3, nan=nan, largest=largest)
    for function in (topk, topk_values, topk_indices, topk_mask, kth_value, partition_indices):
        with pytest.raises(ValueError, match=r"^row \(1, 0\) of x has a NaN$"):
            function(cp.asarray(x), 3, nan="raise")
    with pytest.raises(ValueError, match=r"^x has a NaN$"):
        topk(cp.asarray(x[1, 2]), 3, nan="raise")
    for is_sorted, k in itertools.product(BOTH, (3, n // 2)):
        values, indices = topk(cp.asarray(x), k, nan="propagate", sorted=is_sorted)
        greatest = topk(x, k, sorted=is_sorted)
        same(indices, greatest.indices)
        missing = np.isnan(x).any(axis=-1)
        assert np.isnan(values.get()[missing]).all()
        assert values.get()[~missing].tobytes() == greatest.values[~missing].tobytes()
    assert np.isnan(kth_value(cp.asarray(x), 2, nan="propagate").get()).sum() == 2


@gpu
def test_payload_of_nan_and_sign_of_zero_are_kept(cp):
    bits = np.array([0x7FC00001, 0xFFC00002, 0x7F800003, 0x80000000, 0, 0x3F800000], np.uint32)
    x = cp.asarray(bits.view("f"))
    for largest, order in ((True, [0, 1, 2, 5, 3, 4]), (False, [3, 4, 5, 0, 1, 2])):
        found = topk_values(x, 6, largest=largest).get().view(np.uint32)
        assert found.tolist() == bits[order].tolist()


@gpu
@pytest.mark.parametrize("n", [50, 900])
def test_lengths(cp, cut, n):
    rng = np.random.default_rng(n)
    x = rng.integers(0, 30, (3, 2, n)).astype("f")
    lengths = rng.integers(20, n + 1, (3, 2))
    lengths[1, 1] = 20
    x[np.arange(n) >= lengths[..., None]] = np.nan  # not looked at
    for k, nan in itertools.product((1, 20), ("raise", "propagate", "least")):
        agrees(cp, x, k, lengths=lengths, nan=nan)
    same(
        topk(cp.asarray(x), 20, lengths=cp.asarray(lengths)).indices,
        topk(x, 20, lengths=lengths).indices,
    )
    with pytest.raises(ValueError, match=re.escape("k must be in [0, 20] (the smallest of")):
        topk(cp.asarray(x), 21, lengths=lengths)


@gpu
def test_merging_blocks_is_selecting_from_the_whole(cp):
    x = topk_sample(np.dtype("f"), (2, 900), np.random.default_rng(4), "special")
    for axis, largest in itertools.product((0, 1), BOTH):
        a = x if axis else np.ascontiguousarray(x.T)
        pieces = [(s, np.take(a, range(s, s + 300), axis=axis)) for s in (600, 0, 300)]
        parts = [topk(cp.asarray(p), 40, axis=axis, largest=largest) for _, p in pieces]
        offsets = [s for s, _ in pieces]
        merged = merge_topk(parts, 40, offsets=offsets, axis=axis, largest=largest)
        whole = topk(a, 40, axis=axis, largest=largest)
        same(merged.values, whole.values)
        same(merged.indices, whole.indices)


@gpu
def test_bad_input(cp):
    y = cp.zeros((2, 5))
    for arguments, options, error, text in [
        ((6,), {}, ValueError, r"k must be in \[0, 5\], got 6"),
        ((1.0,), {}, TypeError, "k must be an integer"),
        ((1,), {"axis": 2}, np.exceptions.AxisError, "axis 2"),
        ((1,), {"index_dtype": "int16"}, ValueError, "index_dtype must be int64 or int32"),
        ((1,), {"nan": "most"}, ValueError, "nan must be one of"),
        ((1,), {"lengths": [1, 2, 3]}, ValueError, r"lengths must have shape \(2,\)"),
    ]:
        with pytest.raises(error, match=text):
            topk(y, *arguments, **options)
    with pytest.raises(ValueError, match=r"k must be in \[1, 5\], got 0"):
        kth_value(y, 0)
    with pytest.raises(TypeError, match="x has dtype complex64"):
        topk(y.astype(np.complex64), 1)
    with pytest.raises(ValueError, match="at least one dimension"):
        topk(y.sum(), 0)


# ---- what only the stand-in can tell -------------------------------------------------------------


def test_one_launch_for_short_rows_and_no_wait(stand_in):
    y = stand_in.asarray(np.random.default_rng(0).standard_normal((5, 300)))
    stream = stand_in.cuda.Stream()
    for call, launches in [
        (lambda: topk(y, 7), ["topk_rows", "topk_sort"]),
        (lambda: topk(y, 7, sorted=False), ["topk_rows"]),
        (lambda: topk_mask(y, 7), ["topk_rows", "topk_mask"]),
        (lambda: kth_value(y, 7, nan="propagate"), ["topk_nan", "topk_rows"]),
        (lambda: partition_indices(y, 7), ["topk_rows", "topk_rest"]),
        (lambda: topk(y, 7, lengths=[9] * 5), ["topk_rows", "topk_sort"]),
    ]:
        record.clear()
        with stream:
            call()
        assert record.launches == [(name, stream.ptr) for name in launches]
        assert record.synchronisations == 0


def test_one_wait_where_the_host_must_know(stand_in):
    y = stand_in.asarray(np.ones((5, 300)))
    for options in ({"nan": "raise"}, {"lengths": stand_in.asarray(np.full(5, 200))}):
        record.clear()
        topk(y, 7, **options)
        assert record.synchronisations == 1
    record.clear()
    topk(stand_in.asarray(np.ones((5, 300), int)), 7, nan="raise")  # has none
    assert record.synchronisations == 0


def test_no_wait_with_several_blocks(stand_in, cut):
    y = stand_in.asarray(np.random.default_rng(0).standard_normal((2, 3000)))
    record.clear()
    topk(y, 200)
    assert len(record.launches) == 6 * 2 + 2 + 8 * 3 + 2
    assert record.synchronisations == 0


BARRIERS = {
    # kernel, and the text after which a barrier is left out
    "histogram before it is counted": "bins[i] = 0;\n",
    "bins before they are read": "atomicAdd(&bins[bin], 1u);\n    }\n  }\n",
    "the digit before it is used": "bins[BINS - 1 - j] == need - ahead);\n  }\n",
    "pairs between the steps of the sort": "apart > 0; apart /= 2) {\n",
}


WITHOUT = """
import sys
import numpy as np
import cupy_stand_in
cp = cupy_stand_in.install()
import randla
from randla._cuda import _launch
header = (_launch.KERNELS / "topk.cuh").read_text()
whole = _launch.source("topk").replace('#include "topk.cuh"', header)
head, after, tail = whole.partition(sys.argv[1])
assert tail.lstrip().startswith("__syncthreads();")
code = head + after + tail.replace("__syncthreads();", "", 1)
x = np.random.default_rng(1).integers(0, 1000, (2, 700)).astype(np.int32)
y, wanted = cp.asarray(x), randla.topk(x, 90)
same = lambda: np.array_equal(randla.topk(y, 90).indices.get(), wanted.indices)
assert same()
_launch.source = lambda stem: code
_launch._KERNELS.clear()
_launch._module.cache_clear()
print("begins", flush=True)
for seed in range(1, 9):
    cupy_stand_in.record.seed = seed
    assert same()
print("no difference")
"""


@pytest.mark.parametrize("after", BARRIERS.values(), ids=BARRIERS)
def test_each_missing_barrier_is_seen(stand_in, after):
    """By a wrong result, a failed launch or a crash, as on a GPU; so in a process of its own."""
    done = processes.run(WITHOUT, after)
    assert "begins" in done.stdout, done.stderr
    assert "no difference" not in done.stdout
    assert done.returncode != 0
