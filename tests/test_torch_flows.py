"""Layers of flows: inverses, log-determinants, what torch expects of modules."""

import copy

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from randla.torch.flows import (
    ActNorm,
    FlowModel,
    MatrixExp1x1Conv,
    MatrixExpCoupling,
    Split,
    Squeeze,
)

# torch.compile uses parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

LAYERS = {
    "ActNorm": lambda: ActNorm(4),
    "MatrixExp1x1Conv": lambda: MatrixExp1x1Conv(4),
    "full": lambda: MatrixExpCoupling(4, 8, 1),
    "low rank": lambda: MatrixExpCoupling(4, 8, 1, rank=1),
    "Squeeze": Squeeze,
}


def disturbed(layer):
    """Away from the identity, in double precision."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return layer.double()


@pytest.fixture(params=sorted(LAYERS))
def layer(request):
    torch.manual_seed(0)
    return disturbed(LAYERS[request.param]()).eval()


def test_inverse_is_exact(layer):
    x = torch.randn(3, 4, 4, 6, dtype=torch.float64)
    y, _ = layer(x)
    assert not torch.equal(x, y) or isinstance(layer, Squeeze)
    assert torch.allclose(layer.inverse(y), x, rtol=1e-11, atol=1e-12)


def test_log_determinant_is_that_of_the_jacobian(layer):
    x = torch.randn(1, 4, 2, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: layer(z)[0].flatten(), x)
    wanted = torch.linalg.slogdet(jacobian.reshape(16, 16)).logabsdet
    assert torch.allclose(layer(x)[1], wanted, rtol=1e-9, atol=1e-10)


def test_gradients_reach_all_parameters(layer):
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    y, log_det = layer(x)
    (y.square().sum() + log_det.sum()).backward()
    assert torch.isfinite(x.grad).all()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_modules_keep_their_methods(layer):
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64)
    single = copy.deepcopy(layer).float()
    assert torch.allclose(single(x.float())[0].double(), layer(x)[0], rtol=1e-3, atol=1e-3)
    assert all(p.dtype == torch.float16 for p in copy.deepcopy(layer).half().parameters())


def test_state_and_copies(layer):
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64)
    other = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x)[0], layer(x)[0])
    assert type(layer).__name__ in repr(layer)


def test_couplings_begin_as_the_identity():
    x = torch.randn(2, 8, 4, 4)
    for rank in (None, 2):
        y, log_det = MatrixExpCoupling(8, 8, 1, rank=rank)(x)
        assert torch.allclose(y, x, atol=1e-6)
        assert torch.allclose(log_det, torch.zeros(2), atol=1e-5)
    assert MatrixExpCoupling(48).rank is None
    assert MatrixExpCoupling(50).rank == 8


def test_low_rank_is_the_exponential_of_the_product():
    torch.manual_seed(1)
    layer = disturbed(MatrixExpCoupling(12, 8, 1, rank=2))
    x = torch.randn(1, 12, 2, 2, dtype=torch.float64)
    shift, first, second = layer._parameters_of(x[:, :6])
    exact = torch.matrix_exp(first @ second) @ x[:, 6:].permute(0, 2, 3, 1).unsqueeze(-1)
    y, _ = layer(x)
    mine = y[:, 6:].permute(0, 2, 3, 1)
    wanted = exact.squeeze(-1) + shift.permute(0, 2, 3, 1)
    assert torch.allclose(mine, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("rank", [None, 2])
def test_matrices_of_a_coupling_are_bounded(rank):
    """Else the first steps of training on photos overflowed, at any usual rate."""
    layer = MatrixExpCoupling(12, 8, 1, rank=rank)
    with torch.no_grad():
        layer.network.last.weight.normal_(0, 100)
    _, first, second = layer._parameters_of(torch.randn(2, 6, 4, 4))
    assert first.abs().max() <= layer.limit
    if rank is None:
        assert torch.linalg.matrix_norm(first, ord=torch.inf).max() <= 1 + 1e-6
    else:
        eye = torch.eye(2, 6)
        assert (second - eye).abs().max() <= layer.limit + 1e-6


def test_convolutions_begin_as_rotations():
    for n in (2, 12, 48):
        W = MatrixExp1x1Conv(n, generator=torch.Generator().manual_seed(0)).weight.detach()
        assert torch.equal(W, -W.mT)
        assert torch.linalg.matrix_norm(W, ord=2) < 1.5 * torch.pi


def test_act_norm_normalises_its_first_batch_only():
    layer, x = ActNorm(3), 5 + 3 * torch.randn(8, 3, 6, 6)
    layer.eval()
    assert torch.equal(layer(x)[0], x)
    layer.train()
    y, _ = layer(x)
    assert torch.allclose(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(y.std((0, 2, 3)), torch.ones(3), atol=1e-2)
    again, _ = layer(10 * x)
    assert again.std() > 5
    constant = ActNorm(3)
    assert torch.isfinite(constant(torch.ones(2, 3, 4, 4))[0]).all()
    loaded = ActNorm(3)
    loaded.load_state_dict(layer.state_dict())
    assert loaded.initialised


def small_flow(seed=0, **options):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    options = {"steps": (2, 1), "hidden": 8, "blocks": 1} | options
    return FlowModel(3, generator=generator, **options)


def test_model_is_a_density_and_its_samples_come_back():
    flow = disturbed(small_flow()).eval()
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    z, total = flow(x)
    jacobian_free = flow.log_prob(x)
    assert z.shape == (2, 24, 2, 2)
    assert jacobian_free.shape == (2,)
    assert not torch.allclose(total, jacobian_free)
    y = flow.sample(4, (8, 8), generator=torch.Generator().manual_seed(3))
    again = flow.sample(4, (8, 8), generator=torch.Generator().manual_seed(3))
    assert torch.equal(y, again)
    assert torch.isfinite(flow.log_prob(y)).all()
    bits = flow.bits_per_dim(x)
    nats = -jacobian_free / 192
    assert torch.allclose(bits, nats / torch.log(torch.tensor(2.0)) + 8)


def test_density_integrates_to_one():
    """One image of 2 x 2: importance sampling over a wide normal."""
    torch.manual_seed(0)
    flow = FlowModel(1, steps=(2,), hidden=8, blocks=1)
    flow = disturbed(flow).eval()
    x = 4 * torch.randn(200_000, 1, 2, 2, dtype=torch.float64)
    wide = torch.distributions.Normal(0.0, 4.0).log_prob(x).flatten(1).sum(1)
    with torch.no_grad():
        weights = (flow.log_prob(x) - wide).exp()
    mean, error = weights.mean(), weights.std() / len(weights) ** 0.5
    assert abs(mean - 1) < 5 * error + 1e-3
    assert error < 0.2


def test_training_lowers_the_loss_deterministically():
    losses = []
    for _ in range(2):
        flow = small_flow()
        optimiser = torch.optim.Adam(flow.parameters(), 3e-3)
        images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1)) ** 2
        run = []
        for _ in range(12):
            loss = flow.bits_per_dim(images).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            run.append(loss.item())
        losses.append(run)
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0] - 0.1


def test_autocast_and_checkpointing():
    flow = small_flow().eval()
    x = torch.rand(2, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, log_det = flow(x)
    exact, wanted = flow(x)
    assert log_det.dtype == torch.float32
    assert torch.allclose(z.float(), exact, rtol=0.1, atol=0.1)
    assert torch.allclose(log_det, wanted, rtol=0.05, atol=1.0)
    layer = disturbed(MatrixExpCoupling(4, 8, 1))
    y = torch.randn(2, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    plain = torch.autograd.grad(layer(y)[0].sum(), y)[0]
    saved = torch.autograd.grad(checkpoint(layer, y, use_reentrant=False)[0].sum(), y)[0]
    assert torch.equal(plain, saved)


@pytest.mark.parametrize("rank", [None, 2])
def test_compile(rank):
    torch._dynamo.reset()
    layer = disturbed(MatrixExpCoupling(8, 8, 1, rank=rank))
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64)
    assert torch.allclose(compiled(x)[0], layer(x)[0], rtol=1e-10, atol=1e-11)


def test_weights_that_are_not_finite_give_nan_and_no_hang():
    layer = MatrixExp1x1Conv(4)
    with torch.no_grad():
        layer.weight[0, 0] = float("nan")
    y, log_det = layer(torch.randn(2, 4, 3, 3))
    assert y.isnan().all()
    assert log_det.isnan().all()


def test_refusals():
    with pytest.raises(ValueError, match="MatrixExpCoupling: channels must be even, got 5"):
        MatrixExpCoupling(5)
    with pytest.raises(ValueError, match="Split: channels must be even, got 3"):
        Split(3)
    with pytest.raises(ValueError, match=r"rank must be at most channels / 2 = 2, got 3"):
        MatrixExpCoupling(4, rank=3)
    with pytest.raises(ValueError, match="ActNorm: channels must be at least 1, got 0"):
        ActNorm(0)
    with pytest.raises(TypeError, match="channels must be an integer, got float"):
        MatrixExp1x1Conv(4.0)
    with pytest.raises(ValueError, match=r"Squeeze takes images with even sides, got shape"):
        Squeeze()(torch.zeros(1, 3, 5, 4))
    with pytest.raises(ValueError, match="multiple of 4"):
        Squeeze().inverse(torch.zeros(1, 3, 4, 4))
    for layer in (ActNorm(4), MatrixExp1x1Conv(4), MatrixExpCoupling(4), Split(4)):
        with pytest.raises(
            ValueError, match=rf"{type(layer).__name__} takes images of shape \(N, 4"
        ):
            layer(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match="steps must not be empty"):
        FlowModel(3, steps=())
    with pytest.raises(ValueError, match=r"sides must be multiples of 4, got \(6, 8\)"):
        small_flow().sample(1, (6, 8))
    with pytest.raises(ValueError, match="even sides"):
        small_flow().log_prob(torch.zeros(1, 3, 6, 6))
