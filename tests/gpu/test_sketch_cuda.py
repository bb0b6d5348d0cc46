"""Sketching operators on CuPy arrays: the kernels against the CPU's results."""

import itertools

import cupy_stand_in
import numpy as np
import processes
import pytest
from cupy_stand_in import record

import randla
from randla.sketch import SRHT, CountSketch, Gaussian, Rademacher, RowSampling, SparseSign

gpu = pytest.mark.gpu
FEW = cupy_stand_in.SANITIZE  # what ASan must see are the paths, not the cases
OPERATORS = {
    "sparse, 8": SparseSign(50, 300, rng=1),
    "sparse, 3": SparseSign(50, 300, 3, rng=2),
    "sparse, all rows": SparseSign(21, 300, 21, rng=3),
    "count": CountSketch(20, None, rng=4),
    "srht": SRHT(60, 300, rng=5),
    "srht, all rows": SRHT(512, 300, rng=6),
    "gaussian": Gaussian(33, None, rng=7),
    "gaussian, float32": Gaussian(33, 300, np.float32, rng=8),
    "gaussian, complex": Gaussian(20, 300, complex=True, rng=9),
    "rademacher": Rademacher(150, 300, rng=10),
    "rows": RowSampling(7, 300, rng=11),
    "rows, weighted": RowSampling(40, 300, p=np.arange(300) / 44850, rng=12),
}
SPARSE = [name for name, S in OPERATORS.items() if S.nnz]


@pytest.fixture(params=sorted(OPERATORS))
def S(request):
    return OPERATORS[request.param]


@pytest.fixture
def cut(cp, monkeypatch):
    """Everything is cut into several pieces."""
    from randla._cuda import sketch

    for name, value in {
        "SORTED": 100, "COPIED": 999, "CHUNKS": 2, "DRAWN": 1, "_LONGEST": 256,
    }.items():  # fmt: skip
        monkeypatch.setattr(sketch, name, value)


@pytest.fixture(autouse=True)
def _in_order():
    yield
    record.seed = 0


def matrix(shape, char, seed=0, order="C"):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if char in "FD" else 0)
    return np.asarray(A.astype(char), order=order)


def same(found, wanted):
    found = found.get()
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.tobytes() == wanted.tobytes()


def close(S, found, wanted, roundings=20):
    """Within the rounding of sums in another order, and of the numbers drawn."""
    found = found.get()
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    drawn = S.dtype if isinstance(S, Gaussian) else wanted.dtype
    unit = max(np.finfo(wanted.dtype).eps, np.finfo(drawn).eps)
    assert np.abs(found - wanted).max(initial=0) <= roundings * unit * np.abs(wanted).max(initial=0)


def agree(S, found, wanted):
    if S.nnz or isinstance(S, RowSampling):
        same(found, wanted)
    else:
        close(S, found, wanted)


# ---- products ------------------------------------------------------------------------------------


@gpu
@pytest.mark.parametrize("char", "fF" if FEW else "fdFD")
@pytest.mark.parametrize("order", "CF")
def test_products(cp, S, char, order):
    A = matrix((300, 37), char, order=order)
    B = matrix((S.d, 3), char, 1, order)
    a, b = (cp.array(x, order="K") for x in (A, B))
    agree(S, S @ a, S @ A)
    agree(S, a.T @ S.T, A.T @ S.T)
    S = S if S.m else S.cols(0, 300)
    agree(S, S.T @ b, S.T @ B)
    agree(S, b.T @ S, B.T @ S)
    agree(S, S @ a[:, 5], S @ A[:, 5])
    agree(S, S.T @ b[:, 1], S.T @ B[:, 1])


@gpu
def test_dtypes(cp, S):
    for char in "e?bBhiqQ":
        A = (10 * matrix((300, 3), "d")).astype(char)
        agree(S, S @ cp.asarray(A), S @ A)


@gpu
def test_layouts(cp, S):
    base = matrix((2, 300, 4), "d")
    views = [
        lambda a: a,
        lambda a: a.transpose(1, 0, 2),
        lambda a: a.transpose(2, 1, 0),
        lambda a: a[::-1, :, ::2],
        lambda a: a[..., ::-3],
        lambda a: a[:, :, 2:3],
    ]
    for view in views:
        x, y = view(base), view(cp.asarray(base))
        axis = x.shape.index(300)
        agree(S, S.apply(y, axis), S.apply(x, axis))
    wide = cp.broadcast_to(cp.asarray(base[0]), base.shape)
    agree(S, S @ wide, S @ np.broadcast_to(base[0], base.shape))
    assert np.array_equal(cp.asarray(base).get(), base)


@gpu
def test_a_matrix_does_not_depend_on_its_neighbours(cp):
    A = matrix((3, 300, 5), "f")
    for name in (*SPARSE, "srht"):
        S = OPERATORS[name]
        whole = (S @ cp.asarray(A)).get()
        for b in range(3):
            assert (S @ cp.asarray(A[b])).get().tobytes() == whole[b].tobytes()


