"""Linear sketching operators against their formulas: products, layouts, blocks, statistics."""

import copy
import itertools
import math
import pickle
import re

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from oracles import supported_isa_levels, unaligned

import randla
from randla import Stream
from randla._core.random import words
from randla._cpu import core
from randla.sketch import (
    SRHT,
    Accumulator,
    CountSketch,
    Gaussian,
    LinearSketch,
    Rademacher,
    RowSampling,
    SparseSign,
    leverage_scores,
)
from randla.sketch._srht import subset


def weighted(d, m, rng):
    p = np.arange(1.0, m + 1)
    return RowSampling(d, m, p=p / p.sum(), rng=rng)


MAKE = {
    "gaussian": lambda d, m, rng: Gaussian(d, m, rng=rng),
    "gaussian single": lambda d, m, rng: Gaussian(d, m, np.float32, rng=rng),
    "gaussian complex": lambda d, m, rng: Gaussian(d, m, complex=True, rng=rng),
    "rademacher": lambda d, m, rng: Rademacher(d, m, rng=rng),
    "sparse sign": lambda d, m, rng: SparseSign(d, m, rng=rng),
    "sparse sign 3": lambda d, m, rng: SparseSign(d, m, min(3, d), rng=rng),
    "count sketch": lambda d, m, rng: CountSketch(d, m, rng=rng),
    "srht": lambda d, m, rng: SRHT(d, m, rng=rng),
    "row sampling": lambda d, m, rng: RowSampling(d, m, rng=rng),
    "weighted sampling": weighted,
}
DENSE = [name for name in MAKE if name.startswith(("gaussian", "rademacher"))]
SPARSE = ["sparse sign", "sparse sign 3", "count sketch"]
SAMPLING = ["row sampling", "weighted sampling"]
REAL = [name for name in MAKE if name != "gaussian complex"]
OPEN = [*DENSE, *SPARSE]
EXACT = [*SPARSE, "srht", *SAMPLING]  # sums in one order, whatever else
SIZES = [(1, 1), (1, 7), (3, 4), (5, 9), (9, 9), (17, 40), (130, 131), (64, 300)]


@pytest.fixture(params=list(MAKE))
def name(request):
    return request.param


def same_bits(x, y):
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()


def entries(S):
    """The whole operator, from its formula in NumPy."""
    d, m = S.d, S.m
    if isinstance(S, RowSampling):
        return sampled(S)
    if S.dtype.kind == "c":
        real, imaginary = S._parts()
        return (real._definition(0, m) + 1j * imaginary._definition(0, m)) / math.sqrt(2 * d)
    return S.scale * S._definition(0, m)


def sampled(S, p=None):
    """Row sampling from its definition, in integers of any length."""
    d, m = S.d, S.m
    kinds = core.kinds()
    A = np.zeros((d, m))
    if S._p is None:
        A[np.arange(d), subset(S.stream, kinds["ROW_SAMPLING"], 0, d, m)] = math.sqrt(m / d)
        return A
    q = [max(1, math.floor(x * 2**40)) if x > 0 else 0 for x in S._p]
    total = sum(q)
    w = words(S.stream, kinds["WEIGHTED_SAMPLING"], 0, 0, -(-d // 2)).ravel().astype(object)
    for k in range(d):
        place, i = (w[2 * k] + (w[2 * k + 1] << 32)) * total >> 64, 0
        while place >= q[i]:
            place -= q[i]
            i += 1
        A[k, i] = 1 / math.sqrt(d * q[i] / total)
    return A


def full(S):
    """Entries as products in double precision use them."""
    return S.toarray("D" if S.dtype.kind == "c" else "d")


def matrix(rows, n, char="d", seed=0):
    rng = np.random.default_rng([rows, n, seed])
    A = rng.standard_normal((rows, n))
    if char in "FD":
        A = A + 1j * rng.standard_normal((rows, n))
    return A.astype(char)


def close(x, y, char="d", steps=1):
    eps = np.finfo(np.dtype(char)).eps
    scale = np.abs(y).max(initial=0) + 1
    return x.shape == y.shape and np.abs(x - y).max(initial=0) <= 20 * steps * eps * scale


# ---- entries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "m"), SIZES)
def test_entries_are_those_of_the_formula(isa, name, d, m):
    S = MAKE[name](d, m, 42)
    assert S.shape == (d, m)
    wanted, got = entries(S), S.toarray()
    assert got.dtype == np.result_type(S.dtype, np.float64)
    if name.startswith("gaussian"):
        unit = np.finfo(S.dtype).eps
        assert np.abs(got - wanted).max() <= 8 * unit * (np.abs(wanted).max() + 1 / math.sqrt(d))
    else:
        assert np.allclose(got, wanted, rtol=1e-15, atol=0)
    assert same_bits(S.toarray(got.dtype), got)


def test_entries_in_another_precision(name):
    S = MAKE[name](5, 9, 1)
    char = "F" if S.dtype.kind == "c" else "f"
    assert S.toarray(char).dtype == char
    assert np.allclose(S.toarray(char), S.toarray(), rtol=3e-7)
    assert S.T.toarray().shape == (9, 5)
    assert same_bits(S.T.toarray(), S.toarray().T)
    assert S.T.shape == (9, 5)
    assert S.T.dtype == S.dtype
    assert S.T.T is S


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 100, 1000])
@pytest.mark.parametrize("nnz", [None, 1, 2, 3, 4, 5, 8, 13, 300])
def test_sparse_sign_has_one_nonzero_in_each_part(d, nnz):
    if nnz is not None and nnz > d:
        with pytest.raises(ValueError, match=rf"nnz must be in \[1, {d}\] \(d\), got {nnz}"):
            SparseSign(d, 4, nnz)
        return
    S = SparseSign(d, 50, nnz, rng=5)
    z = S.nnz
    assert z == (min(8, d) if nnz is None else nnz)
    A = S.toarray()
    assert np.allclose(np.abs(A[A != 0]), S.scale)
    first = 0
    for t in range(z):
        length = d // z + (t < d % z)
        assert (np.count_nonzero(A[first : first + length], axis=0) == 1).all()
        first += length
    assert first == d


