"""TensorSketch on CuPy arrays: the kernels against the CPU's results."""

import numpy as np
import pytest
from cupy_stand_in import record

from randla.sketch import TensorSketch

gpu = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _in_order():
    yield
    record.seed = 0


@pytest.fixture(params=["shared", "global"])
def place(request, cp, monkeypatch):
    """Transforms stand in shared memory, or in the device's; a few samples are in flight."""
    from randla._cuda import sketch_tensor as room

    monkeypatch.setattr(room, "WORK_MOST", 1 << 12)
    if request.param == "global":
        monkeypatch.setattr(room, "SHARED_MOST", 0)


def close(found, wanted, scale):
    found = found.get()
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    # transforms err by eps log2(n), relative to the product of the norms of the factors
    assert np.abs(found - wanted).max(initial=0) <= 20 * np.finfo(found.dtype).eps * scale


@gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("degree", [1, 2, 4])
def test_apply(cp, place, dtype, degree):
    rng = np.random.default_rng(0)
    for d in (1, 2, 3, 4, 8, 16, 32, 64, 100):
        X = rng.standard_normal((9, 7)).astype(dtype)
        S = TensorSketch(d, 7, degree, gamma=0.5, coef0=1.5, rng=2**63 + 5)
        scale = (np.linalg.norm(np.abs(X), axis=1).max() * 3) ** degree
        wanted = S.apply(X, axis=1)
        for Y in (X, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
            close(S.apply(cp.asarray(Y), axis=1), wanted, scale)
        close(S.apply(cp.asarray(X.T)), np.ascontiguousarray(wanted.T), scale)
        out = cp.empty((9, d), dtype)
        assert S.apply(cp.asarray(X), 1, out=out) is out
        close(out, wanted, scale)


@gpu
def test_factors(cp, place):
    rng = np.random.default_rng(1)
    S = TensorSketch(32, (3, 8, 5), rng=4)
    xs = [rng.standard_normal((m, 6)) for m in S.lengths]
    found = S.apply_factors(*(cp.asarray(x) for x in xs))
    close(found, S.apply_factors(*xs), 100)


@gpu
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
@pytest.mark.parametrize("d", [1, 8, 13, 64])
def test_gradient(cp, place, d, degree):
    from randla._core import dispatch

    rng = np.random.default_rng(2)
    X, v = rng.standard_normal((5, 6)), rng.standard_normal((5, d))
    for shared in (True, False):
        results = []
        for kind, lib in (("numpy", np), ("cupy", cp)):
            xs = [lib.asarray(X + (0 if shared else g)) for g in range(degree)]
            gs = [lib.empty(X.shape, np.float64) for _ in range(degree)]
            if shared:
                xs, gs = [xs[0]] + [None] * (degree - 1), [gs[0]] + [None] * (degree - 1)
            dispatch.backend(kind).sketch_tensor.vjp(
                3, 1, xs, 1.25, [0.5] * degree, lib.asarray(v), gs
            )
            results.append(gs)
        for g, (wanted, found) in enumerate(zip(*results, strict=True)):
            if wanted is not None:
                close(found, wanted, 1e4 if g >= 0 else 0)


@gpu
def test_any_order_of_threads_gives_the_same_bits(cp, schedule):
    rng = np.random.default_rng(3)
    S = TensorSketch(64, 20, 3, rng=0)
    X = cp.asarray(rng.standard_normal((3, 20)))
    record.seed, seed = 0, record.seed
    wanted = S.apply(X, axis=1).get()
    record.seed = seed
    assert np.array_equal(S.apply(X, axis=1).get(), wanted)


@gpu
def test_nan_stays_in_its_sample(cp):
    X = np.ones((4, 5))
    X[2, 1] = np.nan
    found = TensorSketch(16, 5, 2, rng=0).apply(cp.asarray(X), axis=1).get()
    assert np.array_equal(np.isnan(found).any(axis=1), [False, False, True, False])


@gpu
def test_empty_and_narrow(cp):
    S = TensorSketch(16, 5, 2, rng=0)
    assert S.apply(cp.asarray(np.zeros((0, 5))), axis=1).shape == (0, 16)
    X = np.arange(10.0).reshape(2, 5).astype(np.float16)
    found = S.apply(cp.asarray(X), axis=1)
    assert found.dtype == np.float16
    with pytest.raises(TypeError, match="expected real numbers"):
        S.apply(cp.asarray(X.astype(np.complex64)), axis=1)


def test_tables_are_made_once(stand_in):
    S = TensorSketch(64, 9, 2, rng=11)
    X = stand_in.asarray(np.ones((3, 9)))
    S.apply(X, axis=1)
    record.clear()
    S.apply(X, axis=1)
    assert record.synchronisations == 0
