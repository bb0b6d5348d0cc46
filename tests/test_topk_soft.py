"""Soft ranks and soft top-k on NumPy: every sentence of the docstrings, against float64 pairs."""

import math

import numpy as np
import pytest
from oracles import soft_rank_pairs, soft_topk_bisected

import randla
from randla import soft_rank, soft_topk, topk_mask
from randla._cpu import topk_soft as binding

KINDS = ("fermi", "laplace", "threshold", "shiva")
TAUS = (5.0, 0.2, 0.01, 1e-3, 1e-5, 1e-30)


def uniform(shape, dtype="d", seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def unit(dtype):
    return float(np.finfo(dtype).eps) / 2


def ranks(x, t, method):
    out = np.empty_like(x)
    binding.rank(x, np.array([t]), out, binding.METHODS[method])
    return out


def rank_gradient(x, t, g, method):
    dx, dt = np.empty_like(x), np.empty(len(x))
    binding.rank_vjp(x, np.array([t]), g, dx, dt, binding.METHODS[method])
    return dx, dt


@pytest.mark.parametrize("method", ["auto", "direct", "window", "multipole"])
@pytest.mark.parametrize("dtype", "fd")
def test_ranks_by_every_method(isa_extreme, dtype, method):
    bound, slope = (1e-6, 1e-6) if dtype == "f" else (1e-13, 1e-12)
    for n in (1, 2, 7, 33, 500, 1200):
        x, g = uniform((1, n), dtype), uniform((1, n), dtype, 1) - dtype_of(0.5, dtype)
        for t in TAUS:
            rank, dx, _ = soft_rank_pairs(x[0], g[0], t)
            assert abs(ranks(x, t, method)[0] - rank).max() <= bound * n
            found = rank_gradient(x, t, g, method)[0][0]
            # where nothing is near enough to matter, all are zero to the precision of a pair,
            # which for an expansion is that of the largest that a pair can give
            pair = (0.25 if method == "multipole" else 1e-3) * abs(g).max() / t
            largest = max(abs(dx).max(), pair)
            assert abs(found - dx).max() <= slope * largest, (n, t)


def dtype_of(value, dtype):
    return np.dtype(dtype).type(value)


@pytest.mark.parametrize("method", ["auto", "direct", "window", "multipole"])
def test_ranks_of_hard_rows(method):
    """Clusters, ties, outliers of every size, and scores far from zero."""
    rng = np.random.default_rng(3)
    base = rng.random(300)
    rows = {
        "outlier": np.append(base, 1e30),
        "outliers": np.concatenate([base, [-1e300, 1e300, 1e15, 1e15 + 1]]),
        "ties": np.repeat(base[:10], 30),
        "constant": np.full(200, 0.7),
        "clusters": (base * 1e-3 + np.repeat([0, 5, 5.01, 1e6], 75)),
        "far": base + 1e6,
        "geometric": 2.0 ** -np.arange(300),
    }
    for name, x in rows.items():
        g = rng.standard_normal(len(x))
        for t in (1.0, 0.01, 1e-5):
            rank, dx, _ = soft_rank_pairs(x, g, t)
            found = ranks(x[None], t, method)[0]
            assert abs(found - rank).max() <= 1e-13 * len(x), (name, t)
            gradient = rank_gradient(x[None], t, g[None], method)[0][0]
            largest = max(abs(dx).max(), 1e-3 / t)
            assert abs(gradient - dx).max() <= 1e-12 * largest, (name, t)


def test_gradient_by_the_temperature():
    x, g = uniform((1, 400)), uniform((1, 400), seed=1)
    for t in (1.0, 0.05, 0.002):
        _, dx, dt = soft_rank_pairs(x[0], g[0], t)
        for method in binding.METHODS:
            found = rank_gradient(x, t, g, method)[1][0]
            assert abs(found - dt) <= 1e-12 * (abs(x[0] * dx).sum() / t)


def test_ranks_do_not_depend_on_neighbours_or_threads():
    x = uniform((40, 500), "f")
    x[3, 5], x[7, 7] = np.nan, 1e30
    together = soft_rank(x, temperature=0.01)
    for i in (0, 3, 7, 39):
        assert np.array_equal(soft_rank(x[i], temperature=0.01), together[i], equal_nan=True)
    with randla.num_threads(3):
        assert np.array_equal(soft_rank(x, temperature=0.01), together, equal_nan=True)
    assert np.isnan(together).any(1).nonzero()[0].tolist() == [3]
    assert np.isnan(together[3]).all()


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("kind", KINDS)
def test_weights(isa_extreme, kind, dtype):
    for n in (2, 9, 100, 700):
        x = uniform((1, n), dtype)
        for t in (3.0, 0.1, 0.003, 1e-4):
            for k in {1, n // 2, n - 1} | ({0.3, n / 3 + 0.37} if kind != "threshold" else set()):
                p = soft_topk(x, k, kind=kind, temperature=t)[0]
                wanted = soft_topk_bisected(x[0], k, kind, t)
                # of ranks the error is that of n pairs; the oracle's threshold is a double
                bound = 40 * unit(dtype) * (1 + n / 10 if kind == "shiva" else 1)
                assert abs(p - wanted).max() <= bound + 4 * unit("d") / t
                if kind in ("fermi", "laplace"):
                    assert abs(math.fsum(p.tolist()) - k) <= 4 * unit(dtype) * n
                if kind == "threshold":
                    assert np.array_equal(p > 0.5, topk_mask(x[0], k))


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("kind", ["fermi", "laplace", "threshold"])
def test_no_temperature_gives_the_hard_mask(kind, dtype):
    x = uniform((3, 200), dtype)
    x[1, :5] = [1e30, -1e30, 1e-30, -1e-30, 0]
    for t in (1e-12, 1e-40, 1e-310):
        for k in (1, 77, 199):
            p = soft_topk(x, k, kind=kind, temperature=t)
            assert np.array_equal(p, topk_mask(x, k).astype(dtype)), (t, k)
    ties = np.array([1.0, 1.0, 1.0, 0.0], dtype)
    if kind != "threshold":
        assert np.allclose(soft_topk(ties, 2, kind=kind, temperature=1e-30), [2 / 3] * 3 + [0])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_differences(kind):
    """By x, k and both temperatures; and tangents are their adjoints."""
    rng = np.random.default_rng(5)
    number = binding.KINDS[kind]
    for n, k, t in ((6, 2, 0.3), (40, 11, 0.1), (40, 30, 2.0)):
        x, g, gate = rng.standard_normal((1, n)), rng.standard_normal((1, n)), 0.2
        k = k if kind == "threshold" else k + 0.25
        given = [np.array([float(v)]) for v in (k, t, gate)]
        dx, others = np.empty_like(x), [np.empty(1) for _ in range(3)]
        binding.soft_vjp(number, x, *given, g, dx, *others)

        def value(x, k, t, gate, g=g):
            option = {"gate_temperature": gate} if kind == "shiva" else {}
            return (soft_topk(x, k, kind=kind, temperature=t, **option) * g).sum()

        h, e = 1e-5, rng.standard_normal((1, n))
        slope = (value(x + h * e, k, t, gate) - value(x - h * e, k, t, gate)) / (2 * h)
        assert math.isclose(slope, (dx * e).sum(), rel_tol=1e-6, abs_tol=1e-7)
        for i in range(kind == "threshold", 3 if kind == "shiva" else 2):
            step = h * np.eye(3)[i]
            more, less = (value(x, *(np.array([k, t, gate]) + sign * step)) for sign in (1, -1))
            assert math.isclose((more - less) / (2 * h), others[i][0], rel_tol=1e-6, abs_tol=1e-7)
        tangents = [rng.standard_normal(1) for _ in range(3)]
        out = np.empty_like(x)
        binding.soft_jvp(number, x, *given, e, *tangents, out)
        wanted = (dx * e).sum() + sum(a[0] * b[0] for a, b in zip(tangents, others, strict=True))
        assert math.isclose((out * g).sum(), wanted, rel_tol=1e-11, abs_tol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_infinite_and_missing_scores(kind):
    x = np.array([[math.inf, 1.0, 0.5, -math.inf], [math.nan, 1.0, 2.0, 0.0], [3.0, 2.0, 1.0, 0.0]])
    p = soft_topk(x, 2, kind=kind, temperature=0.1)
    assert np.isnan(p[1]).all()
    assert np.isfinite(p[[0, 2]]).all()
    assert p[0, 0] > p[0, 1] > p[0, 2] >= p[0, 3]
    assert np.array_equal(p[2], soft_topk(x[2], 2, kind=kind, temperature=0.1))
    number, one = binding.KINDS[kind], np.array([0.1])
    dx, others = np.empty_like(x), [np.empty(3) for _ in range(3)]
    binding.soft_vjp(number, x, np.array([2.0]), one, one, np.ones_like(x), dx, *others)
    assert np.isnan(dx[1]).all()
    assert dx[0, 0] == dx[0, 3] == 0
    assert np.isfinite(dx[[0, 2]]).all()


def test_infinite_scores_share():
    x = np.array([math.inf, math.inf, math.inf, 1.0, -math.inf, -math.inf])
    for kind in ("fermi", "laplace"):
        assert np.allclose(soft_topk(x, 2, kind=kind, temperature=1), [2 / 3] * 3 + [0] * 3)
        assert np.allclose(soft_topk(x, 3.5, kind=kind, temperature=1), [1, 1, 1, 0.5, 0, 0])
        assert np.allclose(soft_topk(x, 5, kind=kind, temperature=1), [1, 1, 1, 1, 0.5, 0.5])
    assert soft_rank(x, temperature=1.0).tolist() == [2, 2, 2, 4, 5.5, 5.5]


def test_none_and_all():
    x = uniform((2, 9))
    for kind in ("fermi", "laplace"):
        assert not soft_topk(x, 0, kind=kind, temperature=0.1).any()
        assert (soft_topk(x, 9, kind=kind, temperature=0.1) == 1).all()


def test_numbers_for_each_row():
    x = uniform((2, 3, 20))
    k = np.arange(6.0).reshape(2, 3) + 0.5
    t = np.linspace(0.01, 1, 6).reshape(2, 3)
    p = soft_topk(x, k, temperature=t)
    assert np.allclose(p.sum(-1), k, atol=1e-12)
    for i, j in np.ndindex(2, 3):
        assert np.array_equal(soft_topk(x[i, j], k[i, j], temperature=t[i, j]), p[i, j])
    assert np.array_equal(
        soft_rank(x, temperature=t)[1, 2], soft_rank(x[1, 2], temperature=t[1, 2])
    )


def test_layouts_and_dtypes():
    x = uniform((4, 5, 6))
    wanted = soft_rank(x, temperature=0.2)
    fixed = x.copy()
    fixed.flags.writeable = False
    for y in (np.asfortranarray(x), fixed, np.repeat(x, 2, axis=1)[:, ::2], x[::-1][::-1]):
        assert np.array_equal(soft_rank(y, temperature=0.2), wanted)
    for axis in (0, 1, -2):
        moved = np.moveaxis(soft_topk(np.moveaxis(x, axis, -1), 2, temperature=0.2), -1, axis)
        found = soft_topk(x, 2, axis=axis, temperature=0.2)
        assert np.array_equal(found, moved)
        assert found.flags.c_contiguous
    half = soft_rank(x.astype(np.float16), temperature=0.2)
    assert half.dtype == np.float16
    assert soft_rank([3, 1, 2], temperature=1e-3).dtype == np.float64
    assert soft_rank(np.array([True, False]), temperature=1e-3).tolist() == [1, 2]
    assert soft_rank(np.zeros((0, 3)), temperature=1.0).shape == (0, 3)
    assert soft_topk(np.zeros((3, 0)), 0, temperature=1.0).shape == (3, 0)


def test_bad_input():
    x = np.zeros((2, 5))
    for call, error, text in [
        (
            lambda: soft_rank(x, temperature=0),
            ValueError,
            "temperature must be positive and finite",
        ),
        (lambda: soft_rank(x, temperature=-1.5), ValueError, "got -1.5"),
        (lambda: soft_rank(x, temperature=math.nan), ValueError, "got nan"),
        (lambda: soft_rank(x, temperature=math.inf), ValueError, "got inf"),
        (lambda: soft_rank(x, temperature="hot"), TypeError, "temperature must be a number"),
        (lambda: soft_rank(x, temperature=True), TypeError, "got bool"),
        (lambda: soft_rank(x, temperature=[1.0] * 3), ValueError, r"have shape \(2,\)"),
        (lambda: soft_rank(x * 1j, temperature=1), TypeError, "x has dtype complex128"),
        (lambda: soft_rank(3.0, temperature=1), ValueError, "at least one dimension"),
        (lambda: soft_rank(x, axis=2, temperature=1), np.exceptions.AxisError, "axis 2"),
        (lambda: soft_topk(x, 6, temperature=1), ValueError, r"k must be in \[0, 5\], got 6"),
        (lambda: soft_topk(x, -0.1, temperature=1), ValueError, r"k must be in \[0, 5\], got -0.1"),
        (lambda: soft_topk(x, math.nan, temperature=1), ValueError, "got nan"),
        (lambda: soft_topk(x, 1, kind="soft", temperature=1), ValueError, "kind must be one of"),
        (lambda: soft_topk(x, 1.5, kind="threshold", temperature=1), ValueError, "an integer"),
        (lambda: soft_topk(x, 5, kind="threshold", temperature=1), ValueError, r"in \[1, 4\]"),
        (lambda: soft_topk(x, math.inf, kind="shiva", temperature=1), ValueError, "finite"),
        (
            lambda: soft_topk(x, 1, temperature=1, gate_temperature=1),
            ValueError,
            "for kind 'shiva'",
        ),
        (
            lambda: soft_topk(x, 1, kind="shiva", temperature=1, gate_temperature=0),
            ValueError,
            "gate_temperature must be positive",
        ),
    ]:
        with pytest.raises(error, match=text):
            call()


def test_memory_does_not_grow_with_an_outlier():
    import tracemalloc

    x = uniform((1, 4096), "f")
    x[0, 9] = 1e30
    tracemalloc.start()
    assert soft_rank(x, temperature=1e-3)[0, 9] == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * x.nbytes