def test_count_sketch_is_sparse_sign_with_one_nonzero():
    assert same_bits(CountSketch(9, 50, rng=1).toarray(), SparseSign(9, 50, 1, rng=1).toarray())
    assert CountSketch(9, 50, rng=1) != SparseSign(9, 50, 1, rng=1)


def test_attributes(name):
    S = MAKE[name](6, 10, 3)
    assert (S.d, S.m, S.shape) == (6, 10, (6, 10))
    assert S.stream == Stream(3)
    assert isinstance(S, LinearSketch)
    dense = {"gaussian": 6, "gaussian single": 6, "gaussian complex": 12, "rademacher": 6}
    scales = {**dense, "srht": 6, "sparse sign": 6, "sparse sign 3": 3, "count sketch": 1}
    assert S.scale == pytest.approx(1 / math.sqrt(scales.get(name, 1)))
    assert S.nnz == {"sparse sign": 6, "sparse sign 3": 3, "count sketch": 1}.get(name)
    single, double = np.dtype("f"), np.dtype("d")
    kinds = {"gaussian single": single, "gaussian complex": np.dtype("D")}
    assert S.dtype == kinds.get(name, double)


FROZEN_VALUES = {
    "gaussian": [
        [1.176388, 0.156257, -0.9242054, 0.4886605, -0.522449, -0.07671129],
        [-0.04239369, 0.3647568, 0.4592456, -0.9825028, -0.08610417, -0.01338447],
        [0.4211522, 0.5001818, -0.2789182, 0.0415199, -0.543138, 0.1844124],
        [-0.7243255, -0.2133741, 0.8484729, -0.2173562, 0.2347427, -0.06805268],
    ],
    "gaussian single": [
        [0.3290277, 0.1818377, 0.07473802, -0.1814609, -0.052819, 0.9789178],
        [0.6439646, -0.589752, 1.096652, 0.2182322, 0.3747737, 0.3911986],
        [-0.1031883, -0.3962092, -0.03574758, -0.2599286, 0.5993671, 0.6357422],
        [0.19979, -0.1709373, -0.07173537, 0.09105349, 0.05784598, 0.05941222],
    ],
    "gaussian complex": [
        [
            0.831832 - 0.1882797j,
            0.1104904 - 0.4911417j,
            -0.6535119 + 0.5424717j,
            0.3455351 + 0.5021974j,
            -0.3694272 - 0.3317556j,
            -0.0542431 - 0.3721665j,
        ],
        [
            -0.0299769 - 0.2604225j,
            0.257922 + 0.6664078j,
            0.3247357 - 0.4739031j,
            -0.6947344 - 0.4294876j,
            -0.0608848 - 0.5062334j,
            -0.0094643 - 0.23071j,
        ],
        [
            0.2977996 - 0.7239692j,
            0.3536819 - 0.5085042j,
            -0.1972249 - 0.2092259j,
            0.029359 + 0.47822j,
            -0.3840565 - 0.2234983j,
            0.1303992 - 0.2328697j,
        ],
        [
            -0.5121755 - 0.3706849j,
            -0.1508783 - 0.2010927j,
            0.5999609 + 0.0288589j,
            -0.153694 + 0.2426837j,
            0.1659881 - 0.3013898j,
            -0.0481205 + 0.1408322j,
        ],
    ],
    "rademacher": [
        [0.5, -0.5, 0.5, 0.5, -0.5, -0.5],
        [0.5, -0.5, -0.5, 0.5, -0.5, 0.5],
        [0.5, 0.5, -0.5, 0.5, -0.5, -0.5],
        [0.5, 0.5, -0.5, 0.5, 0.5, -0.5],
    ],
    "sparse sign": [
        [0.5, 0.5, -0.5, -0.5, 0.5, 0.5],
        [-0.5, 0.5, -0.5, 0.5, 0.5, -0.5],
        [-0.5, 0.5, 0.5, -0.5, 0.5, 0.5],
        [0.5, -0.5, -0.5, 0.5, -0.5, -0.5],
    ],
    "sparse sign 3": [
        [0.5773503, 0.0, 0.0, -0.5773503, 0.0, 0.5773503],
        [0.0, 0.5773503, -0.5773503, 0.0, 0.5773503, 0.0],
        [-0.5773503, 0.5773503, -0.5773503, 0.5773503, 0.5773503, -0.5773503],
        [-0.5773503, 0.5773503, 0.5773503, -0.5773503, 0.5773503, 0.5773503],
    ],
    "count sketch": [
        [1.0, 0.0, 0.0, -1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        [0.0, 1.0, -1.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ],
    "srht": [
        [0.5, 0.5, 0.5, 0.5, 0.5, -0.5],
        [0.5, 0.5, -0.5, -0.5, 0.5, -0.5],
        [0.5, 0.5, 0.5, 0.5, -0.5, 0.5],
        [0.5, 0.5, -0.5, -0.5, -0.5, 0.5],
    ],
    "row sampling": [
        [1.224745, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.224745, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.224745, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.224745, 0.0, 0.0],
    ],
    "weighted sampling": [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.9354143],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.9354143],
        [0.0, 0.0, 1.322876, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.9354143],
    ],
}


