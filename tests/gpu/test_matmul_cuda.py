"""matmul on CuPy arrays: exact on integers, in every layout; what is launched."""

import numpy as np
import pytest

import randla

pytestmark = pytest.mark.gpu


def integers(rng, shape, char):
    x = rng.integers(-3, 4, shape).astype(char)
    if char in "FD":
        x = (x + 1j * rng.integers(-3, 4, shape)).astype(char)
    return x


@pytest.mark.parametrize("char", "fdFD")
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_exact(cp, char, levels):
    rng = np.random.default_rng(levels)
    for m, k, n in ((1, 1, 1), (2, 2, 2), (8, 8, 8), (9, 13, 11), (33, 20, 27), (40, 7, 64)):
        a, b = integers(rng, (m, k), char), integers(rng, (k, n), char)
        x, y = cp.asarray(a), cp.asarray(b)
        c, info = randla.matmul(x, y, algorithm="winograd", levels=levels, return_info=True)
        assert c.dtype == char
        assert np.array_equal(c.get(), a @ b), (m, k, n)
        fit = min(levels, int(np.log2(min(m, k, n))))
        assert info.levels == fit
        assert info.algorithm == ("winograd" if fit else "classical")
        assert (info.workspace > 0) == (fit > 0)


@pytest.mark.parametrize("algorithm", [s.name for s in randla.matmul_schemes()])
def test_every_scheme(cp, algorithm):
    rng = np.random.default_rng(1)
    a, b = integers(rng, (31, 29), "d"), integers(rng, (29, 33), "d")
    c = randla.matmul(cp.asarray(a), cp.asarray(b), algorithm=algorithm)
    assert np.allclose(c.get(), a @ b, rtol=0, atol=1e-10)


def test_layouts_and_out(cp):
    rng = np.random.default_rng(2)
    a, b = integers(rng, (21, 30), "d"), integers(rng, (30, 17), "d")
    wide = cp.zeros((50, 70))
    for x in (
        cp.asarray(a),
        cp.asarray(np.ascontiguousarray(a.T)).T,
        wide[4:25, 3:33],
        wide[4:46:2, :60:2],
    ):
        x[...] = cp.asarray(a)
        for out in (cp.empty((21, 17)), cp.empty((17, 21)).T, cp.zeros((40, 40))[3:24, 5:22]):
            found = randla.matmul(x, cp.asarray(b), algorithm="winograd", out=out)
            assert found is out
            assert np.array_equal(out.get(), a @ b)
    square = cp.zeros((4, 4))
    with pytest.raises(ValueError, match="out must not overlap an input"):
        randla.matmul(square, square, algorithm="winograd", out=square)


def test_batches_and_auto(cp):
    rng = np.random.default_rng(3)
    a, b = integers(rng, (2, 1, 8, 9), "f"), integers(rng, (3, 9, 10), "f")
    x, y = cp.asarray(a), cp.asarray(b)
    c, info = randla.matmul(x, y, algorithm="winograd", return_info=True)
    assert np.array_equal(c.get(), np.matmul(a, b))
    assert info.levels.tolist() == [[1] * 3] * 2
    c, info = randla.matmul(x, y, return_info=True)  # no crossover is known for a device
    assert np.array_equal(c.get(), np.matmul(a, b))
    assert (info.algorithm == "classical").all()
    x, y = x.astype("F"), y.astype("F")
    with pytest.raises(NotImplementedError, match="'3m' is for arrays of NumPy"):
        randla.matmul(x, y, algorithm="3m")
