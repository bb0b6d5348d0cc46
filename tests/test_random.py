"""Random streams: known answers, exact formulas, and that any part equals the whole."""

import pickle

import mpmath
import numpy as np
import pytest
import scipy.stats

import randla
from randla import Stream
from randla._core.random import OPERATOR, as_stream, words
from randla._cpu import core

# Random123's known answers of philox4x32-10: counter, key, output.
KNOWN = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
KINDS = ("words", "uniform", "normal", "uniform32", "normal32", "sign", "integers")
DTYPES = {
    "words": np.uint32,
    "uniform": np.float64,
    "normal": np.float64,
    "uniform32": np.float32,
    "normal32": np.float32,
    "sign": np.int8,
    "integers": np.int64,
}


def draw(what, key, offset, kind, sub, first, count, bound=1000):
    """Elements first ... first + count - 1; for "words" each element is a block of four."""
    out = np.empty(4 * count if what == "words" else count, DTYPES[what])
    core.draw(what.removesuffix("32"), key, offset, kind, sub, first, out, bound)
    return out.reshape(count, 4) if what == "words" else out


def word64(block, half):
    return int(block[2 * half]) + (int(block[2 * half + 1]) << 32)


# ---- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    wanted = [int(w, 16) for w in answer.split()]
    position, whole = counter[0] | counter[1] << 32, key[0] | key[1] << 32
    sub, kind = counter[2], counter[3]
    assert draw("words", whole, position, kind, sub, 0, 1)[0].tolist() == wanted
    assert words(Stream(whole, position), kind, sub, 0, 1)[0].tolist() == wanted
    # a position is offset + block, however it is split
    assert draw("words", whole, 0, kind, sub, position, 1)[0].tolist() == wanted


def test_reference_equals_core():
    rng = np.random.default_rng(5)
    for _ in range(200):
        key, offset, first = (int(x) for x in rng.integers(0, 2**64, 3, dtype=np.uint64))
        kind, sub = (int(x) for x in rng.integers(0, 2**32, 2, dtype=np.uint64))
        count = int(rng.integers(1, 40))
        with np.errstate(over="raise"):  # arrays of uint64 wrap without a word
            wanted = words(Stream(key, offset), kind, sub, first % 2**40, count)
        assert (draw("words", key, offset, kind, sub, first % 2**40, count) == wanted).all()


def test_positions_wrap_at_two_to_the_64():
    end = draw("words", 3, 2**64 - 2, 0, 0, 0, 4)
    assert (end[2:] == draw("words", 3, 0, 0, 0, 0, 2)).all()
    assert (end == words(Stream(3, 2**64 - 2), 0, 0, 0, 4)).all()


def test_every_part_of_the_address_matters():
    base = draw("words", 1, 2, 3, 4, 5, 8)
    for other in ((0, 2, 3, 4, 5), (1, 3, 3, 4, 5), (1, 2, 0, 4, 5), (1, 2, 3, 5, 5)):
        assert (draw("words", *other, 8) != base).any()
    assert (draw("words", 1 | 1 << 63, 2, 3, 4, 5, 8) != base).any()


def test_kinds_are_distinct_and_in_their_ranges():
    table = core.kinds()
    assert table["USER"] == 0
    assert len(set(table.values())) == len(table)
    assert all(0 <= number < 2**32 for number in table.values())


# ---- parts equal the whole ---------------------------------------------------------------------


@pytest.mark.parametrize("what", KINDS)
def test_slices_equal_parts_of_the_whole(what):
    whole = draw(what, 99, 7, 1, 2, 0, 257)
    for first in (0, 1, 2, 3, 4, 5, 7, 64, 101, 255):
        for count in (1, 2, 3, 5, 8, 100):
            part = draw(what, 99, 7, 1, 2, first, min(count, 257 - first))
            assert part.tobytes() == whole[first : first + count].tobytes()


@pytest.mark.parametrize("what", KINDS)
def test_every_level_gives_the_same_numbers(what):
    wanted = draw(what, 123, 0, 0, 0, 0, 1000)
    for level in core.isa_levels():
        try:
            core.set_isa(level)
        except ValueError:  # not on this processor
            continue
        made = draw(what, 123, 0, 0, 0, 0, 1000)
        if what.startswith("normal"):  # products and sums are fused where the level can
            np.testing.assert_array_max_ulp(made, wanted, 4)
        else:
            assert made.tobytes() == wanted.tobytes()
    core.set_isa("auto")


@pytest.mark.parametrize("what", KINDS)
def test_nothing_to_draw(what):
    assert draw(what, 1, 2, 3, 4, 5, 0).size == 0