def test_frozen_values():
    """A stream is an interface: these numbers never change."""
    for kind, wanted in FROZEN_VALUES.items():
        S = MAKE[kind](4, 6, Stream(2024, 5))
        got = S.toarray()
        wanted = np.array(wanted)
        assert np.allclose(got, wanted, rtol=2e-6, atol=0), kind


def test_words_of_the_stream_are_all_that_matters():
    S = SparseSign(5, 9, rng=Stream(7, 3))
    assert same_bits(S.toarray(), SparseSign(5, 9, rng=Stream(7, 3)).toarray())
    assert not np.array_equal(S.toarray(), SparseSign(5, 9, rng=Stream(7, 4)).toarray())
    rng = np.random.default_rng(1)
    first, second = SparseSign(5, 9, rng=rng), SparseSign(5, 9, rng=rng)
    assert first.stream != second.stream
    assert SparseSign(5, 9).stream != SparseSign(5, 9).stream
    seed = np.random.SeedSequence(4)
    assert SparseSign(5, 9, rng=seed) == SparseSign(5, 9, rng=seed)


def test_open_operators_take_any_length():
    for kind in OPEN:
        S = MAKE[kind](7, None, 2)
        assert S.shape == (7, None)
        assert S.T.shape == (None, 7)
        for m in (1, 5, 33):
            whole = MAKE[kind](7, m, 2)
            assert same_bits(S.cols(0, m).toarray(), whole.toarray())
            A = matrix(m, 4)
            assert same_bits(S @ A, whole @ A)
            assert same_bits(A.T @ S.T, A.T @ whole.T)
        with pytest.raises(
            ValueError, match=r"toarray needs a number of columns: use cols\(i, j\)"
        ):
            S.toarray()
        with pytest.raises(ValueError, match=r"S\.T needs a number of columns"):
            S.T @ matrix(7, 2)
    for make in (SRHT, RowSampling):
        with pytest.raises(TypeError, match=r"m must be an integer: .* depends on it, got None"):
            make(2, None)


# ---- identity ------------------------------------------------------------------------------------


def test_repr_makes_it_again(name):
    S = MAKE[name](5, 9, Stream(1, 2))
    if name == "weighted sampling":
        assert "p='<9 probabilities>'" in repr(S)
        return
    assert eval(repr(S), {**vars(randla.sketch), "Stream": Stream}) == S
    part = S.rows(1, 4).cols(2, 5)
    assert repr(part) == repr(S) + ".rows(1, 4).cols(2, 5)"
    assert repr(part.T) == repr(part) + ".T"
    assert eval(repr(part), {**vars(randla.sketch), "Stream": Stream}) == part


def test_repr_of_open_blocks():
    assert repr(SparseSign(5, None, 2, rng=0).cols(3, 9)).endswith(").cols(3, 9)")


def test_equality_hash_copies(name):
    S, same = MAKE[name](5, 9, 1), MAKE[name](5, 9, 1)
    assert same == S
    assert hash(S) == hash(same)
    for other in (MAKE[name](5, 9, 2), MAKE[name](4, 9, 1), S.cols(0, 8), S.rows(1, 5), 3):
        assert other != S
    assert S.cols(0, 9) == S
    for again in (pickle.loads(pickle.dumps(S)), copy.copy(S), copy.deepcopy(S)):
        assert again == S
        assert same_bits(again.toarray(), S.toarray())
    part = pickle.loads(pickle.dumps(S.rows(1, 3).cols(2, 7)))
    assert same_bits(part.toarray(), S.toarray()[1:3, 2:7])


def test_classes_and_parameters_are_apart():
    """Operators of different classes from one seed are independent; equal words differ by kind."""
    made = [MAKE[kind](8, 16, 1) for kind in MAKE]
    assert len(set(made)) == len(made)
    signs = [np.sign(S.toarray().real).ravel() for S in made[:4] + made[4:5]]
    assert abs(np.mean(signs[0] * signs[3])) < 0.5


def test_next_stream(name):
    S = MAKE[name](5, 9, 1)
    T = MAKE[name](5, 9, S.next_stream)
    assert S.next_stream == Stream(1, 2**40)
    assert S.stream == Stream(1)
    assert not np.array_equal(S.toarray(), T.toarray())


