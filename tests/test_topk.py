"""topk and its relatives against a stable sort: dtypes, layouts, ties, NaN, lengths, bad input."""

import itertools
import pickle
import re
import subprocess
import sys
import textwrap

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles import supported_isa_levels, topk_oracle, unaligned
from oracles import topk_sample as sample

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

FLOATS = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]
INTEGERS = [np.dtype(t) for t in ("?", *"bhilqBHILQ")]
DTYPES = [*FLOATS, *INTEGERS]
NAN = ["greatest", "least"]
BOTH = [True, False]


def run(code):
    """In a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120)
    assert done.returncode == 0, done.stderr


def same_bits(x, y):
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()


def check(x, k, largest=True, nan="greatest", **options):
    """Every function on the last axis of a matrix, against the oracle."""
    order = np.stack([topk_oracle(row, k, largest, nan) for row in x])
    rising = np.sort(order, axis=1)
    both = {"largest": largest, "nan": nan}
    for is_sorted, index in ((True, order), (False, rising)):
        values, indices = topk(x, k, sorted=is_sorted, **both)
        assert np.array_equal(indices, index)
        wanted = np.take_along_axis(x, index, 1)
        assert same_bits(values, wanted)
        assert same_bits(topk_values(x, k, sorted=is_sorted, **both), wanted)
        assert np.array_equal(topk_indices(x, k, sorted=is_sorted, **both), index)
    mask = topk_mask(x, k, **both)
    assert mask.dtype == bool
    assert np.array_equal(np.nonzero(mask)[1].reshape(-1, k), rising)
    selected, rejected = partition_indices(x, k, **both)
    assert np.array_equal(selected, rising)
    assert np.array_equal(np.nonzero(~mask)[1].reshape(len(x), -1), rejected)
    if k:
        kth = kth_value(x, k, **both)
        assert same_bits(kth, np.take_along_axis(x, order[:, -1:], 1)[:, 0])


# ---- selection ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name + d.char)
@pytest.mark.parametrize("n", [1, 5, 16, 33, 100, 1100])
def test_every_dtype(isa, dtype, n):
    rng = np.random.default_rng(n)
    kinds = ["random", "few"] + (["special", "subnormal"] if dtype in FLOATS else [])
    for kind in kinds:
        x = sample(dtype, (2, n), rng, kind)
        for k in {1, n // 3, n - 1, n} - {0}:
            check(x, k, largest=bool(rng.integers(2)), nan=NAN[rng.integers(2)])


@pytest.mark.parametrize(
    "kind", ["random", "sorted", "reversed", "constant", "few", "cauchy", "special"]
)
@pytest.mark.parametrize("n", [4097, 9000, 70001])
@pytest.mark.parametrize("char", "fd")
def test_long_rows(isa, char, n, kind):
    """Each path: candidates, kept keys, two passes; lengths that are no multiple of a vector."""
    rng = np.random.default_rng(n)
    x = sample(np.dtype(char), (1, n), rng, kind)
    for k, largest, nan in itertools.product((1, n // 100, n // 16, n // 2, n - 1), BOTH, NAN):
        order = topk_oracle(x[0], k, largest, nan)
        found = topk(x, k, largest=largest, nan=nan)
        assert np.array_equal(found.indices[0], order)
        assert same_bits(found.values[0], x[0, order])


def test_a_random_three_thousand(isa):
    """As the native test does it, through the binding."""
    rng = np.random.default_rng(3000)
    kinds = ["random", "few", "special", "subnormal", "sorted", "reversed", "constant", "cauchy"]
    for _ in range(3000):
        dtype = DTYPES[rng.integers(len(DTYPES))]
        n = int(np.exp(rng.uniform(0, 7.5)))
        k = int(rng.integers(0, n + 1))
        x = sample(dtype, n, rng, kinds[rng.integers(len(kinds))] if dtype in FLOATS else "random")
        largest, nan, is_sorted = bool(rng.integers(2)), NAN[rng.integers(2)], bool(rng.integers(2))
        order = topk_oracle(x, k, largest, nan)
        order = order if is_sorted else np.sort(order)
        values, indices = topk(x, k, largest=largest, nan=nan, sorted=is_sorted)
        assert np.array_equal(indices, order), (dtype, n, k, largest, nan, is_sorted)
        assert same_bits(values, x[order])


finite_or_not = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


@given(
    x=hnp.arrays(
        st.sampled_from(["f4", "i1", "u8", "i8", "?"]), hnp.array_shapes(max_dims=3, max_side=9)
    ),
    data=st.data(),
)
def test_any_array(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    k = data.draw(st.integers(0, x.shape[axis]))
    largest, is_sorted = data.draw(st.booleans()), data.draw(st.booleans())
    nan = data.draw(st.sampled_from(NAN))
    values, indices = topk(x, k, axis=axis, largest=largest, sorted=is_sorted, nan=nan)
    moved = np.moveaxis(x, axis, -1)
    for where in np.ndindex(moved.shape[:-1]):
        order = topk_oracle(moved[where], k, largest, nan)
        order = order if is_sorted else np.sort(order)
        assert np.array_equal(np.moveaxis(indices, axis, -1)[where], order)
        assert same_bits(np.moveaxis(values, axis, -1)[where], moved[where][order])


@given(hnp.arrays("f4", st.integers(1, 300), elements=finite_or_not), st.data())
def test_merging_blocks_is_selecting_from_the_whole(x, data):
    k = data.draw(st.integers(0, len(x)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=4)))
    largest, nan = data.draw(st.booleans()), data.draw(st.sampled_from(NAN))
    starts, ends = [0, *cuts], [*cuts, len(x)]
    options = {"largest": largest, "nan": nan}
    blocks = [
        (start, topk(x[start:end], min(k, end - start), **options, sorted=data.draw(st.booleans())))
        for start, end in zip(starts, ends, strict=True)
    ]
    blocks = data.draw(st.permutations(blocks))
    merged = merge_topk(
        [b for _, b in blocks], k, offsets=[start for start, _ in blocks], **options
    )
    whole = topk(x, k, **options)
    assert np.array_equal(merged.indices, whole.indices)
    assert same_bits(merged.values, whole.values)


def test_merge_on_another_axis_and_with_whole_indices():
    x = np.random.default_rng(1).integers(0, 9, (40, 5))
    blocks = []
    for start in (20, 0):
        values, indices = topk(x[start : start + 20], 7, axis=0, largest=False)
        blocks.append((values, indices + start))
    merged = merge_topk(blocks, 7, axis=0, largest=False, sorted=False)
    whole = topk(x, 7, axis=0, largest=False, sorted=False)
    assert np.array_equal(merged.indices, whole.indices)
    assert np.array_equal(merged.values, whole.values)
    assert isinstance(merged, randla.TopKResult)


# ---- layouts -----------------------------------------------------------------------------------


def test_layouts():
    rng = np.random.default_rng(5)
    base = rng.integers(0, 50, (6, 8, 300)).astype("f")
    views = [
        base,
        base.transpose(1, 0, 2),
        base.transpose(2, 1, 0),
        base[::2, ::-1],
        base[..., ::-3],
        np.asfortranarray(base),
        np.broadcast_to(base[0], base.shape),
        base.astype(">f4"),
        np.frombuffer(b"x" + base.tobytes(), "f4", offset=1).reshape(base.shape),
    ]
    views[0].flags.writeable = False
    for x in views:
        for axis in range(-3, 3):
            k = x.shape[axis] // 3
            values, indices = topk(x, k, axis=axis)
            plain = np.ascontiguousarray(np.moveaxis(x, axis, -1), dtype="f")
            wanted = topk(plain, k)
            assert values.dtype == np.dtype("f")
            assert values.dtype.isnative
            assert values.flags.c_contiguous
            assert same_bits(np.moveaxis(values, axis, -1), wanted.values)
            assert np.array_equal(np.moveaxis(indices, axis, -1), wanted.indices)
            mask = topk_mask(x, k, axis=axis)
            assert mask.shape == x.shape
            assert (mask.sum(axis) == k).all()
            selected, rejected = partition_indices(x, k, axis=axis)
            merged = np.sort(np.concatenate([selected, rejected], axis=axis), axis=axis)
            assert (np.moveaxis(merged, axis, -1) == np.arange(x.shape[axis])).all()
            kth = kth_value(x, k, axis=axis)
            assert same_bits(kth, wanted.values[..., -1])


def test_memmap(tmp_path):
    x = np.memmap(tmp_path / "x", "d", "w+", shape=(3, 50))
    x[:] = np.random.default_rng(0).standard_normal(x.shape)
    assert np.array_equal(topk(x, 4).values, np.sort(x, axis=1)[:, ::-1][:, :4])


def test_input_is_not_modified():
    x = np.random.default_rng(0).standard_normal((20, 3000))
    before = x.copy()
    check(x[:2], 40)
    assert same_bits(x, before)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5), (0, 0), (2, 0, 4)])
def test_empty(shape):
    x = np.zeros(shape)
    for axis in range(len(shape)):
        values, indices = topk(x, 0, axis=axis)
        expected = (*shape[:axis], 0, *shape[axis + 1 :])
        assert values.shape == indices.shape == expected
        assert topk_mask(x, 0, axis=axis).shape == shape
        assert partition_indices(x, 0, axis=axis).rejected.shape == shape
        if x.shape[axis]:
            assert topk(x, 1, axis=axis).values.size == 0
            assert kth_value(x, 1, axis=axis).shape == (*shape[:axis], *shape[axis + 1 :])


def test_k_zero_reads_nothing():
    x = np.full((2, 3), np.nan)
    assert topk(x, 0, nan="raise").values.shape == (2, 0)
    assert not topk_mask(x, 0).any()
    assert np.array_equal(partition_indices(x, 0).rejected, [[0, 1, 2]] * 2)


def test_lists_and_scalars():
    assert topk([3, 1, 2], 2).values.tolist() == [3, 2]
    assert topk([[True, False], [False, False]], 1, axis=0).values.tolist() == [[True, False]]
    result = kth_value(np.array([3.0, 1.0]), np.int16(2))
    assert isinstance(result, np.float64)
    assert result == 1


def test_results():
    result = topk(np.arange(5.0), 2)
    values, indices = result
    assert result.values is values
    assert result.indices is indices
    again = pickle.loads(pickle.dumps(result))
    assert np.array_equal(again.values, values)
    assert type(again) is randla.TopKResult
    assert repr(result).startswith("TopKResult(values=array([4., 3.])")
    assert type(partition_indices(np.arange(5), 2)) is randla.PartitionResult


@pytest.mark.parametrize("dtype", [np.int32, "int32", np.dtype("i4"), np.int64, "i8"])
def test_index_dtype(dtype):
    x = np.random.default_rng(2).standard_normal((3, 3000))
    for k in (5, 1500):
        found = topk(x, k, index_dtype=dtype)
        assert found.indices.dtype == np.dtype(dtype)
        assert np.array_equal(found.indices, topk(x, k).indices)
        assert topk_indices(x, k, index_dtype=dtype).dtype == np.dtype(dtype)
        assert partition_indices(x, k, index_dtype=dtype).rejected.dtype == np.dtype(dtype)


# ---- out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strided", BOTH)
@pytest.mark.parametrize("axis", [0, 1])
def test_out(axis, strided):
    x = np.random.default_rng(3).standard_normal((30, 40)).astype("f")
    wanted = topk(x, 7, axis=axis)
    shape = wanted.values.shape
    big = [np.zeros((2 * shape[0], 3 * shape[1]), t) for t in ("f", "i8")]
    out = tuple(b[::2, ::3] if strided else np.empty(shape, b.dtype) for b in big)
    found = topk(x, 7, axis=axis, out=out)
    assert found.values is out[0]
    assert found.indices is out[1]
    assert same_bits(out[0], wanted.values)
    assert np.array_equal(out[1], wanted.indices)
    assert topk_values(x, 7, axis=axis, out=out[0]) is out[0]
    assert topk_indices(x, 7, axis=axis, out=out[1], sorted=False) is out[1]
    assert np.array_equal(out[1], np.sort(wanted.indices, axis=axis))


def test_bad_out():
    x = np.zeros((3, 9))
    good = np.zeros((3, 2)), np.zeros((3, 2), np.int64)
    read_only = good[0].copy()
    read_only.flags.writeable = False
    both = np.zeros((3, 2), np.int64)
    for out, error, text in [
        (good[0], TypeError, "out must be a tuple"),
        ((good[0],), TypeError, "out must be a tuple"),
        ((good[0][:2], good[1]), ValueError, r"out must have shape \(3, 2\)"),
        ((good[0].astype("f"), good[1]), TypeError, "out must have dtype float64"),
        ((good[0], good[1].astype("i4")), TypeError, "out must have dtype int64"),
        ((read_only, good[1]), ValueError, "writable"),
        ((x[:, 2:4], good[1]), ValueError, "overlap"),
        ((both.view("d"), both), ValueError, "overlap"),
    ]:
        with pytest.raises(error, match=text):
            topk(x, 2, out=out)
    with pytest.raises(TypeError, match=r"numpy\.ndarray, got tuple"):
        topk_values(x, 2, out=good)


# ---- NaN, lengths ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [8, 5000, 40000])
def test_nan_policies(dtype, n):
    rng = np.random.default_rng(n)
    x = sample(dtype, (2, 3, n), rng)
    assert same_bits(topk_values(x, 3, nan="raise"), topk_values(x, 3))
    x[1, 0, n - 1] = np.nan
    x[1, 2, 0] = -np.nan
    for largest, is_sorted in itertools.product(BOTH, BOTH):
        with pytest.raises(ValueError, match=r"^row \(1, 0\) of x has a NaN$"):
            topk(x, 3, nan="raise", largest=largest)
        values, indices = topk(x, 3, nan="propagate", largest=largest, sorted=is_sorted)
        greatest = topk(x, 3, largest=largest, sorted=is_sorted)
        assert np.array_equal(indices, greatest.indices)
        missing = np.isnan(x).any(axis=-1)
        assert np.isnan(values[missing]).all()
        assert same_bits(values[~missing], greatest.values[~missing])
    assert np.isnan(kth_value(x, 2, nan="propagate")).sum() == 2
    with pytest.raises(ValueError, match=r"^x has a NaN$"):
        topk(x[1, 2], 3, nan="raise")


def test_nan_policies_mean_nothing_to_integers():
    x = np.arange(10)
    for nan in ("greatest", "least", "raise", "propagate"):
        assert topk_values(x, 2, nan=nan).tolist() == [9, 8]


def test_payload_of_nan_and_sign_of_zero_are_kept():
    bits = np.array([0x7FC00001, 0xFFC00002, 0x7F800003, 0x80000000, 0, 0x3F800000], np.uint32)
    x = bits.view("f")
    assert topk_values(x, 6).view(np.uint32).tolist() == bits[[0, 1, 2, 5, 3, 4]].tolist()
    assert topk_values(x, 6, largest=False).view(np.uint32).tolist() == (
        bits[[3, 4, 5, 0, 1, 2]].tolist()
    )


@pytest.mark.parametrize("n", [50, 9000])
def test_lengths(n):
    rng = np.random.default_rng(n)
    x = rng.integers(0, 30, (3, 4, n)).astype("f")
    lengths = rng.integers(20, n + 1, (3, 4))
    x[np.arange(n) >= lengths[..., None]] = np.nan  # not looked at
    for k in (1, 20):
        found = topk(x, k, lengths=lengths, nan="raise")
        mask = topk_mask(x, k, lengths=lengths.tolist())
        kth = kth_value(x, k, lengths=lengths.astype("u1") if n < 99 else lengths)
        for where in np.ndindex(3, 4):
            row = x[where][: lengths[where]]
            alone = topk(row, k)
            assert same_bits(found.values[where], alone.values)
            assert np.array_equal(found.indices[where], alone.indices)
            assert np.array_equal(np.nonzero(mask[where])[0], np.sort(alone.indices))
            assert kth[where] == alone.values[-1]
    moved = topk(np.moveaxis(x, -1, 0), 20, axis=0, lengths=lengths)
    assert np.array_equal(np.moveaxis(moved.indices, 0, -1), found.indices)


def test_bad_lengths():
    x = np.zeros((3, 9))
    for lengths, error, text in [
        ([1, 2], ValueError, r"lengths must have shape \(3,\), got \(2,\)"),
        ([1, 2, 10], ValueError, r"lengths must be in \[0, 9\], got 10"),
        ([-1, 2, 3], ValueError, r"lengths must be in \[0, 9\], got -1"),
        ([5, 2, 3], ValueError, r"k must be in \[0, 2\] \(the smallest of lengths\), got 3"),
        ([5.0, 4.0, 3.0], TypeError, "lengths must be integers"),
    ]:
        with pytest.raises(error, match=text):
            topk(x, 3, lengths=lengths)


# ---- promises ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "k"), [((1, 400000), 30), ((1, 400000), 90000), ((900, 700), 70)]
)
@pytest.mark.parametrize("dtype", ["f", "d", "e", "i4"])
def test_threads_change_nothing(shape, k, dtype):
    x = np.random.default_rng(8).standard_normal(shape)
    x = (x * 200).astype(dtype)
    results = []
    for count in (1, 2, 3):
        with randla.num_threads(count):
            results.append([*topk(x, k), *topk(x, k, sorted=False), kth_value(x, k)])
    for result in results[1:]:
        assert all(same_bits(a, b) for a, b in zip(result, results[0], strict=True))


def test_the_same_on_every_level():
    from randla._cpu import core

    x = np.random.default_rng(9).integers(0, 400, (40, 3000)).astype("f")
    results = []
    levels = supported_isa_levels()
    assert len(levels) > 1 or len(core.isa_levels()) == 1
    for level in levels:
        core.set_isa(level)
        results.append([*topk(x, 100, sorted=False), *topk(x, 1500)])
    core.set_isa("auto")
    for result in results[1:]:
        assert all(same_bits(a, b) for a, b in zip(result, results[0], strict=True))


def test_periods_and_smooth_rows():
    """A fixed stride sees one phase of a period; neighbours that are alike mislead a sample."""
    n = 200000
    position = np.arange(n)
    for period in (2, 4, 24, 48, 64, 97, 1024, 8192):
        for x in (position % period, np.sin(position * (2 * np.pi / period))):
            for k in (20, n // 50, n // 2):
                found = topk_indices(x, k)
                assert np.array_equal(found, np.argsort(-x, kind="stable")[:k])


def test_memory_is_bounded():
    """Beside its output a small k needs some megabytes, whatever the length of the row."""
    code = """
        import resource, numpy as np, randla
        x = np.random.default_rng(0).standard_normal(8_000_000).astype('f')
        randla.topk(x[:100000], 10)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        randla.topk(x, 10)
        randla.topk_indices(x, 100000, sorted=False)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert used < 12_000, used  # KB; x has 32 MB
    """
    run(code)


# ---- bad input ---------------------------------------------------------------------------------

EVERY = [topk, topk_values, topk_indices, topk_mask, kth_value, partition_indices]


@pytest.mark.parametrize("function", EVERY)
def test_bad_input(function):
    x = np.zeros((3, 200))
    low = 1 if function is kth_value else 0
    for k, text in ((-1, "got -1"), (201, "got 201"), (2**80, "got 1208925")):
        with pytest.raises(ValueError, match=re.escape(f"k must be in [{low}, 200], {text}")):
            function(x, k)
    for k in (2.0, "2", None, True):
        with pytest.raises(TypeError, match="k must be an integer"):
            function(x, k)
    for axis in (2, -3):
        with pytest.raises(np.exceptions.AxisError):
            function(x, 1, axis=axis)
    with pytest.raises(TypeError, match="axis must be an integer"):
        function(x, 1, axis=0.0)
    with pytest.raises(ValueError, match="at least one dimension"):
        function(np.float64(3.0), 1)
    with pytest.raises(ValueError, match="nan must be one of 'greatest', 'least'"):
        function(x, 1, nan="first")
    for dtype in ("F", "D", "g", "S3", "U3", "M8[s]", "m8[s]"):
        with pytest.raises(TypeError, match="x has dtype"):
            function(np.zeros((3, 200), dtype), 1)
    with pytest.raises(TypeError):
        function(np.array([None, 1]), 1)
    with pytest.raises(TypeError, match="array of numbers"):
        function([object()], 1)
    with pytest.raises(TypeError, match="MaskedArray"):
        function(np.ma.zeros(3), 1)
    with pytest.raises(TypeError, match="matrix"), pytest.warns(PendingDeprecationWarning):
        function(np.matrix([[1.0, 2.0]]), 1)


def test_bad_index_dtype():
    x = np.zeros(5)
    for dtype in ("uint64", np.int16, float, "nonsense"):
        with pytest.raises(ValueError, match="index_dtype must be int64 or int32"):
            topk(x, 1, index_dtype=dtype)


def test_bad_merges():
    block = topk(np.arange(5.0), 2)
    for results, options, error, text in [
        ([], {}, ValueError, "results must not be empty"),
        (3, {}, TypeError, "sequence of pairs"),
        ([np.arange(3)], {}, TypeError, "hold pairs"),
        ([block], {"offsets": [0, 1]}, ValueError, "offsets must have 1 elements"),
        ([block], {"offsets": [0.5]}, TypeError, "offsets must be an integer"),
        ([block], {"axis": 1}, np.exceptions.AxisError, "axis 1"),
    ]:
        with pytest.raises(error, match=text):
            merge_topk(results, 1, **options)
    with pytest.raises(ValueError, match=re.escape("k must be in [0, 2], got 3")):
        merge_topk([block], 3)


def test_a_view_that_no_memory_holds():
    huge = np.broadcast_to(np.float64(1.0), (2**30, 2**20))
    with pytest.raises(MemoryError):
        topk(huge, 2**19)


def test_binding_refuses_what_does_not_fit():
    """The C functions check sizes again, and the binding those of its arrays."""
    from randla._cpu import topk as binding

    x = np.zeros((2, 5), "f")
    values, indices = np.empty((2, 3), "f"), np.empty((2, 3), np.int64)
    code = binding.TYPES["float32"]
    binding.topk(code, x, 3, None, values, indices, 0)
    for arguments in (
        (code, x[0], 3, None, values, indices, 0),
        (code, x, 4, None, values, indices, 0),
        (code, x, 3, np.array([5]), values, indices, 0),
        (code, x, 3, np.array([5, 6]), values, indices, 0),
        (99, x, 3, None, values, indices, 0),
    ):
        with pytest.raises(ValueError, match=r"."):
            binding.topk(*arguments)
    with pytest.raises(ValueError, match="size"):
        binding.mask(np.array([[3, 1]]), np.zeros((1, 4), np.uint8))


@pytest.mark.parametrize("char", ["f", "d", "e", "i", "B"])
def test_unaligned_arrays(char):
    x = (100 * np.random.default_rng(0).random((4, 300))).astype(char)
    wanted = randla.topk(x, 7)
    mine = randla.topk(unaligned(x), 7, lengths=unaligned(np.full(4, 300)))
    out = (unaligned(np.zeros((4, 7), char)), unaligned(np.zeros((4, 7), np.int64)))
    into = randla.topk(x, 7, out=out)
    for a, b, c in zip(wanted, mine, into, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)
