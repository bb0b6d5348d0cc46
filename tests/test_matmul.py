"""matmul: every sentence of its docstring, on NumPy."""

import json
import math
import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import randla
from randla import _matmul
from randla._core import tuning
from randla._cpu import core
from randla._cpu import matmul as binding

SCHEMES = [scheme.name for scheme in randla.matmul_schemes()]
DTYPES = ["f", "d", "F", "D"]
NAMED = ["auto", "classical", *SCHEMES]


@pytest.fixture(autouse=True)
def no_cache(monkeypatch, tmp_path):
    """Nobody's measurements matter here, and none are touched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    _matmul.refresh_crossovers()
    yield
    monkeypatch.undo()
    _matmul.refresh_crossovers()


@pytest.fixture
def low_crossovers():
    """`auto` as it is with large matrices, on small ones."""
    for letter in "sdcz":
        for threads in (1, 2):
            binding.set_crossover(letter, threads, (8, 40))
    _matmul._least.update(dict.fromkeys("fdFD", 8))
    yield
    _matmul.refresh_crossovers()


def integers(rng, shape, char, most=4):
    x = rng.integers(-most, most + 1, shape).astype(char)
    if char in "FD":
        x = (x + 1j * rng.integers(-most, most + 1, shape)).astype(char)
    return x


def uniform(rng, shape, char="d"):
    x = rng.random(shape) - 0.5
    if char in "FD":
        x = x + 1j * (rng.random(shape) - 0.5)
    return x.astype(char)


def layouts(x):
    """The same values in every layout that there is."""
    yield "C", np.ascontiguousarray(x)
    yield "F", np.asfortranarray(x)
    wide = np.zeros((x.shape[0] + 3, x.shape[1] + 5), x.dtype)
    wide[1:-2, 2:-3] = x
    yield "rows of a larger one", wide[1:-2, 2:-3]
    tall = np.zeros((x.shape[1] + 2, x.shape[0] + 4), x.dtype).T
    tall[2:-2, :-2] = x
    yield "columns of a larger one", tall[2:-2, :-2]
    sparse = np.zeros((2 * x.shape[0], 3 * x.shape[1]), x.dtype)
    sparse[::2, ::3] = x
    yield "strided", sparse[::2, ::3]
    yield "reversed", np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    frozen = x.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    shifted[...] = x
    yield "unaligned", shifted


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", SCHEMES)
@pytest.mark.parametrize("char", DTYPES)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_integers_are_exact(algorithm, char, levels, isa):
    rng = np.random.default_rng(levels)
    for _ in range(40):
        m, k, n = rng.integers(1, 71, 3)
        a, b = integers(rng, (m, k), char), integers(rng, (k, n), char)
        c, info = randla.matmul(a, b, algorithm=algorithm, levels=levels, return_info=True)
        assert np.array_equal(c, a @ b), (m, k, n)
        assert c.dtype == char
        scheme = next(s for s in randla.matmul_schemes() if s.name == algorithm)
        fit = min(
            math.floor(math.log(size) / math.log(base) + 1e-9)
            for size, base in ((m, scheme.m), (k, scheme.k), (n, scheme.n))
        )
        assert info.levels == min(fit, levels)
        assert info.algorithm == (algorithm if info.levels else "classical")
        assert (info.workspace > 0) == (info.levels > 0)


@pytest.mark.parametrize("algorithm", SCHEMES)
def test_every_side(algorithm):
    rng = np.random.default_rng(0)
    for side in range(1, 71):
        for m, k, n in ((side, 17, 23), (17, side, 23), (23, 17, side), (side, side, side)):
            a, b = integers(rng, (m, k), "d"), integers(rng, (k, n), "d")
            for levels in (1, 2):
                c = randla.matmul(a, b, algorithm=algorithm, levels=levels)
                assert np.array_equal(c, a @ b), (m, k, n, levels)


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from(SCHEMES), st.integers(0, 4), st.sampled_from(DTYPES), st.integers(0, 2**32),
)  # fmt: skip
def test_any_size(m, k, n, algorithm, levels, char, seed):
    rng = np.random.default_rng(seed)
    a, b = integers(rng, (m, k), char), integers(rng, (k, n), char)
    assert np.array_equal(randla.matmul(a, b, algorithm=algorithm, levels=levels), a @ b)


@pytest.mark.parametrize("algorithm", SCHEMES)
def test_layouts(algorithm):
    rng = np.random.default_rng(1)
    a, b = integers(rng, (26, 37), "d"), integers(rng, (37, 31), "d")
    exact = a @ b
    for name, x in layouts(a):
        before = x.copy()
        for other, y in layouts(b):
            c = randla.matmul(x, y, algorithm=algorithm)
            assert np.array_equal(c, exact), (name, other)
        assert np.array_equal(x, before)


@pytest.mark.parametrize("algorithm", ["auto", "3m", "winograd"])
def test_out(algorithm, low_crossovers):
    rng = np.random.default_rng(2)
    char = "D" if algorithm == "3m" else "d"
    a, b = integers(rng, (26, 37), char), integers(rng, (37, 31), char)
    for name, out in layouts(np.full((26, 31), 7, char)):
        if name == "read-only":
            with pytest.raises(ValueError, match="out must be writable"):
                randla.matmul(a, b, algorithm=algorithm, out=out)
            continue
        assert randla.matmul(a, b, algorithm=algorithm, out=out) is out
        assert np.array_equal(out, a @ b), name
    canary = np.full((30, 40), 7, char)
    randla.matmul(a, b, algorithm=algorithm, out=canary[2:-2, 3:-6])
    canary[2:-2, 3:-6] = 7
    assert (canary == 7).all()


def test_out_is_checked():
    a, b = np.ones((40, 30)), np.ones((30, 20))
    for out, error, message in (
        (np.empty((40, 21)), ValueError, r"out must have shape \(40, 20\), got \(40, 21\)"),
        (np.empty((40, 20), "f"), TypeError, "out must have dtype float64, got float32"),
        ([[1.0]], TypeError, "out must be a numpy.ndarray, got list"),
    ):
        with pytest.raises(error, match=message):
            randla.matmul(a, b, out=out)
    square = np.ones((50, 50))
    for algorithm in ("auto", "winograd", "classical"):
        for x, y in ((square, np.eye(50)), (np.eye(50), square)):
            for out in (square, square.T, square[::-1]):
                with pytest.raises(ValueError, match="out must not overlap an input"):
                    randla.matmul(x, y, algorithm=algorithm, out=out)
    assert (square == 1).all()


@pytest.mark.parametrize("algorithm", [*NAMED])
def test_batches_and_vectors(algorithm, low_crossovers):
    rng = np.random.default_rng(3)
    for left, right in (
        ((9,), (9,)), ((9,), (9, 10)), ((8, 9), (9,)), ((3, 8, 9), (9,)), ((9,), (3, 9, 8)),
        ((3, 8, 9), (9, 10)), ((8, 9), (3, 9, 10)), ((2, 1, 8, 9), (3, 9, 10)),
        ((0, 8, 9), (9, 10)), ((0, 9), (9, 10)), ((8, 0), (0, 10)), ((8, 9), (9, 0)),
    ):  # fmt: skip
        a, b = integers(rng, left, "d"), integers(rng, right, "d")
        c, info = randla.matmul(a, b, algorithm=algorithm, return_info=True)
        assert np.array_equal(c, np.matmul(a, b))
        assert np.shape(c) == np.matmul(a, b).shape
        batch = np.broadcast_shapes(left[:-2], right[:-2])
        assert np.shape(info.levels) == np.shape(info.error_bound) == batch
        if len(left) == 1 or len(right) == 1:
            assert (np.asarray(info.algorithm) == "classical").all()
        if batch == () and c.ndim:
            out = np.empty_like(c)
            assert randla.matmul(a, b, algorithm=algorithm, out=out) is out
            assert np.array_equal(out, c)


def test_a_matrix_does_not_depend_on_its_neighbours(low_crossovers):
    rng = np.random.default_rng(4)
    a, b = uniform(rng, (3, 50, 51)), uniform(rng, (3, 51, 52))
    c = randla.matmul(a, b)
    a[1, 0, 0] = np.nan
    d, info = randla.matmul(a, b, return_info=True)
    assert list(info.algorithm) == ["winograd", "classical", "winograd"]
    assert np.array_equal(c[[0, 2]], d[[0, 2]])
    assert np.array_equal(c[0], randla.matmul(a[0], b[0]))


@pytest.mark.parametrize("char", ["e", "bfloat16"])
def test_half(char):
    dtype = np.dtype(np.float16)
    if char == "bfloat16":
        dtype = np.dtype(ml_dtypes.bfloat16)
    rng = np.random.default_rng(5)
    a, b = uniform(rng, (40, 30)).astype(dtype), uniform(rng, (30, 50)).astype(dtype)
    for algorithm in NAMED:
        c, info = randla.matmul(a, b, algorithm=algorithm, return_info=True)
        assert c.dtype == dtype
        wide = a.astype(np.float64) @ b.astype(np.float64)
        limit = info.error_bound * np.abs(a).max().astype(float) * np.abs(b).max().astype(float)
        assert np.abs(c.astype(np.float64) - wide).max() <= limit
        out = np.empty_like(c)
        assert randla.matmul(a, b, algorithm=algorithm, out=out) is out
        assert np.array_equal(out, c)
    assert randla.matmul(a[0], b[:, 0]).dtype == dtype


@pytest.mark.parametrize("char", "?bBhHiIlLqQ")
def test_integer_dtypes_are_numpys_own(char):
    a = np.arange(6).reshape(2, 3).astype(char)
    for algorithm in NAMED:
        c, info = randla.matmul(a, a.T, algorithm=algorithm, return_info=True)
        assert c.dtype == np.matmul(a, a.T).dtype
        assert np.array_equal(c, np.matmul(a, a.T))
        assert (info.algorithm, info.levels, info.error_bound) == ("classical", 0, 0.0)
    out = np.empty((2, 2), char)
    assert randla.matmul(a, a.T, out=out) is out


def test_dtypes_promote():
    a, b = np.ones((20, 20), "f"), np.ones((20, 20), "D")
    assert randla.matmul(a, b, algorithm="strassen").dtype == "D"
    assert randla.matmul(np.ones((2, 2), "i"), a[:2, :2]).dtype == "d"
    assert randla.matmul([[1, 2]], [[3], [4]])[0, 0] == 11


# ---- what is not finite --------------------------------------------------------------------------


@pytest.mark.parametrize("char", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(char, bad, low_crossovers, isa):
    rng = np.random.default_rng(6)
    for size in (32, 33, 50):
        for where in range(2):
            for spot in ((0, 0), (size - 1, size - 1), (3, size // 2 + 1), (size // 2 + 2, 5)):
                pair = [uniform(rng, (size, size), char), uniform(rng, (size, size), char)]
                pair[where][spot] = bad
                c = randla.matmul(*pair)
                with np.errstate(all="ignore"):
                    exact = np.matmul(*pair)
                assert np.array_equal(np.isfinite(c), np.isfinite(exact))
                again = randla.matmul(*pair, levels=2)
                assert np.array_equal(np.isfinite(again), np.isfinite(exact))
                named = randla.matmul(*pair, algorithm="strassen")
                assert not np.isfinite(named).all()


def test_auto_takes_the_library_where_something_is_not_finite(low_crossovers):
    a = np.ones((30, 30))
    assert randla.matmul(a, a, return_info=True)[1].algorithm == "winograd"
    assert randla.matmul(np.ones((50, 50)), np.ones((50, 50)), return_info=True)[1].levels == 2
    a[7, 9] = np.inf
    for x, y in ((a, np.ones((30, 30))), (np.ones((30, 30)), a)):
        c, info = randla.matmul(x, y, return_info=True)
        assert (info.algorithm, info.levels, info.workspace) == ("classical", 0, 0)
        assert np.array_equal(c, x @ y)


# ---- errors --------------------------------------------------------------------------------------

CLASSES = {
    "U[-1,1]": lambda rng, n: 2 * rng.random((n, n)) - 1,
    "U[0,1]": lambda rng, n: rng.random((n, n)),
    "N(0,1)": lambda rng, n: rng.standard_normal((n, n)),
}
# times the error of BLAS, n = 2048, float32, Frobenius; at smaller n the ratios are smaller
GROWTH = {
    ("strassen", 1): (2.2, 2.8, 2.2),
    ("strassen", 2): (4.5, 6.6, 4.4),
    ("strassen", 3): (6.4, 8.2, 6.4),
    ("winograd", 1): (2.9, 1.2, 2.9),
    ("winograd", 2): (7.8, 1.2, 7.8),
    ("even_power", 1): (1.9, 1.6, 1.9),  # 1.5 for n = 2048; 2.3 was seen here
    ("even_power", 2): (3.2, 1.9, 3.2),
    ("k3x3x3_23", 1): (2.4, 2.7, 2.4),
    ("k3x4x5_47", 1): (3.8, 2.6, 3.7),
    ("k4x5x5_76", 1): (3.7, 3.4, 3.7),
}


@pytest.mark.parametrize(("algorithm", "levels"), [key for key in GROWTH if key[0] in SCHEMES])
@pytest.mark.parametrize("kind", range(3))
def test_growth_of_errors(algorithm, levels, kind):
    rng = np.random.default_rng(7)
    make, n = list(CLASSES.values())[kind], 600
    a, b = make(rng, n).astype("f"), make(rng, n).astype("f")
    exact = a.astype("d") @ b.astype("d")
    size = np.linalg.norm(exact)
    classical = np.linalg.norm(np.matmul(a, b) - exact) / size
    c, info = randla.matmul(a, b, algorithm=algorithm, levels=levels, return_info=True)
    mine = np.linalg.norm(c - exact) / size
    assert info.levels == levels
    assert mine <= 1.5 * GROWTH[algorithm, levels][kind] * classical
    assert mine > 0.5 * classical  # as a different algorithm has: nobody computed in double
    bound = info.error_bound * np.abs(a).max() * np.abs(b).max()
    assert np.abs(c - exact).max() <= bound


@pytest.mark.parametrize("char", "FD")
def test_three_products(char):
    rng = np.random.default_rng(8)
    for m, k, n in ((1, 1, 1), (33, 20, 47), (64, 100, 31)):
        a, b = integers(rng, (m, k), char), integers(rng, (k, n), char)
        c, info = randla.matmul(a, b, algorithm="3m", return_info=True)
        assert np.array_equal(c, a @ b)
        assert (info.algorithm, info.levels) == ("3m", 1)
        a, b = uniform(rng, (m, k), char), uniform(rng, (k, n), char)
        c, info = randla.matmul(a, b, algorithm="3m", return_info=True)
        exact = a.astype("D") @ b.astype("D")
        assert np.abs(c - exact).max() <= info.error_bound * np.abs(a).max() * np.abs(b).max()
    assert randla.matmul(a, b, algorithm="3m", levels=0, return_info=True)[1].levels == 0
    with pytest.raises(TypeError, match="'3m' is for complex matrices, got dtype float64"):
        randla.matmul(np.ones((2, 2)), np.ones((2, 2)), algorithm="3m")


def test_reference_is_the_scheme():
    rng = np.random.default_rng(9)
    for scheme in randla.matmul_schemes():
        for levels in (1, 2):
            a, b = integers(rng, (2, 29, 34), "d"), integers(rng, (34, 27), "d")
            c, used = _matmul.reference(np, a, b, scheme, levels)
            assert used <= levels
            assert np.array_equal(np.rint(c), a @ b)
            assert np.allclose(c, a @ b, rtol=0, atol=1e-10)


# ---- threads -------------------------------------------------------------------------------------


def test_threads_of_the_blas_are_given_back():
    from threadpoolctl import threadpool_info

    def of_blas():
        return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]

    with randla.num_threads(2):
        before = of_blas()
        a = np.ones((300, 300))
        randla.matmul(a, a, algorithm="winograd", levels=2)
        assert of_blas() == before


# ---- arguments -----------------------------------------------------------------------------------


def test_arguments():
    a, b = np.ones((4, 5)), np.ones((5, 6))
    for x, y, message in (
        (a, a, r"a and b must have the same inner dimension, got shapes \(4, 5\) and \(4, 5\)"),
        (np.ones(4), b, "a and b must have the same inner dimension"),
        (np.float64(1), b, "a must have at least one dimension, got none"),
        (a, 3.0, "b must have at least one dimension, got none"),
        (np.ones((2, 4, 5)), np.ones((3, 5, 6)), "batches do not broadcast"),
    ):
        for algorithm in ("auto", "winograd"):
            with pytest.raises(ValueError, match=message):
                randla.matmul(x, y, algorithm=algorithm)
    with pytest.raises(ValueError, match="algorithm must be one of 'auto', 'classical', '3m'"):
        randla.matmul(a, b, algorithm="coppersmith")
    with pytest.raises(ValueError, match="algorithm must be one of"):
        randla.matmul(a, b, algorithm=None)
    with pytest.raises(ValueError, match="levels must be at least 0, got -1"):
        randla.matmul(a, b, levels=-1)
    with pytest.raises(TypeError, match="levels must be an integer, got float"):
        randla.matmul(a, b, levels=1.0)
    for bad in (np.ones((5, 6), "g"), np.full((5, 6), "x"), np.full((5, 6), None)):
        with pytest.raises(TypeError, match="b "):
            randla.matmul(a, bad)
    with pytest.raises(TypeError, match="subclass of ndarray"):
        randla.matmul(a, np.ma.ones((5, 6)))


def test_what_no_machine_can_hold():
    wide = np.broadcast_to(np.float64(1), (2**40, 1))
    with pytest.raises(MemoryError, match="cannot be allocated"):
        randla.matmul(wide, wide.T)


def test_info_pickles():
    _, info = randla.matmul(np.ones((9, 9)), np.ones((9, 9)), levels=1, return_info=True)
    assert pickle.loads(pickle.dumps(info)) == info
    assert info.algorithm == "winograd"


# ---- the binding ---------------------------------------------------------------------------------


def test_binding_checks():
    a = np.ones((4, 4))
    for arguments in (
        ("d", a, a[:3], a), ("d", a, a, a[:3].copy()), ("d", a.astype("f"), a, a),
        ("d", a[0], a, a), ("d", np.ones((8, 8))[::2, ::2], a, np.ones((4, 4))),
    ):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011
            binding.product(*arguments, 0, 1)
    with pytest.raises(ValueError, match="unknown option"):
        binding.product("d", a, a, np.ones((4, 4)), 10_000, 1)
    with pytest.raises(ValueError, match="unknown option"):
        binding.product("d", a, a, np.ones((4, 4)), binding.THREE_M, 1)
    with pytest.raises(ValueError, match="unknown option"):
        binding.crossover("x", 1)
    with pytest.raises(ValueError, match="size"):
        binding.set_crossover("d", 1, (10, 9))
    frozen = np.ones((4, 4))
    frozen.flags.writeable = False
    with pytest.raises((BufferError, ValueError)):
        binding.product("d", a, a, frozen, 0, 1)


# ---- schemes, history ----------------------------------------------------------------------------


def test_schemes():
    found = {scheme.name: scheme for scheme in randla.matmul_schemes()}
    assert {"strassen", "winograd"} <= set(found)
    assert found["winograd"].additions == 15
    assert abs(found["strassen"].growth - 14.83) < 0.005
    assert abs(found["winograd"].growth - 17.85) < 0.005


def test_history():
    rows = randla.omega_history()
    assert rows == sorted(rows, key=lambda row: (row.year, -row.bound))
    assert [row.bound for row in rows] == sorted((row.bound for row in rows), reverse=True)
    assert rows[0].authors == "Strassen"
    rows.clear()
    assert randla.omega_history()


# ---- tuning --------------------------------------------------------------------------------------


def test_tuning(monkeypatch):
    from randla import _matmul_tune

    monkeypatch.setattr(_matmul_tune, "_SMALLEST", 16)
    monkeypatch.setattr(_matmul_tune, "_LARGEST", 64)
    found = randla.tune_matmul(dtypes=("float64", np.complex64), budget=1)
    assert set(found) == {"float64", "complex64"}
    path = tuning.MATMUL.path
    content = json.loads(path.read_text())
    threads = min(2, core.max_threads())
    assert content[tuning.machine()][f"d{threads}"] == list(found["float64"])
    assert binding.crossover("d", threads) == found["float64"]
    assert "(tuned)" in randla._core.config.config()["matmul"]
    # another machine's values are kept, and not used
    content["elsewhere"] = {"d1": [1, 1]}
    path.write_text(json.dumps(content))
    randla.tune_matmul(dtypes=("float32",), budget=1e-3)
    assert json.loads(path.read_text())["elsewhere"] == {"d1": [1, 1]}
    assert binding.crossover("d", threads) == found["float64"]


def test_bisection():
    from randla._matmul_tune import _crossover
    from randla.demo._report import Progress

    asked = []

    def gain(n):
        asked.append(n)
        return (1.1 if n >= 2900 else 0.9), 1.0

    found = _crossover(gain, 5000, 1e9, Progress(1), "")
    assert 2900 <= found <= 2900 * 1.13
    assert len(asked) < 10
    assert _crossover(lambda n: (0.9, 1.0), 5000, 1e9, Progress(1), "") > 16384
    # no time for more than the first sizes: what is known stays
    assert _crossover(lambda n: (0.9, n**3 / 1e8), 5000, 20, Progress(1), "") == 5000
    assert _crossover(lambda n: (2.0, 1.0), 5000, 1e9, Progress(1), "") == 512


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"x": 3}', '{"M": []}', '{"M": {"d1": [0, 5], "s1": "no", "c1": [9]}}']
)
def test_a_file_that_cannot_be_used_is_ignored(text):
    shipped = {key: binding.crossover(key, 1) for key in "sdcz"}
    path = tuning.MATMUL.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace('"M"', json.dumps(tuning.machine())))
    _matmul.refresh_crossovers()
    assert {key: binding.crossover(key, 1) for key in "sdcz"} == shipped
    assert "as shipped" in randla._core.config.config()["matmul"] or '"M"' in text


def test_tuning_arguments():
    for arguments, error, message in (
        ({"budget": 0}, ValueError, "budget must be positive, got 0"),
        ({"budget": "1"}, TypeError, "budget must be a number of seconds, got str"),
        ({"dtypes": ()}, ValueError, "dtypes must not be empty"),
        ({"dtypes": ("int8",)}, ValueError, "dtypes must be one of 'float32'"),
    ):
        with pytest.raises(error, match=message):
            randla.tune_matmul(**arguments)


def test_folders(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    assert tuning.folder() == tmp_path / "randla"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard: to be ignored
    assert tuning.folder() == tmp_path / ".cache" / "randla"
    monkeypatch.setattr("sys.platform", "darwin")
    assert tuning.folder() == tmp_path / "Library" / "Caches" / "randla"
    monkeypatch.setattr("sys.platform", "win32")
    assert tuning.folder() == tmp_path / "randla"