# ---- products ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "m"), SIZES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 33])
def test_four_products(isa_extreme, name, d, m, n):
    S = MAKE[name](d, m, 3)
    dense = full(S)
    for char in "fdFD":
        A, B = matrix(m, n, char), matrix(d, n, char)
        kind = np.result_type(char, "F") if S.dtype.kind == "c" else np.dtype(char)
        for got, wanted in [
            (S @ A, dense @ A),
            (A.T @ S.T, A.T @ dense.T),
            (S.T @ B, dense.T @ B),
            (B.T @ S, B.T @ dense),
        ]:
            assert got.dtype == kind
            assert close(got, wanted, char, m + d)


@pytest.mark.parametrize("m", [1000, 5001])
def test_long_and_large(name, m):
    """Several panels of codes, blocks of a dense operator, chunks of a transform."""
    d = 300
    S = MAKE[name](d, m, 8)
    dense = full(S)
    A, B = matrix(m, 19), matrix(d, 19)
    for x, y in ((A, B), (np.asfortranarray(A), np.asfortranarray(B))):
        assert close(S @ x, dense @ A, "d", m)
        assert close(S.T @ y, dense.T @ B, "d", d)
    assert close(S @ A[:, 0], dense @ A[:, 0], "d", m)
    assert close(S.T @ B[:, 0], dense.T @ B[:, 0], "d", d)


def test_many_rows_of_a_dense_operator():
    """More rows than a strip of it has."""
    for kind in DENSE:
        S = MAKE[kind](2500, 300, 1)
        A, dense = matrix(300, 3), full(S)
        assert close(S @ A, dense @ A, "d", 300)
        assert close(A.T @ S.T, A.T @ dense.T, "d", 300)
        B = matrix(2500, 3)
        assert close(S.T @ B, dense.T @ B, "d", 2500)


def test_adjoint(name):
    S = MAKE[name](20, 50, 1)
    a, b = matrix(50, 1)[:, 0], matrix(20, 1)[:, 0]
    assert np.isclose((S @ a) @ b, a @ (S.T @ b))


@pytest.mark.parametrize(
    "dtype",
    [np.float16, ml_dtypes.bfloat16, *"?bhilqBHILQ"],
    ids=lambda d: np.dtype(d).name + np.dtype(d).char,
)
def test_other_dtypes(name, dtype):
    dtype = np.dtype(dtype)
    S = MAKE[name](9, 20, 6)
    A = (matrix(20, 5) * 9).astype(dtype) if dtype.kind not in "uB" else matrix(20, 5) * 9
    A = np.abs(A).astype(dtype) if dtype.kind in "u" else A
    got = S @ A
    if dtype.kind in "iub":
        assert got.dtype == np.result_type(S.dtype, float)
        assert same_bits(got, S @ A.astype("d"))
    else:
        if S.dtype.kind == "c":
            return
        assert got.dtype == dtype
        assert same_bits(got, (S @ A.astype("f")).astype(dtype))


def test_dtypes_that_are_refused(name):
    S = MAKE[name](3, 4, 0)
    for bad in (np.zeros((4, 2), "g"), np.zeros((4, 2), "G"), np.array(["a"] * 4)):
        with pytest.raises(TypeError, match="A has dtype"):
            S @ bad
    with pytest.raises(TypeError, match="A must be an array of numbers"):
        S @ [None] * 4
    with pytest.raises(TypeError, match="subclass of ndarray whose meaning would be lost"):
        S @ np.ma.zeros((4, 2))
    assert same_bits(
        S @ [[1.0, 2.0]] * 1 if S.m == 1 else S @ [1.0, 2, 3, 4], S @ np.arange(1.0, 5)
    )


# ---- layouts -------------------------------------------------------------------------------------


def layouts(A):
    """The same numbers in many places."""
    yield "C", np.ascontiguousarray(A)
    yield "F", np.asfortranarray(A)
    wide = np.zeros((A.shape[0] + 3, A.shape[1] + 5), A.dtype)
    wide[1:-2, 2:-3] = A
    yield "window", wide[1:-2, 2:-3]
    yield "window of F", np.asfortranarray(wide)[1:-2, 2:-3]
    steps = np.zeros((2 * A.shape[0], 3 * A.shape[1]), A.dtype)
    steps[::2, ::3] = A
    yield "strided", steps[::2, ::3]
    yield "rows backwards", np.ascontiguousarray(A[::-1])[::-1]
    yield "columns backwards", np.ascontiguousarray(A[:, ::-1])[:, ::-1]
    locked = A.copy()
    locked.flags.writeable = False
    yield "read-only", locked
    yield "unaligned", unaligned(A)


@pytest.mark.parametrize("char", "fdFD")
@pytest.mark.parametrize(("m", "n"), [(70, 1), (70, 2), (70, 13), (40, 40)])
def test_layouts(name, char, m, n):
    S = MAKE[name](11, m, 9)
    A = matrix(m, n, char)
    wanted, before = full(S) @ A, A.copy()
    results = [(how, S @ x, x) for how, x in layouts(A)]
    for how, got, x in results:
        assert close(got, wanted, char, m), how
        assert np.array_equal(x, before)
        if name in EXACT:
            assert same_bits(got, results[0][1]), how
        other = x.T @ S.T
        assert close(other, wanted.T, char, m), how
        if name in EXACT:
            assert same_bits(other.T, results[0][1]), how
    B = matrix(11, n, char)
    for how, x in layouts(B):
        assert close(S.T @ x, full(S).T @ B, char, m), how
        assert close(x.T @ S, B.T @ full(S), char, m), how