def test_offset_counts_blocks_of_four_words():
    per_block = {"uniform": 2, "normal": 2, "uniform32": 4, "normal32": 4, "sign": 4, "integers": 2}
    for what, per in per_block.items():
        moved = draw(what, 5, 10, 0, 0, 0, 12)
        assert moved.tobytes() == draw(what, 5, 0, 0, 0, 10 * per, 12).tobytes()


# ---- exact formulas ----------------------------------------------------------------------------


def test_uniforms_are_exact():
    blocks = draw("words", 11, 0, 0, 0, 0, 500)
    double = draw("uniform", 11, 0, 0, 0, 0, 1000)
    single = draw("uniform32", 11, 0, 0, 0, 0, 2000)
    for i in range(1000):
        assert double[i] == (word64(blocks[i // 2], i % 2) >> 11) * 2.0**-53
    assert (single == (blocks.ravel() >> 8).astype(np.float64) * 2.0**-24).all()
    assert 0 <= single.min() <= single.max() < 1


def test_signs_are_bit_zero():
    blocks = draw("words", 12, 0, 0, 0, 0, 500)
    signs = draw("sign", 12, 0, 0, 0, 0, 2000)
    assert (signs == 1 - 2 * (blocks.ravel() & 1).astype(int)).all()
    assert set(signs.tolist()) == {-1, 1}


@pytest.mark.parametrize(
    "bound", [1, 2, 3, 10, 1000, 2**31, 2**32 + 1, 2**53, 2**62 + 7, 2**63 - 1]
)
def test_integers_are_exact(bound):
    blocks = draw("words", 13, 0, 0, 0, 0, 300)
    drawn = draw("integers", 13, 0, 0, 0, 0, 600, bound)
    for i in range(600):
        assert drawn[i] == ((word64(blocks[i // 2], i % 2) >> 1) * bound) >> 63
    assert drawn.min() >= 0
    assert drawn.max() < bound


@pytest.mark.parametrize("bound", [0, -1, -(2**63)])
def test_integers_need_a_positive_bound(bound):
    with pytest.raises(ValueError, match="a size is negative"):
        draw("integers", 0, 0, 0, 0, 0, 4, bound)


@pytest.mark.parametrize("what", ["normal", "normal32"])
def test_normals_are_box_and_muller_within_4_ulp(what):
    blocks = draw("words", 14, 0, 0, 0, 0, 400)
    drawn = draw(what, 14, 0, 0, 0, 0, 800 if what == "normal" else 1600)
    with mpmath.workdps(40):
        for b, block in enumerate(blocks):
            if what == "normal":
                k, turn = word64(block, 0) >> 11, word64(block, 1) >> 11
                pairs = [(mpmath.mpf(k + 1) / 2**53, mpmath.mpf(turn) / 2**53)]
            else:  # u and v are float32 themselves
                halves = block.astype(np.float32) * np.float32(2**-32)
                u = halves + np.float32(2**-33)
                pairs = [
                    (mpmath.mpf(float(u[h])), mpmath.mpf(float(halves[h + 1]))) for h in (0, 2)
                ]
            for h, (u, v) in enumerate(pairs):
                r = mpmath.sqrt(-2 * mpmath.log(u))
                exact = (r * mpmath.cospi(2 * v), r * mpmath.sinpi(2 * v))
                for j in (0, 1):
                    got = drawn[(b * len(pairs) + h) * 2 + j]
                    ulp = float(np.spacing(np.abs(got)))
                    assert abs(mpmath.mpf(float(got)) - exact[j]) <= 4 * ulp, (b, h, j)


# ---- distributions -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["normal", "normal32"])
def test_normals_look_normal(what):
    """Moments within five standard errors; Kolmogorov and Smirnov at one in a million."""
    n = 200_000
    x = draw(what, 2024, 0, 0, 0, 0, n).astype(np.float64)
    assert abs(x.mean()) <= 5 / np.sqrt(n)
    assert abs(x.var() - 1) <= 5 * np.sqrt(2 / n)
    assert abs((x**3).mean()) <= 5 * np.sqrt(15 / n)
    assert abs((x**4).mean() - 3) <= 5 * np.sqrt(96 / n)
    assert scipy.stats.kstest(x, "norm").pvalue > 1e-6
    pairs = x.reshape(-1, 2)
    assert abs((pairs[:, 0] * pairs[:, 1]).mean()) <= 5 / np.sqrt(n / 2)


@pytest.mark.parametrize("what", ["uniform", "uniform32"])
def test_uniforms_look_uniform(what):
    x = draw(what, 2025, 0, 0, 0, 0, 200_000).astype(np.float64)
    assert scipy.stats.kstest(x, "uniform").pvalue > 1e-6
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) <= 5 / np.sqrt(len(x))


def test_signs_and_integers_are_balanced():
    n = 200_000
    assert abs(draw("sign", 2026, 0, 0, 0, 0, n).mean()) <= 5 / np.sqrt(n)
    counts = np.bincount(draw("integers", 2027, 0, 0, 0, 0, n, 7), minlength=7)
    assert scipy.stats.chisquare(counts).pvalue > 1e-6


def test_streams_of_different_kinds_and_operators_are_uncorrelated():
    n = 100_000
    base = draw("normal", 8, 0, 0, 0, 0, n)
    others = [
        draw("normal", 8, 0, 1, 0, 0, n),
        draw("normal", 8, 0, 0, 1, 0, n),
        draw("normal", 8, OPERATOR, 0, 0, 0, n),
        draw("normal", 9, 0, 0, 0, 0, n),
    ]
    for other in others:
        assert abs((base * other).mean()) <= 5 / np.sqrt(n)


# ---- Stream ------------------------------------------------------------------------------------


def test_stream_of_every_input():
    assert as_stream(7) == Stream(7, 0)
    assert as_stream(np.uint64(2**64 - 1)) == Stream(2**64 - 1)
    assert as_stream(np.int8(3)) == Stream(3)
    stream = Stream(5, 9)
    assert as_stream(stream) is stream
    seed = np.random.SeedSequence(11)
    assert as_stream(seed) == Stream(int(seed.generate_state(1, np.uint64)[0]))
    assert as_stream(seed) == as_stream(np.random.SeedSequence(11))
    assert as_stream(None) != as_stream(None)


def test_a_generator_advances_by_one_draw():
    mine, other = np.random.default_rng(3), np.random.default_rng(3)
    first, second = as_stream(mine), as_stream(mine)
    assert first == Stream(int(other.integers(0, 2**64, dtype=np.uint64)))
    assert first != second
    other.integers(0, 2**64, dtype=np.uint64)
    assert mine.bit_generator.state == other.bit_generator.state


def test_numpys_global_state_is_left_alone():
    before = np.random.get_state(legacy=False)  # noqa: NPY002  the state that must not change
    as_stream(None), as_stream(1), as_stream(np.random.default_rng(0))
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert (before["state"]["key"] == after["state"]["key"]).all()
    assert before["state"]["pos"] == after["state"]["pos"]


@pytest.mark.parametrize("bad", [True, np.True_, 1.0, "7", [1], np.random.RandomState(0)])
def test_other_inputs_refused(bad):
    message = (
        "rng must be None, an int, a Generator, a SeedSequence or a Stream, got "
        f"{type(bad).__name__}"
    )
    with pytest.raises(TypeError, match=message):
        as_stream(bad)


@pytest.mark.parametrize("bad", [-1, 2**64])
def test_keys_out_of_range(bad):
    with pytest.raises(ValueError, match=r"key must be in \[0, 2\*\*64\), got"):
        as_stream(bad)
    with pytest.raises(ValueError, match=r"key must be in \[0, 2\*\*64\), got"):
        Stream(bad)
    with pytest.raises(ValueError, match=r"offset must be in \[0, 2\*\*64\), got"):
        Stream(0, bad)


@pytest.mark.parametrize("bad", [1.5, "1", None, True])
def test_stream_needs_integers(bad):
    with pytest.raises(TypeError, match=f"key must be an integer, got {type(bad).__name__}"):
        Stream(bad)
    with pytest.raises(TypeError, match=f"offset must be an integer, got {type(bad).__name__}"):
        Stream(1, bad)


def test_stream_is_a_value():
    stream = Stream(np.uint64(4), np.int32(2))
    assert (type(stream.key), type(stream.offset)) == (int, int)
    assert repr(stream) == "Stream(key=4, offset=2)"
    assert stream == Stream(4, 2)
    assert hash(stream) == hash(Stream(4, 2))
    assert pickle.loads(pickle.dumps(stream)) == stream
    for name in ("key", "offset"):
        with pytest.raises(AttributeError):
            setattr(stream, name, 1)
    with pytest.raises((AttributeError, TypeError)):
        stream.other = 1
    assert randla.Stream is Stream


def test_stream_advances_by_operators():
    assert Stream(1).advance() == Stream(1, 2**40)
    assert Stream(1).advance(3) == Stream(1, 3 * 2**40)
    assert Stream(1, 2**64 - 1).advance() == Stream(1, 2**40 - 1)
