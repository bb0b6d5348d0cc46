"""Linear sketching operators against their formulas: entries, products, layouts, blocks."""

import copy
import math
import pickle

import ml_dtypes
import numpy as np
import pytest
from oracles import unaligned
from sketch_gallery import (
    DENSE,
    EXACT,
    MAKE,
    OPEN,
    SIZES,
    close,
    entries,
    full,
    matrix,
    same_bits,
)

import randla
from randla import Stream
from randla.sketch import (
    SRHT,
    CountSketch,
    LinearSketch,
    RowSampling,
    SparseSign,
)


@pytest.fixture(params=list(MAKE))
def name(request):
    return request.param


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
