"""matmul on other array libraries: their own product, or the reference of a scheme."""

import array_api_strict
import jax
import numpy as np
import pytest

import randla

jax.config.update("jax_enable_x64", True)
SCHEMES = [scheme.name for scheme in randla.matmul_schemes()]
LIBRARIES = {"strict": array_api_strict, "jax": jax.numpy}


@pytest.fixture(params=sorted(LIBRARIES))
def xp(request):
    return LIBRARIES[request.param]


@pytest.mark.parametrize("algorithm", ["auto", "classical", *SCHEMES])
def test_exact(xp, algorithm):
    rng = np.random.default_rng(0)
    for left, right in (((13, 17), (17, 11)), ((2, 13, 17), (17, 11)), ((17,), (17, 3))):
        a, b = rng.integers(-3, 4, left).astype("d"), rng.integers(-3, 4, right).astype("d")
        x, y = xp.asarray(a), xp.asarray(b)
        c, info = randla.matmul(x, y, algorithm=algorithm, return_info=True)
        assert type(c) is type(x)
        assert np.allclose(np.asarray(c), a @ b, rtol=0, atol=1e-10)
        used = algorithm in SCHEMES and len(left) > 1
        assert (np.asarray(info.levels) == used).all()
        assert (np.asarray(info.algorithm) == (algorithm if used else "classical")).all()
        assert (np.asarray(info.error_bound) > 0).all()
    with pytest.raises(TypeError, match="out is for arrays of NumPy and CuPy"):
        randla.matmul(x, y, out=x)


def test_what_a_library_cannot_do(xp):
    x = xp.asarray(np.ones((3, 3)))
    with pytest.raises(NotImplementedError, match="'3m' is for arrays of NumPy"):
        randla.matmul(x, x, algorithm="3m")
    with pytest.raises(ValueError, match="a and b must have the same inner dimension"):
        randla.matmul(x, x[:2, :])
    with pytest.raises(TypeError, match="arrays must be of one library"):
        randla.matmul(x, np.ones((3, 3)))
    whole = xp.asarray(np.ones((3, 3), int))
    assert randla.matmul(whole, whole, algorithm="winograd").dtype == whole.dtype


@pytest.mark.parametrize("method", ["sketch", "sampling", "lowrank"])
def test_approximate_products_are_those_of_numpy(xp, method):
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 12, 60)), rng.standard_normal((60, 10))
    exact = randla.approx_matmul(a, b, k=8, method=method, rng=3)
    found = randla.approx_matmul(xp.asarray(a), xp.asarray(b), k=8, method=method, rng=3)
    assert type(found.product) is type(xp.asarray(a))
    assert np.allclose(np.asarray(found.product), exact.product, rtol=0, atol=1e-10)
    assert np.allclose(found.error, exact.error, rtol=1e-6)