def test_batches(name):
    S = MAKE[name](6, 15, 9)
    dense = full(S)
    A, B = np.random.default_rng(0).standard_normal((2, 3, 15, 4)), np.ones((2, 1, 6, 3))
    assert close(S @ A, dense @ A, "d", 15)
    assert close(S.T @ B, dense.T @ B, "d", 15)
    assert close(A.swapaxes(-1, -2) @ S.T, A.swapaxes(-1, -2) @ dense.T, "d", 15)
    spread = np.broadcast_to(A[:1], (5, 3, 15, 4))
    got = S @ spread
    assert got.shape == (5, 3, 6, 4)
    assert all(same_bits(got[i], got[0]) for i in range(5))
    # a matrix does not see its neighbours
    if name not in DENSE:
        assert same_bits((S @ A)[1, 2], S @ A[1, 2])


def test_any_axis(name):
    S = MAKE[name](6, 7, 9)
    dense = full(S)
    A = np.random.default_rng(0).standard_normal((3, 7, 4, 7))
    for axis in (1, 3, -1, -3):
        wanted = np.moveaxis(np.tensordot(dense, A, (1, axis)), 0, axis)
        for x in (A, np.asfortranarray(A), A.copy()[::-1][::-1]):
            assert close(S.apply(x, axis), wanted, "d", 7)
    for axis in (4, -5):
        with pytest.raises(np.exceptions.AxisError, match=f"axis {axis} is out of bounds"):
            S.apply(A, axis)
    with pytest.raises(TypeError, match="axis must be an integer, got float"):
        S.apply(A, 1.0)
    with pytest.raises(ValueError, match="A must have at least one dimension"):
        S @ 3.0
    x = A[0, :, 0, 0]
    assert same_bits(S.apply(x), S @ x)


def test_vectors_with_strides(name):
    S = MAKE[name](6, 30, 9)
    M = matrix(60, 90)
    for x in (M[0, ::3], M[::-2, 1], M[59::-2, 5], M[:30, 0]):
        assert same_bits(S @ x, S @ x.copy())
        assert same_bits(x @ S.T, S @ x.copy())
    for y in (M[0, :18:3], M[11::-2, 1]):
        assert same_bits(S.T @ y, S.T @ y.copy())
        assert same_bits(y @ S, S.T @ y.copy())


def test_empty_arrays(name):
    S = MAKE[name](6, 9, 9)
    for n in (0, 3):
        for shape in ((0, 9, n), (2, 9, 0), (9, 0)):
            got = S @ np.zeros(shape)
            assert got.shape == (*shape[:-2], 6, shape[-1])
            assert not got.any()
        assert (np.zeros((0, 9)) @ S.T).shape == (0, 6)
        assert (np.zeros((0, 6)) @ S).shape == (0, 9)
    none = S.cols(4, 4)
    got = none @ np.zeros((0, 3), "f")
    assert got.dtype == (np.complex64 if S.dtype.kind == "c" else np.float32)
    assert got.shape == (6, 3)
    assert not got.any()
    assert (none.T @ np.zeros((6, 3))).shape == (0, 3)
    assert (S.rows(2, 2) @ np.zeros((9, 3))).shape == (0, 3)
    lifted = S.rows(2, 2).T @ np.zeros((0, 3))
    assert lifted.shape == (9, 3)
    assert not lifted.any()
    assert none.toarray().shape == (6, 0)
    if name in OPEN:
        assert (MAKE[name](3, None, 1) @ np.zeros((0, 4))).tolist() == np.zeros((3, 4)).tolist()


# ---- out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("char", "fdFD")
def test_out_and_accumulate(name, char, order):
    S = MAKE[name](7, 40, 9)
    kind = np.result_type(char, "F").char if S.dtype.kind == "c" else char
    A = np.array(matrix(40, 12, char), order=order)
    wanted = S @ A
    for how, place in layouts(np.zeros((7, 12), kind)):
        out = place
        if not out.flags.writeable:
            continue
        out[...] = np.nan
        assert S.apply(A, out=out) is out
        assert close(out, wanted, char, 40), how
        assert S.apply(A, out=out, accumulate=True) is out
        assert close(out, 2 * wanted, char, 40), how
    out = np.full((12, 7), np.nan, kind)
    S.apply(A.T, 1, out=out)
    assert close(out, wanted.T, char, 40)


def test_out_writes_nothing_else(name):
    S = MAKE[name](7, 40, 9)
    A = matrix(40, 5)
    frame = np.full((9, 8), 7.5, np.result_type(S.dtype, "d"))
    S.apply(A, out=frame[1:8, 2:7])
    inner = frame[1:8, 2:7].copy()
    frame[1:8, 2:7] = 7.5
    assert (frame == 7.5).all()
    assert close(inner, S @ A, "d", 40)


