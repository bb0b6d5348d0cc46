"""What is trace_estimate's and norm_estimate's own in torch; the rest is in the battery."""

import numpy as np
import pytest
import torch
from svd_gallery import spectra, with_values

import randla
import randla.torch as rt

# torch's own forward mode uses parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

CALLS = {
    "trace": (lambda A, **more: randla.trace_estimate(A, rng=3, **more)),
    "2": (lambda A, **more: randla.norm_estimate(A, rng=3, **more)),
    "fro": (lambda A, **more: randla.norm_estimate(A, "fro", rng=3, **more)),
}


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_as_numpy(name, dtype):
    A = np.stack([with_values(90, 90, spectra(90)["1/i"], dtype, seed) for seed in range(2)])
    found, wanted = CALLS[name](torch.from_numpy(A), budget=40), CALLS[name](A, budget=40)
    for a, b in zip(found, wanted, strict=True):
        assert isinstance(a, torch.Tensor)
        assert np.array_equal(a.resolve_conj().numpy(), b)
        assert a.numpy().dtype == b.dtype
    assert np.array_equal(found.info.products, wanted.info.products)
    one = CALLS[name](torch.from_numpy(A[0]))
    assert one.value.shape == one.error.shape == ()
    assert one.info == CALLS[name](A[0]).info


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_are_those_of_what_is_estimated(dtype):
    """Of a matrix that is too large to be had exactly: no noise in them."""
    A = torch.from_numpy(with_values(100, 100, 0.5 ** np.arange(100.0), dtype)).requires_grad_()
    value, error = rt.trace_estimate(A, rng=0)
    assert not error.requires_grad
    assert value.detach() != A.detach().diagonal().sum()
    (g,) = torch.autograd.grad(value.real * 3, A)
    assert torch.equal(g, 3 * torch.eye(100, dtype=A.dtype))
    (g,) = torch.autograd.grad(rt.norm_estimate(A, rng=0).value, A)
    (wanted,) = torch.autograd.grad(torch.linalg.matrix_norm(A, 2), A)
    assert torch.allclose(g, wanted, atol=1e-6)
    (g,) = torch.autograd.grad(rt.norm_estimate(A, "fro").value, A)
    assert torch.allclose(g, A.detach() / torch.linalg.matrix_norm(A.detach()))
    for order in (2, "fro"):
        f = lambda x, order=order: rt.norm_estimate(x, order, rng=0).value  # noqa: E731
        _, slope = torch.func.jvp(f, (A.detach(),), (torch.ones_like(A),))
        (g,) = torch.autograd.grad(f(A), A)
        assert torch.allclose(slope, (g.conj() * torch.ones_like(A)).sum().real, atol=1e-6)
        B = torch.func.grad(lambda x, f=f: f(x) ** 2)(A.detach()[:50])
        assert B.shape == (50, 100)


def test_gradients_far_from_one():
    for power in (-1000, 1000):
        A = (torch.ones(3, 3, dtype=torch.float64) * 2.0**power).requires_grad_()
        value = rt.norm_estimate(A, "fro").value
        assert torch.allclose(value, 3 * A.detach()[0, 0])
        assert torch.allclose(torch.autograd.grad(value, A)[0], torch.full((3, 3), 1 / 3).double())
    Z = torch.zeros(3, 3, requires_grad=True)
    value = rt.norm_estimate(Z, "fro").value
    assert not value.detach().any()
    assert not torch.autograd.grad(value, Z)[0].any()


def test_bad_arguments_and_dtypes():
    A = torch.ones(70, 70)
    for own in (rt.trace_estimate, rt.norm_estimate):
        with pytest.raises(TypeError, match="A must be a tensor, got ndarray"):
            own(np.ones((6, 6)))
        with pytest.raises(ValueError, match="budget must be at least"):
            own(A, budget=2)
        with pytest.raises(np.linalg.LinAlgError, match="NaN or an infinity"):
            own(A * torch.nan)
        assert own(A.int(), rng=0).value.dtype == torch.float64
        assert own(A.bfloat16(), rng=0).error.dtype == torch.bfloat16
        assert (
            own(A, rng=np.random.default_rng(0)).value == own(A, rng=np.random.default_rng(0)).value
        )
    with pytest.raises(ValueError, match="must be square"):
        rt.trace_estimate(A[:5])
    with pytest.raises(ValueError, match="method must be one of"):
        rt.trace_estimate(A, method="exact")
    with pytest.raises(ValueError, match="ord must be one of"):
        rt.norm_estimate(A, "nuc")


@pytest.mark.parametrize("gap", [0.1, 0.01])
def test_gradient_of_a_norm_close_to_other_values(gap):
    """It converges as the value does: four iterations of subspaces were off by 0.4."""
    A = with_values(90, 90, np.r_[1 + gap, np.linspace(1, 0, 89)])
    given = torch.from_numpy(A).requires_grad_()
    rt.norm_estimate(given, rng=0).value.backward()
    U, _, Vh = np.linalg.svd(A)
    assert np.allclose(given.grad.numpy(), np.outer(U[:, 0], Vh[0]), atol=1e-6)


def test_half_precision_has_no_infinities():
    A = torch.full((20, 20), 60000, dtype=torch.float16)
    calls = (
        rt.trace_estimate, rt.norm_estimate, lambda A: rt.randomized_svd(A, 1),
        lambda A: rt.randomized_svd(A, rtol=0.1), lambda A: rt.randomized_eigh(A, 1),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
            call(A)