@gpu
def test_blocks_of_the_operator(cp, S):
    A, B = matrix((90, 9), "d"), matrix((4, 9), "d", 1)
    part = S.cols(40, 130).rows(3, 7)
    for order in "CF":
        a, b = (cp.array(x, order=order) for x in (A, B))
        agree(S, part @ a, part @ A)
        agree(S, part.T @ b, part.T @ B)


@gpu
@pytest.mark.parametrize("shape", [(300, 0), (0, 300, 2), (0, 5)])
def test_empty(cp, S, shape):
    x = np.zeros(shape)
    if 300 in shape:
        axis = shape.index(300)
        same(S.apply(cp.asarray(x), axis), S.apply(x, axis))
    else:
        same(S.cols(7, 7) @ cp.asarray(x), np.zeros((S.d, 5), np.result_type(x, S.dtype.char)))


@gpu
def test_one_row_and_one_column(cp):
    for S in (SparseSign(1, 1, rng=0), SRHT(1, 1, rng=0), Gaussian(1, 1, rng=0),
              Rademacher(1, 1, rng=1), CountSketch(1, 1, rng=1)):  # fmt: skip
        agree(S, S @ cp.asarray(np.ones((1, 1))), S @ np.ones((1, 1)))
        agree(S, S.T @ cp.asarray(np.ones(1)), S.T @ np.ones(1))


# ---- pieces --------------------------------------------------------------------------------------


@gpu
@pytest.mark.parametrize("char", "fd")
def test_everything_in_pieces(cp, cut, S, char):
    """Sums of panels, then; sparse operators go on where they were."""
    A, B = matrix((300, 19), char), matrix((S.d, 19), char, 1)
    for order in "CF":
        a, b = (cp.array(x, order=order) for x in (A, B))
        agree(S, S @ a, S @ A)
        part = S.cols(33, 270)
        agree(S, part @ a[33:270], part @ A[33:270])
        agree(S, part.T @ b, part.T @ B)


@gpu
@pytest.mark.parametrize("name", SPARSE)
def test_pieces_with_a_factor(cp, cut, name):
    """It comes last, and then the sum is added to what stands there."""
    from randla._cuda import sketch

    S, A = OPERATORS[name], matrix((300, 40), "d")
    binding = randla._core.dispatch.backend("numpy").sketch
    words = S.rows(5, 17)._words(300)
    for alpha, order in itertools.product((1, 2), "CF"):
        exact, out = np.ones((12, 40)), cp.asarray(np.ones((12, 40)), order=order)
        binding.apply(words, False, A[None], exact[None], alpha, 1.0)
        sketch.apply(words, False, cp.array(A, order=order)[None], out[None], alpha, 1.0)
        same(out, exact)


@gpu
def test_many_rows(cp):
    S, A = SparseSign(30, 20_001, rng=3), matrix((20_001, 3), "f")
    for order in "CF":
        same(S @ cp.array(A, order=order), S @ A)
    S = SRHT(3, 20_001, rng=3)
    close(S, S @ cp.asarray(A), S @ A, 200)


@gpu
def test_an_order_of_threads_changes_nothing(cp, cut, schedule, S):
    A = matrix((300, 11), "f")
    found = (S @ cp.asarray(A)).get()
    back = (S.cols(0, 300).T @ cp.asarray(found)).get()
    record.seed = 0
    same(S @ cp.asarray(A), found)
    same(S.cols(0, 300).T @ cp.asarray(found), back)


# ---- out -----------------------------------------------------------------------------------------


@gpu
def test_out_and_accumulate(cp, S):
    A = matrix((300, 6), "d")
    dtype = np.result_type(A, S.dtype.char)
    wanted = S @ A
    big = cp.zeros((2 * S.d, 12), dtype)
    for out in (cp.zeros((S.d, 6), dtype), cp.array(np.zeros((S.d, 6), dtype), order="F"),
                big[::2, ::2]):  # fmt: skip
        assert S.apply(cp.asarray(A), out=out) is out
        agree(S, out, wanted)
        S.apply(cp.asarray(A), out=out, accumulate=True)
        close(S, out, 2 * wanted)
    assert not big.get()[1::2].any()
    deep = matrix((2, 3, 300, 4), "d")
    out = cp.zeros((2, 7, S.d, 4), dtype)[:, :6:2]  # no reshape gives a view of it
    S.apply(cp.asarray(deep), 2, out=out)
    agree(S, out, S.apply(deep, 2))
    with pytest.raises(TypeError, match=r"out must be a cupy\.ndarray, got ndarray"):
        S.apply(cp.asarray(A), out=np.zeros((S.d, 6), dtype))
    with pytest.raises(ValueError, match="accumulate=True needs an array"):
        S.apply(cp.asarray(A), accumulate=True)


