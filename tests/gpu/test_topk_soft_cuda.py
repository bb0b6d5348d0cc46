"""Soft ranks and soft top-k on CuPy arrays: against pairs in float64, and beside the CPU."""

import math

import cupy_stand_in
import numpy as np
import processes
import pytest
from cupy_stand_in import record
from oracles import soft_rank_pairs, soft_topk_bisected

from randla import soft_rank, soft_topk, topk_mask
from randla._cpu import topk_soft as core

gpu = pytest.mark.gpu
KINDS = ("fermi", "laplace", "threshold", "shiva")
FEW = cupy_stand_in.SANITIZE  # what ASan must see are the paths, not the cases


@pytest.fixture
def room(cp):
    """The bindings on a device, for arrays of the host."""
    from randla._cuda import topk_soft as kernels

    def call(name, *given):
        """Launch; the arrays that are not read-only come back."""
        moved = [cp.asarray(a) if isinstance(a, np.ndarray) else a for a in given]
        getattr(kernels, name)(*moved)
        for a, there in zip(given, moved, strict=True):
            if isinstance(a, np.ndarray):
                a[...] = there.get()

    return call


@pytest.fixture(autouse=True)
def _in_order():
    yield
    record.seed = 0


def uniform(shape, dtype="d", seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def unit(dtype):
    return float(np.finfo(dtype).eps) / 2


def ranks_agree(room, x, g, t):
    """A row: ranks and both gradients within the bounds of the CPU."""
    bound, slope = (1e-6, 1e-6) if x.dtype == np.float32 else (1e-13, 1e-12)
    rank, dx, dt = soft_rank_pairs(x, g, t)
    found, gradient, by_t = np.empty_like(x)[None], np.empty_like(x)[None], np.empty(1)
    room("rank", x[None], np.array([t]), found)
    assert abs(found[0] - rank).max() <= bound * len(x)
    room("rank_vjp", x[None], np.array([t]), g[None], gradient, by_t)
    largest = max(abs(dx).max(), 1e-3 * abs(g).max() / t)
    assert abs(gradient[0] - dx).max() <= slope * largest
    near = abs(x) < 1e10  # what lies farther has no gradient
    scale = (abs(x - np.median(x)) * abs(dx))[near].sum() / t
    assert abs(by_t[0] - dt) <= 10 * slope * max(scale, largest)


@gpu
@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("n", [1, 5, 33, 700] if FEW else [1, 2, 5, 31, 33, 130, 700, 1500])
def test_ranks(room, n, dtype):
    record.seed = n
    x, g = uniform(n, dtype), (uniform(n, dtype, 1) - np.array(0.5, dtype)).astype(dtype)
    for t in (5.0, 0.2, 0.01, 1e-3, 1e-30):
        ranks_agree(room, x, g, t)


@gpu
def test_ranks_of_hard_rows(room):
    rng = np.random.default_rng(3)
    base = rng.random(90)
    rows = {
        "outliers": np.concatenate([base, [-1e300, 1e300, 1e15, 1e15 + 1]]),
        "ties": np.repeat(base[:10], 9),
        "constant": np.full(70, 0.7),
        "far": base + 1e6,
        "geometric": 2.0 ** -np.arange(90),
    }
    for x in rows.values():
        g = rng.standard_normal(len(x))
        for t in (1.0, 0.01, 1e-5):
            ranks_agree(room, x, g, t)
    # Scores near the end of the range, a temperature beyond it; CuPy has subnormal numbers flushed
    tiny = (np.arange(20) * 2.0**-126).astype("f")
    found = np.empty((1, 20), "f")
    room("rank", tiny[None], np.array([1e-50]), found)
    assert np.array_equal(found[0], np.arange(20, 0, -1))


@gpu
@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("kind", KINDS)
def test_weights(cp, kind, dtype):
    for n in (2, 9, 100) if FEW else (2, 9, 100, 1300):
        record.seed = n
        x = uniform((1, n), dtype)
        for t in (3.0, 0.1, 0.003, 1e-4):
            for k in {1, n // 2, n - 1} | ({0.3, n / 3 + 0.37} if kind != "threshold" else set()):
                p = soft_topk(cp.asarray(x), k, kind=kind, temperature=t).get()[0]
                wanted = soft_topk_bisected(x[0], k, kind, t)
                bound = 40 * unit(dtype) * (1 + n / 10 if kind == "shiva" else 1)
                assert abs(p - wanted).max() <= bound + 4 * unit("d") / t, (n, t, k)
                if kind in ("fermi", "laplace"):
                    assert abs(math.fsum(p.tolist()) - k) <= 4 * unit(dtype) * n
                if kind == "threshold":
                    assert np.array_equal(p > 0.5, topk_mask(x[0], k))


@gpu
@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("kind", ["fermi", "laplace", "threshold"])
def test_no_temperature_gives_the_hard_mask(cp, kind, dtype):
    x = uniform((3, 200), dtype)
    x[1, :5] = [1e30, -1e30, 1e-30, -1e-30, 0]
    for t in (1e-12, 1e-40, 1e-310):
        for k in (1, 77, 199):
            p = soft_topk(cp.asarray(x), k, kind=kind, temperature=t)
            assert np.array_equal(p.get(), topk_mask(x, k).astype(dtype)), (t, k)
    ties = cp.asarray(np.array([1.0, 1.0, 1.0, 0.0], dtype))
    if kind != "threshold":
        p = soft_topk(ties, 2, kind=kind, temperature=1e-30).get()
        assert np.allclose(p, [2 / 3] * 3 + [0])


def special_rows(n, dtype):
    """Ordinary, with infinities, ties, an outlier, NaN, and nothing but infinities."""
    x = np.random.default_rng(n).standard_normal((8, n)).astype(dtype)
    x[1, :3] = np.inf
    x[2, -3:] = -np.inf
    x[3, ::2] = 0.25
    x[4, 1] = 1e30
    x[5, 2] = np.nan
    x[6] = np.inf
    x[7] = np.where(np.arange(n) < n // 2, np.inf, -np.inf)
    return x


def alike(found, wanted, dtype, scale=1.0):
    """Equal to a few roundings of the largest entry of the row, NaN alike."""
    size = np.nanmax(np.abs(np.where(np.isfinite(wanted), wanted, 0)), axis=-1, initial=1e-30)
    size = np.maximum(size, scale)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        off = np.where(np.isnan(wanted) | (found == wanted), 0, abs(found - wanted))
    limit = (4e-6 if dtype == "f" else 1e-11) * size
    assert (off <= (limit[..., None] if off.ndim > 1 else limit)).all()


@gpu
@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("kind", KINDS)
def test_special_rows_and_derivatives_as_on_the_cpu(cp, room, kind, dtype):
    n = 23
    x, rng = special_rows(n, dtype), np.random.default_rng(1)
    g, e = (rng.standard_normal(x.shape).astype(dtype) for _ in range(2))
    number, rows = core.KINDS[kind], len(x)
    for k, t in ((5.0, 0.3), (12.0, 1e-3), (22.0, 1e-6), (0.0, 0.5), (23.0, 0.5), (2.25, 2.0)):
        if kind == "threshold" and (k != int(k) or not 0 < k < n):
            continue
        p, wanted = (soft_topk(a, k, kind=kind, temperature=t) for a in (cp.asarray(x), x))
        alike(p.get(), wanted, dtype)
        given = [np.array([v]) for v in (k, t, 0.2)]
        results = []
        for on_device in (True, False):
            dx, by = np.empty_like(x), [np.full(rows, 7.0) for _ in range(3)]
            out, tangents = np.empty_like(x), [np.linspace(-1, 1, rows) * i for i in range(3)]
            if on_device:
                room("soft_vjp", number, x.copy(), *given, g.copy(), dx, *by)
                room("soft_jvp", number, x.copy(), *given, e.copy(), *tangents, out)
            else:
                core.soft_vjp(number, x, *given, g, dx, *by)
                core.soft_jvp(number, x, *given, e, *tangents, out)
            results.append((dx, out, by[0], t * by[1], by[2] if kind == "shiva" else by[0]))
        for i, (found, right) in enumerate(zip(*results, strict=True)):
            size = 1.0 if i > 1 else 1e-6 / t
            alike(found, right, dtype, max(1.0, size) if i != 1 else max(1.0, 1 / t))


@gpu
def test_ranks_of_special_rows_as_on_the_cpu(cp, room):
    x = special_rows(37, "d")
    g, tangents = np.random.default_rng(2).standard_normal(x.shape), np.linspace(-1, 1, 8)
    for t in (0.5, 1e-4):
        alike(soft_rank(cp.asarray(x), temperature=t).get(), soft_rank(x, temperature=t), "d")
        given, found, wanted = np.array([t]), np.empty_like(x), np.empty_like(x)
        room("rank_jvp", x.copy(), given, g.copy(), tangents, found)
        core.rank_jvp(x, given, g, tangents, wanted)
        alike(found, wanted, "d", 1 / t)
        dt = np.full(8, 7.0), np.full(8, 7.0)
        room("rank_vjp", x.copy(), given, g.copy(), found, dt[0])
        core.rank_vjp(x, given, g, wanted, dt[1])
        alike(found, wanted, "d", 1 / t)
        alike(t * dt[0], t * dt[1], "d")


@gpu
def test_a_row_does_not_depend_on_others_or_on_the_schedule(cp):
    x = uniform((5, 300), "f")
    x[3, 5], x[4, 7] = np.nan, 1e30
    calls = [lambda a: soft_rank(a, temperature=0.01)]
    calls += [lambda a, kind=kind: soft_topk(a, 40, kind=kind, temperature=0.02) for kind in KINDS]
    for call in calls:
        together = call(cp.asarray(x)).get()
        for seed, i in ((1, 0), (2, 3), (3, 4)):
            record.seed = seed
            assert call(cp.asarray(x[i])).get().tobytes() == together[i].tobytes()
        assert np.isnan(together).any(1).nonzero()[0].tolist() == [3]


@gpu
def test_layouts_numbers_for_each_row_and_dtypes(cp):
    x = uniform((4, 5, 6))
    y = cp.asarray(x)
    for view in (lambda a: a.transpose(2, 0, 1), lambda a: a[::-1, :, ::2]):
        for axis in (0, 1, -1):
            found = soft_topk(view(y), 2, axis=axis, temperature=0.2)
            assert np.allclose(
                found.get(), soft_topk(view(x), 2, axis=axis, temperature=0.2), 1e-12, 1e-12
            )
            assert found.flags.c_contiguous
    k, t = np.linspace(0.5, 5, 20).reshape(4, 5), np.linspace(0.01, 1, 20).reshape(4, 5)
    for given in (t, cp.asarray(t)):
        found = soft_topk(y, cp.asarray(k), temperature=given).get()
        assert np.allclose(found, soft_topk(x, k, temperature=t), 1e-12, 1e-12)
    for dtype in (np.float16, np.int32, np.bool_):
        a = (10 * x).astype(dtype)
        found, wanted = (soft_rank(b, temperature=0.5) for b in (cp.asarray(a), a))
        assert found.dtype == wanted.dtype
        assert np.allclose(found.get(), wanted, 1e-3 if dtype is np.float16 else 1e-12)
    assert soft_rank(cp.zeros((0, 3)), temperature=1.0).shape == (0, 3)
    assert soft_topk(cp.zeros((3, 0)), 0, temperature=1.0).shape == (3, 0)
    with pytest.raises(ValueError, match="temperature must be positive"):
        soft_rank(y, temperature=0)
    with pytest.raises(ValueError, match=r"k must be in \[0, 6\], got 7"):
        soft_topk(y, 7, temperature=1)
    with pytest.raises(TypeError, match="x has dtype complex128"):
        soft_rank(y * 1j, temperature=1)


def test_launches_and_no_wait(stand_in):
    y = stand_in.asarray(uniform((5, 300)))
    for call, launches in [
        (lambda: soft_rank(y, temperature=0.1), ["topk_soft_ranks"]),
        (lambda: soft_topk(y, 7, temperature=0.1), ["topk_soft_exact"]),
        (lambda: soft_topk(y, 7, kind="threshold", temperature=0.1), ["topk_soft_threshold"]),
        (
            lambda: soft_topk(y, 7, kind="shiva", temperature=0.1),
            ["topk_soft_ranks", "topk_soft_gate"],
        ),
    ]:
        record.clear()
        call()
        assert [name for name, _ in record.launches] == launches
        assert record.synchronisations == 0


WITHOUT = """
import sys
import numpy as np
import cupy_stand_in
cp = cupy_stand_in.install()
import randla
from randla._cuda import _launch
head, after, tail = _launch.source("topk_soft").partition(sys.argv[1])
assert tail.lstrip().startswith("__syncthreads();")
code = head + after + tail.replace("__syncthreads();", "", 1)
x = np.random.default_rng(1).random((2, 700))
y, wanted = cp.asarray(x), randla.soft_topk(x, 90, temperature=0.05)
same = lambda: abs(randla.soft_topk(y, 90, temperature=0.05).get() - wanted).max() < 1e-9
assert same()
_launch.source = lambda stem: code
_launch._KERNELS.clear()
_launch._module.cache_clear()
print("begins", flush=True)
for seed in range(1, 33):
    cupy_stand_in.record.seed = seed
    assert same()
print("no difference")
"""


@pytest.mark.parametrize("after", ["c = warp_sum(c);\n", "parts[2][rl_warp()] = c;\n  }\n"])
def test_each_missing_barrier_is_seen(stand_in, after):
    done = processes.run(WITHOUT, after)
    assert "begins" in done.stdout, done.stderr
    assert "no difference" not in done.stdout
    assert done.returncode != 0