def test_streams_by_rows(name):
    S = MAKE[name](7, 40, 9)
    A = matrix(40, 5)
    B = np.zeros((7, 5), np.result_type(S.dtype, "d"))
    for i in range(0, 40, 9):
        S.cols(i, min(i + 9, 40)).apply(A[i : i + 9], out=B, accumulate=True)
    assert close(B, S @ A, "d", 40)


def test_bad_out(name):
    S = MAKE[name](3, 4, 0)
    A = np.zeros((4, 2))
    kind = np.result_type(S.dtype, "d")
    for bad, error, text in [
        ([[0.0] * 2] * 3, TypeError, r"out must be a numpy\.ndarray, got list"),
        (np.zeros((2, 3), kind), ValueError, r"out must have shape \(3, 2\), got \(2, 3\)"),
        (np.zeros((3, 2), "f"), TypeError, rf"out must have dtype {kind}, got float32"),
    ]:
        with pytest.raises(error, match=text):
            S.apply(A, out=bad)
    locked = np.zeros((3, 2), kind)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writable, got a read-only array"):
        S.apply(A, out=locked)
    with pytest.raises(ValueError, match="accumulate=True needs an array to add to, got out=None"):
        S.apply(A, accumulate=True)
    if S.dtype.kind != "c":
        big = np.zeros((5, 2))
        with pytest.raises(ValueError, match="out must not overlap an input"):
            S.apply(big[:4], out=big[2:])


# ---- blocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "m"), [(7, 9), (130, 300), (259, 129), (33, 1000)])
def test_blocks_have_the_bits_of_the_whole(isa_extreme, name, d, m):
    d = min(d, m) if name in ("row sampling", "srht") else d
    S = MAKE[name](d, m, 4)
    whole = S.toarray()
    rng = np.random.default_rng([d, m])
    for _ in range(12):
        i, j = np.sort(rng.integers(0, d + 1, 2))
        k, q = np.sort(rng.integers(0, m + 1, 2))
        part = S.rows(i, j).cols(k, q)
        assert part.shape == (j - i, q - k)
        assert part == S.cols(k, q).rows(i, j)
        assert part.scale == S.scale
        assert same_bits(part.toarray(), whole[i:j, k:q])
        if j - i > 2 and q - k > 2:
            assert same_bits(
                part.rows(1, j - i - 1).cols(1, 2).toarray(), whole[i + 1 : j - 1, k + 1 : k + 2]
            )
        A, B = matrix(q - k, 3), matrix(j - i, 3)
        for x, y in ((A, B), (np.asfortranarray(A), np.asfortranarray(B))):
            assert close(part @ x, whole[i:j, k:q] @ A, "d", m)
            assert close(part.T @ y, whole[i:j, k:q].T @ B, "d", d)


def test_rows_of_a_product(name):
    """A block of rows gives the rows of the whole, with its bits where sums have one order."""
    S = MAKE[name](30, 500, 4)
    A = matrix(500, 9)
    whole = S @ A
    for i, j in ((0, 30), (3, 17), (29, 30)):
        part = S.rows(i, j) @ A
        assert close(part, whole[i:j], "d", 500)
        if name in EXACT:
            assert same_bits(part, whole[i:j])


