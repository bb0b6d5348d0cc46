"""approx_matmul: every sentence of its docstring, on NumPy."""

import pickle

import numpy as np
import pytest

import randla

METHODS = ["sketch", "sampling"]
ALL = [*METHODS, "lowrank"]


def pair(m, k, n, char="d", seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    if char in "FD":
        a, b = a + 1j * rng.standard_normal((m, k)), b + 1j * rng.standard_normal((k, n))
    return a.astype(char), b.astype(char)


def relative(product, a, b):
    wide = np.complex128 if np.iscomplexobj(product) else np.float64
    a, b = a.astype(wide), b.astype(wide)
    return np.linalg.norm(product - a @ b) / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("char", "fdFD")
def test_expected_error(method, char):
    a, b = pair(40, 3000, 30, char)
    for k in (50, 400):
        errors = []
        for seed in range(12):
            product, error = randla.approx_matmul(a, b, k=k, method=method, rng=seed)
            assert product.dtype == char
            assert product.shape == (40, 30)
            errors.append(relative(product, a, b))
            assert 0.4 * errors[-1] <= error <= 2 * errors[-1]
        # the mean of twelve is near its expectation
        assert np.mean(np.square(errors)) <= 1.2 * (2 if method == "sketch" else 1) / k
        assert np.mean(np.square(errors)) >= 0.3 / k


@pytest.mark.parametrize("char", "fdFD")
def test_low_rank_is_near_the_best_of_its_rank(char):
    """Singular values 1/i^2 of the product, from factors of which neither has low rank."""
    rng = np.random.default_rng(0)
    a, b = pair(120, 200, 90, char)
    U, V = np.linalg.qr(a @ b)[0], np.linalg.qr((a @ b).conj().T)[0]
    sigma = 1 / np.arange(1, 91) ** 2.0
    inverse = np.linalg.pinv(a)  # a b = U diag(sigma) V^H + what b adds outside of a's row space
    noise = rng.standard_normal((200, 90))
    b = (inverse @ (U * sigma) @ V.conj().T + noise - inverse @ (a @ noise)).astype(char)
    exact = a.astype("D") @ b.astype("D")
    s = np.linalg.svd(exact, compute_uv=False)
    for k in (4, 20):
        product, error = randla.approx_matmul(a, b, k=k, method="lowrank", rng=k)
        assert product.dtype == char
        assert np.linalg.matrix_rank(product, tol=1e-4 * s[k]) <= k
        left = np.linalg.norm(product - exact)
        assert left <= 1.4 * np.linalg.norm(s[k:])
        assert 0.4 <= error * np.linalg.norm(a) * np.linalg.norm(b) / left <= 2.5
    assert randla.approx_matmul(a, b, k=200, method="lowrank", rng=0).info.size == 90


def test_low_rank_to_a_tolerance():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((2000, 20)) @ rng.standard_normal((20, 1500))
    b = rng.standard_normal((1500, 1800))
    result = randla.approx_matmul(a, b, rtol=1e-10, method="lowrank", rng=2)
    assert relative(result.product, a, b) <= 1e-12
    assert result.info == type(result.info)("lowrank", 32, 3)
    full = randla.approx_matmul(*pair(300, 300, 300), rtol=1e-6, method="lowrank", rng=2)
    assert full.info.method == "exact"


def test_sampling_finds_the_columns_that_matter():
    a, b = pair(40, 3000, 30)
    a[:, 100:] *= 1e-3
    errors = {
        m: relative(randla.approx_matmul(a, b, k=500, method=m, rng=1)[0], a, b) for m in METHODS
    }
    assert errors["sampling"] < 0.6 / np.sqrt(500) * 2
    one = np.zeros((5, 50))
    one[:, 7] = 1
    product, error = randla.approx_matmul(one, pair(5, 50, 6)[1], k=1, method="sampling", rng=2)
    assert np.allclose(product, one @ pair(5, 50, 6)[1])
    assert error < 1e-14


@pytest.mark.parametrize("method", METHODS)
def test_rtol(method):
    a, b = pair(300, 5000, 250)
    product, error = randla.approx_matmul(a, b, rtol=0.1, method=method, rng=3)
    result = randla.approx_matmul(a, b, rtol=0.1, method=method, rng=3)
    assert error <= 0.1
    assert relative(product, a, b) <= 0.2
    assert result.info.method == method
    assert result.info.size == 50 * 2 ** (result.info.attempts - 1)
    # what would be more work than the product is the product
    exact = randla.approx_matmul(a, b, rtol=1e-3, method=method, rng=3)
    assert exact.info.method == "exact"
    assert exact.error < 1e-14
    assert np.array_equal(exact.product, a @ b)


@pytest.mark.parametrize("method", ALL)
def test_same_stream_same_bits(method):
    a, b = pair(10, 200, 12)
    one = randla.approx_matmul(a, b, k=20, method=method, rng=5)
    two = randla.approx_matmul(a, b, k=20, method=method, rng=randla.Stream(5))
    assert np.array_equal(one.product, two.product)
    assert one.error == two.error
    other = randla.approx_matmul(a, b, k=20, method=method, rng=6)
    assert not np.array_equal(one.product, other.product)


@pytest.mark.parametrize("method", ALL)
def test_batches(method):
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((2, 1, 10, 100)), rng.standard_normal((3, 100, 9))
    result = randla.approx_matmul(a, b, k=30, method=method, rng=8)
    assert result.product.shape == (2, 3, 10, 9)
    assert result.error.shape == result.info.size.shape == (2, 3)
    first = randla.approx_matmul(a[0, 0], b[0], k=30, method=method, rng=8)
    assert np.array_equal(first.product, result.product[0, 0])
    last = randla.approx_matmul(a[1, 0], b[2], k=30, method=method, rng=randla.Stream(8).advance(5))
    assert np.array_equal(last.product, result.product[1, 2])
    empty = randla.approx_matmul(a[:0], b, k=30, method=method, rng=8)
    assert empty.product.shape == (0, 3, 10, 9)
    with pytest.raises(ValueError, match="rtol is not for batches"):
        randla.approx_matmul(a, b, rtol=0.5)


@pytest.mark.parametrize("method", ALL)
def test_special(method):
    a, b = pair(5, 40, 6)
    for bad in (np.nan, np.inf):
        broken = a.copy()
        broken[1, 2] = bad
        result = randla.approx_matmul(broken, b, k=4, method=method, rng=0)
        assert np.isnan(result.error)
        assert result.info.method == "exact"
        assert np.array_equal(np.isfinite(result.product), np.isfinite(broken @ b))
    zero = randla.approx_matmul(0 * a, b, k=4, method=method, rng=0)
    assert (zero.product == 0).all()
    assert zero.error == 0
    apart = a.copy()  # no column meets a row
    apart[:, ::2] = 0
    other = b.copy()
    other[1::2] = 0
    assert (
        np.abs(randla.approx_matmul(apart, other, k=9, method=method, rng=1).product) < 40
    ).all()
    half = randla.approx_matmul(a.astype("e"), b.astype("e"), k=10, method=method, rng=0)
    assert half.product.dtype == "e"
    whole = randla.approx_matmul(np.eye(9, dtype=int), np.eye(9, dtype=int), k=4, rng=0)
    assert whole.product.dtype == "d"
    assert randla.approx_matmul(a[:0], b, k=3).product.shape == (0, 6)
    assert pickle.loads(pickle.dumps(zero)).info == zero.info


def test_arguments():
    a, b = pair(4, 20, 5)
    for options, error, message in (
        ({}, ValueError, "exactly one of k and rtol must be given, got k=None and rtol=None"),
        ({"k": 3, "rtol": 0.1}, ValueError, "exactly one of k and rtol"),
        ({"k": 0}, ValueError, r"k must be in \[1, 20\], got 0"),
        ({"k": 21}, ValueError, r"k must be in \[1, 20\], got 21"),
        ({"k": 2.0}, TypeError, "k must be an integer, got float"),
        ({"rtol": 0}, ValueError, r"rtol must be in \(0, 1\), got 0"),
        ({"rtol": "x"}, TypeError, "rtol must be a number"),
        ({"k": 3, "method": "x"}, ValueError, "method must be one of 'sketch', 'sampling', 'low"),
        ({"k": 3, "rng": 1.5}, TypeError, "rng must be"),
    ):
        with pytest.raises(error, match=message):
            randla.approx_matmul(a, b, **options)
    with pytest.raises(ValueError, match="a and b must have the same inner dimension"):
        randla.approx_matmul(a, a, k=3)
    with pytest.raises(ValueError, match="b must have at least two dimensions, got 1"):
        randla.approx_matmul(a, b[:, 0], k=3)
    with pytest.raises(TypeError, match="a has dtype"):
        randla.approx_matmul(a.astype("g"), b, k=3)