@gpu
@pytest.mark.parametrize("name", SPARSE)
def test_accumulate_has_the_bits_of_the_cpu(cp, name):
    S, A = OPERATORS[name], matrix((300, 6), "d")
    for order in "CF":
        found, wanted = cp.array(np.zeros((S.d, 6)), order=order), np.zeros((S.d, 6), order=order)
        for i in range(0, 300, 75):
            piece = np.asarray(A[i : i + 75], order=order)
            S.cols(i, i + 75).apply(piece, out=wanted, accumulate=True)
            S.cols(i, i + 75).apply(cp.array(piece, order=order), out=found, accumulate=True)
        same(found, wanted)


# ---- entries -------------------------------------------------------------------------------------


@gpu
@pytest.mark.parametrize("name", ["gaussian", "gaussian, float32", "rademacher"])
@pytest.mark.parametrize("char", "fd")
def test_entries(cp, name, char):
    """Signs are those of the CPU, normal numbers within 4 roundings."""
    from randla._cuda import sketch

    S = OPERATORS[name]
    for part in (S.cols(0, 200), S.cols(17, 90).rows(9, S.d - 4), S.cols(0, 40).rows(2, 3)):
        columns = part.shape[1]
        wanted = part.toarray(char)
        out = cp.empty((columns, part.shape[0]), char)
        sketch.fill(part._words(columns), out)
        narrow = "f" if "f" in (S.dtype.char, char) else "d"
        unit = 0 if name == "rademacher" else 4
        assert (
            np.abs(out.get().T - wanted) <= unit * np.spacing(np.abs(wanted.astype(narrow)))
        ).all()


@gpu
def test_what_is_not_finite_stays_where_it_is(cp):
    S, A = OPERATORS["sparse, 3"], matrix((300, 4), "d")
    A[17, 2] = np.nan
    A[30, 1] = np.inf
    found, wanted = (S @ cp.asarray(A)).get(), S @ A
    assert np.array_equal(found, wanted, equal_nan=True)
    assert np.isnan(found).sum() == 3


@gpu
def test_wrong_lengths(cp, S):
    if S.m:
        with pytest.raises(ValueError, match=r"axis 0 of A must have length m = 300, .*got 299"):
            S @ cp.asarray(np.ones((299, 2)))
    with pytest.raises(ValueError, match=rf"must have length d = {S.d}, .*got 1000"):
        S.T @ cp.asarray(np.ones((1000, 2)))


# ---- what only the stand-in can tell -------------------------------------------------------------


def test_no_wait_and_the_stream_of_the_caller(stand_in, S):
    a = stand_in.asarray(matrix((300, 5), "d"))
    b = stand_in.asarray(matrix((S.d, 5), "d"))
    record.clear()
    with stand_in.cuda.Stream() as stream:
        S @ a
        S.cols(0, 300).T @ b
    assert record.synchronisations == 0
    assert {pointer for _, pointer in record.launches} <= {stream.ptr}


def test_the_operator_is_never_whole_in_memory(stand_in, monkeypatch):
    from randla._cuda import sketch

    monkeypatch.setattr(sketch, "DRAWN", 1 << 19)
    S, drawn, plain = Gaussian(64, 10_000, rng=0), [], sketch._draw
    monkeypatch.setattr(sketch, "_draw", lambda s, out: (drawn.append(out.nbytes), plain(s, out)))
    A = matrix((10_000, 2), "d")
    close(S, S @ stand_in.asarray(A), S @ A)
    assert len(drawn) == 10
    assert max(drawn) <= 1 << 19


BARRIERS = {
    # text after which a barrier is left out
    "where rows begin": "begin[e] = begin_of(sorted, count, (uint64_t)(k0 + e));\n",
    "codes of the adjoint": "&codes[i][t]);\n      }\n",
    "signs before they are used": "words + 4 * q);\n",
    "stages of the transform": "for (; 4 * h <= length; h *= 4) {\n",
}
WITHOUT = """
import sys
import numpy as np
import cupy_stand_in
cp = cupy_stand_in.install()
from randla.sketch import SRHT, SparseSign
from randla._cuda import _launch
head, after, tail = _launch.source("sketch").partition(sys.argv[1])
assert tail.lstrip().startswith("__syncthreads();")
code = head + after + tail.replace("__syncthreads();", "", 1)
A = np.random.default_rng(1).standard_normal((300, 40))
operators = [SparseSign(40, 300, rng=0), SRHT(40, 300, rng=0)]
wanted = [((S @ A), S.T @ (S @ A)) for S in operators]
def same():
    return all(
        np.allclose((S @ cp.asarray(A)).get(), x, rtol=1e-12, atol=1e-12)
        and np.allclose((S.T @ cp.asarray(x)).get(), y, rtol=1e-12, atol=1e-12)
        for S, (x, y) in zip(operators, wanted)
    )
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