def test_bad_blocks(name):
    S = MAKE[name](5, 9, 0)
    for call, text in [
        (lambda: S.rows(0, 6), r"j must be in \[0, 5\] \(shape\[0\]\), got 6"),
        (lambda: S.rows(3, 2), r"i must be in \[0, 2\] \(j\), got 3"),
        (lambda: S.rows(-1, 2), r"i must be in \[0, 2\] \(j\), got -1"),
        (lambda: S.cols(2, 10), r"j must be in \[2, 9\] \(shape\[1\]\), got 10"),
        (lambda: S.cols(2, 6).cols(0, 5), r"j must be in \[0, 4\] \(shape\[1\]\), got 5"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(TypeError, match="i must be an integer, got float"):
        S.rows(0.0, 2)
    with pytest.raises(TypeError, match="j must be an integer, got NoneType"):
        S.cols(0, None)


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


# ---- row sampling and leverage scores ------------------------------------------------------------


def test_row_sampling_is_a_gather():
    A = matrix(50, 4)
    S = RowSampling(20, 50, rng=3)
    assert (np.diff(S.indices) > 0).all()
    assert np.array_equal(S.weights, np.full(20, math.sqrt(50 / 20)))
    assert same_bits(S @ A, A[S.indices] * S.weights[:, None])
    p = np.zeros(50)
    p[[3, 9]] = 0.25, 0.75
    S = RowSampling(30, 50, p=p, rng=3)
    assert set(S.indices) == {3, 9}
    assert np.allclose(S.weights, 1 / np.sqrt(30 * p[S.indices]), rtol=1e-9)
    assert same_bits(S @ A, A[S.indices] * S.weights[:, None])
    assert close(S.T @ matrix(30, 2), full(S).T @ matrix(30, 2), "d", 50)
    everything = RowSampling(50, 50, rng=1)
    assert np.array_equal(everything.indices, np.arange(50))
    assert np.array_equal(everything.toarray(), np.eye(50))


def test_probabilities_may_be_lists_and_single_precision():
    S = RowSampling(7, 4, p=[0.25] * 4, rng=1)
    assert RowSampling(7, 4, p=np.full(4, 0.25, "f"), rng=1) == S
    assert RowSampling(7, 4, p=[0.25, 0.25, 0.5, 0], rng=1) != S
    tiny = np.array([1.0 - 2**-60, 2**-60])  # below the grid: counts as one unit
    assert RowSampling(4, 2, p=tiny, rng=1).shape == (4, 2)


def test_bad_probabilities():
    for p, error, text in [
        ([0.5, 0.5], ValueError, r"p must have shape \(3,\), got \(2,\)"),
        ([[1.0, 0, 0]], ValueError, r"p must have shape \(3,\), got \(1, 3\)"),
        ([0.5, 0.7, -0.2], ValueError, r"p must be nonnegative, got -0\.2"),
        ([np.nan, 0.5, 0.5], ValueError, "p must be finite, got nan"),
        ([np.inf, 0.5, 0.5], ValueError, "p must be finite, got inf"),
        ([0, 0, 0], ValueError, "p must have a positive entry, got zeros alone"),
        ([0.5, 0.5, 0.5], ValueError, r"p must have the sum 1, got 1\.5"),
        ([1j, 0, 0], TypeError, "p must have real numbers, got dtype complex128"),
    ]:
        with pytest.raises(error, match=text):
            RowSampling(2, 3, p=p)


def gram_scores(A):
    Q = np.linalg.qr(A).Q
    return (np.abs(Q) ** 2).sum(axis=1)


@pytest.mark.parametrize("char", "fdFD")
def test_exact_leverage_scores(char):
    A = matrix(60, 7, char)
    got = leverage_scores(A, exact=True)
    assert got.dtype == np.dtype(char).char.lower()
    assert np.allclose(got, gram_scores(A), atol=50 * np.finfo(char).eps)
    assert got.sum() == pytest.approx(7, rel=1e-5)
    assert ((got >= 0) & (got <= 1 + 1e-5)).all()
    lacking = np.concatenate([A, A[:, :2]], axis=1)  # of rank 7
    assert leverage_scores(lacking, exact=True).sum() == pytest.approx(7, rel=1e-4)
    assert not leverage_scores(np.zeros((5, 2), char), exact=True).any()


@pytest.mark.parametrize("char", "fdFD")
@pytest.mark.parametrize("n", [3, 16, 40])
def test_approximate_leverage_scores(char, n):
    A = matrix(2000, n, char)
    A[:n] *= 1000
    A[50] = 0
    wanted, got = gram_scores(A), leverage_scores(A, rng=1)
    assert got.dtype == np.dtype(char).char.lower()
    assert got[50] == 0
    ratio = np.delete(got / np.where(wanted > 0, wanted, 1), 50)
    assert np.mean((ratio > 1 / 3) & (ratio < 3)) > 0.99
    assert np.median(ratio) == pytest.approx(1, abs=0.5)
    assert same_bits(got, leverage_scores(A, rng=1))


def test_leverage_scores_make_row_sampling_embed():
    """Spiked rows: uniform sampling misses them, leverage scores do not."""
    A = matrix(4000, 20)
    A[:20] *= 1e5
    Q = np.linalg.qr(A).Q
    for scores in (leverage_scores(A, exact=True), leverage_scores(A, rng=0)):
        S = RowSampling(400, 4000, p=scores / scores.sum(), rng=2)
        assert np.linalg.cond(S @ Q) < 4
    assert np.linalg.cond(RowSampling(400, 4000, rng=2) @ Q) > 100


def test_bad_leverage_scores():
    with pytest.raises(ValueError, match=r"A must have shape \(m, n\) with m >= n, got \(2, 3\)"):
        leverage_scores(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"A must have shape \(m, n\) with m >= n, got \(3,\)"):
        leverage_scores(np.zeros(3))
    with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
        leverage_scores(np.full((3, 2), np.nan))
    with pytest.raises(TypeError, match="A has dtype <U1; expected numbers"):
        leverage_scores(np.array([["a"]]))
    assert leverage_scores(np.zeros((4, 0))).tolist() == [0] * 4
    assert leverage_scores([[1, 0], [0, 1], [0, 0]]).tolist() == [1, 1, 0]


# ---- statistics, with fixed seeds ----------------------------------------------------------------


def test_mean_of_the_gram_matrix_is_the_identity(name):
    d, m, draws = 4, 6, 2000
    grams = []
    stream = Stream(99)
    for _ in range(draws):
        S = MAKE[name](d, m, stream)
        A = S.toarray()
        grams.append(A.conj().T @ A)
        stream = S.next_stream
    grams = np.array(grams)
    error = np.abs(grams.mean(axis=0) - np.eye(m))
    deviation = grams.std(axis=0) / math.sqrt(draws)
    assert (error <= 4.5 * deviation + 1e-12).all()


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_normals_are_normal(dtype):
    S = Gaussian(200, 500, dtype, rng=8)
    x = S.toarray().ravel() / S.scale
    assert scipy.stats.kstest(x, "norm").pvalue > 1e-3
    for moment, wanted, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x.astype("d") ** moment).mean() - wanted) < 5 * math.sqrt(variance / x.size)
    # neighbours in both directions, and members of a pair
    Z = S.toarray().astype("d") / S.scale
    for a, b in ((Z[1:], Z[:-1]), (Z[:, 1:], Z[:, :-1]), (Z[::2], Z[1::2])):
        assert abs((a * b).mean()) < 5 / math.sqrt(a.size)
    C = Gaussian(200, 500, dtype, complex=True, rng=8).toarray() / S.scale
    assert scipy.stats.kstest(math.sqrt(2) * C.real.ravel(), "norm").pvalue > 1e-3
    assert scipy.stats.kstest(math.sqrt(2) * C.imag.ravel(), "norm").pvalue > 1e-3
    assert abs((C.real * C.imag).mean()) < 5 / math.sqrt(C.size)


