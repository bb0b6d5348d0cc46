"""TensorSketch and KhatriRao on torch, JAX and a strict array-API library."""

import array_api_strict
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from randla.sketch import KhatriRao, TensorSketch

jax.config.update("jax_enable_x64", True)
LIBRARIES = {
    "torch": torch.tensor,
    "jax": jnp.asarray,
    "strict": array_api_strict.asarray,
}


@pytest.fixture(params=sorted(LIBRARIES))
def convert(request):
    return LIBRARIES[request.param]


@pytest.mark.parametrize("d", [1, 8, 13])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_apply(convert, d, degree):
    X = np.random.default_rng(0).standard_normal((4, 5))
    S = TensorSketch(d, 5, degree, gamma=0.5, coef0=2, rng=1)
    found = S.apply(convert(X), axis=1)
    assert type(found) is type(convert(X))
    assert np.allclose(np.asarray(found), S.apply(X, axis=1), rtol=1e-12, atol=1e-12)
    assert np.allclose(np.asarray(S.apply(convert(X.T))), S.apply(X.T), rtol=1e-12, atol=1e-12)


def test_factors(convert):
    rng = np.random.default_rng(1)
    for S in (TensorSketch(8, (3, 4), rng=1), KhatriRao(8, (3, 4), rng=1)):
        xs = [rng.standard_normal((m, 6)) for m in S.lengths]
        found = S.apply_factors(*(convert(x) for x in xs))
        assert np.allclose(np.asarray(found), S.apply_factors(*xs), rtol=1e-12, atol=1e-12)
        with pytest.raises(TypeError, match="out is for NumPy"):
            S.apply_factors(*(convert(x) for x in xs), out=np.empty((8, 6)))
        with pytest.raises(TypeError, match="arrays must be of one library"):
            S.apply_factors(convert(xs[0]), xs[1])


def test_dtypes(convert):
    S = TensorSketch(8, 3, rng=1)
    X = np.arange(6).reshape(2, 3)
    for dtype in (np.float32, np.int64):
        found = np.asarray(S.apply(convert(X.astype(dtype)), axis=1))
        assert found.dtype == (np.float32 if dtype == np.float32 else np.float64)
        assert np.allclose(found, S.apply(X, axis=1), rtol=1e-5, atol=1e-5)
    with pytest.raises(TypeError, match="expected real numbers"):
        S.apply(convert(X + 0j), axis=1)


def test_torch_by_factors_of_one_dtype():
    S = TensorSketch(8, (3, 4), rng=1)
    with pytest.raises(TypeError, match="tensors must have one dtype"):
        S.apply_factors(torch.ones(3), torch.ones(4, dtype=torch.float64))


def test_torch_shares_memory_and_bits():
    S = TensorSketch(16, 5, 3, coef0=1, rng=2**63 + 1)
    X = np.random.default_rng(3).standard_normal((6, 5))
    assert np.array_equal(S.apply(torch.from_numpy(X), axis=1).numpy(), S.apply(X, axis=1))
    flipped = torch.from_numpy(X.T.copy()).T
    assert np.array_equal(S.apply(flipped, axis=1).numpy(), S.apply(X, axis=1))