def test_signs_are_fair():
    for S in (Rademacher(200, 500, rng=8), SparseSign(200, 9000, rng=8), SRHT(1, 4096, rng=8)):
        x = np.sign(S.toarray())
        plus, minus = (x > 0).sum(), (x < 0).sum()
        assert scipy.stats.chisquare([plus, minus]).pvalue > 1e-3
    bits = (Rademacher(128, 2000, rng=8).toarray() > 0).reshape(16, 8, 2000)
    values = (bits * (1 << np.arange(8))[:, None]).sum(axis=1).ravel()
    assert scipy.stats.chisquare(np.bincount(values, minlength=256)).pvalue > 1e-3


@pytest.mark.parametrize("d", [24, 29, 100])
def test_indices_are_uniform(d):
    A = SparseSign(d, 40000, 8, rng=4).toarray()
    counts, each, longer = (A != 0).sum(axis=1), d // 8, d % 8
    first = 0
    for t in range(8):
        length = each + (t < longer)
        assert scipy.stats.chisquare(counts[first : first + length]).pvalue > 1e-4
        # a row and its sign are independent
        table = [
            (A[first : first + length] > 0).sum(axis=1),
            (A[first : first + length] < 0).sum(axis=1),
        ]
        assert scipy.stats.chi2_contingency(table).pvalue > 1e-4
        first += length


def test_samples_are_uniform():
    counts, weights = np.zeros(20), np.zeros(6)
    p = np.array([0.3, 0.0, 0.1, 0.2, 0.15, 0.25])
    rows = np.zeros(32)
    for seed in range(3000):
        counts[RowSampling(7, 20, rng=seed).indices] += 1
        np.add.at(weights, RowSampling(5, 6, p=p, rng=seed).indices, 1)
    for seed in range(1000):
        kept = subset(Stream(seed), core.kinds()["SRHT"], 1, 9, 32)
        assert len(set(kept)) == 9
        rows[kept] += 1
    # without replacement the counts vary less than multinomial ones: the test is conservative
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    assert scipy.stats.chisquare(rows).pvalue > 1e-3
    assert weights[1] == 0
    assert scipy.stats.chisquare(weights[p > 0], 15000 * p[p > 0]).pvalue > 1e-3


def kahan(n, angle=1.2, perturbation=1e3):
    """Kahan's matrix, whose columns hide its rank from pivoting."""
    c, s = math.cos(angle), math.sin(angle)
    K = np.diag(s ** np.arange(n)) @ (np.eye(n) - c * np.triu(np.ones((n, n)), 1))
    return K + perturbation * np.finfo(float).eps * np.diag(np.arange(n, 0, -1.0))


def coherent(what, m, n):
    rng = np.random.default_rng(5)
    A = rng.standard_normal((m, n))
    if what == "unit":
        A = np.eye(m, n)
    elif what == "spiked":
        A[rng.choice(m, n, replace=False)] *= 1e6
    elif what == "kahan":
        A = np.zeros((m, n))
        A[:: m // n] = kahan(n)
    return np.linalg.qr(A).Q


@pytest.mark.parametrize("what", ["gaussian", "unit", "spiked", "kahan"])
def test_embedding_of_coherent_subspaces(what):
    """The condition of S Q at d = 2n: 5.4 to 5.8 for nnz = 8 as for Gaussian entries."""
    m, n = 4000, 200
    Q = coherent(what, m, n)
    mine = [np.linalg.cond(SparseSign(2 * n, m, rng=seed) @ Q) for seed in range(5)]
    normal = [np.linalg.cond(Gaussian(2 * n, m, rng=seed) @ Q) for seed in range(3)]
    assert max(mine) < 7
    assert np.median(mine) == pytest.approx(np.median(normal), rel=0.15)
    if what in ("unit", "spiked"):  # one nonzero is not enough
        assert np.linalg.cond(CountSketch(2 * n, m, rng=0) @ Q) > 1e3


def test_distances_are_kept(name):
    """Johnson and Lindenstrauss: lengths within 25 % at d = 200 (samples: of normal vectors)."""
    A = matrix(2000, 50)
    S = MAKE[name](200, 2000, 1)
    ratio = np.linalg.norm(S @ A, axis=0) / np.linalg.norm(A, axis=0)
    assert np.abs(ratio - 1).max() < 0.25
