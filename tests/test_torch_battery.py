"""What every operation of torch passes; a new one gets it by a line in CASES."""

import numpy as np
import pytest
import torch
from oracles import random_matrices

import randla.sketch
import randla.torch as rt
from randla.sketch import SRHT, Gaussian, SparseSign

# torch's own forward mode and export use parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def matrices(n, count, seed=0, dtype=torch.float64, norm=1.5):
    char = {torch.float64: "d", torch.complex128: "D", torch.float32: "f"}[dtype]
    return torch.tensor(random_matrices(char, n, count, norm, seed=seed))


def leaf(x):
    return x.detach().clone().requires_grad_()


TENSOR_SKETCH = randla.sketch.TensorSketch(6, 3, 3, gamma=0.5, coef0=0.7, rng=1)
TENSOR_FACTORS = randla.sketch.TensorSketch(8, (3, 3, 3), rng=2)
SPARSE, HADAMARD = SparseSign(4, 3, 2, rng=1), SRHT(2, 3, rng=2)
NORMAL = Gaussian(2, 3, complex=True, rng=3)
WORDS = [-1 if x == 2**64 - 1 else x for x in SparseSign(4, 3, 2, rng=2**64 - 1)._numbers(3)]


def joined(result):
    """Q over R, which has no more columns than Q has rows."""
    Q, R = result[0], result[1]
    few = min(Q.shape[-1], R.shape[-1])
    return torch.cat([Q[..., :few], R[..., :few]], -2) + R[..., -1:].sum(-2, keepdim=True)


def soft_numbers(*values):
    return tuple(torch.full((1, 1, 1), value, dtype=torch.float64) for value in values)


def packed(A):
    return torch.ops.randla.randomized_svd(A.detach(), 2, 10, -1, "auto", "auto", 7, 2)


def hermitian(A):
    return leaf((A + A.mH).detach())


def packed_eigh(A):
    return torch.ops.randla.randomized_eigh(hermitian(A).detach(), 2, False, 10, -1, "auto", 7, 2)


VALUES = torch.arange(7)[:, None] == 6  # the row of a packed decomposition that holds them


# name -> (function of tensors, tensors of a dtype)
CASES = {
    "expm": (rt.expm, lambda dtype: (matrices(3, 2, dtype=dtype),)),
    "expm, hermitian": (
        lambda A: rt.expm(A + A.mH, assume="hermitian"),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "expm, skew": (
        lambda A: rt.expm(A - A.mH, assume="skew"),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "expm_frechet": (
        lambda A, E: rt.expm_frechet(A, E, compute_expm=False),
        lambda dtype: (matrices(3, 2, dtype=dtype), matrices(3, 1, 1, dtype=dtype)[0]),
    ),
    "expm_multiply": (
        rt.expm_multiply,
        lambda dtype: (matrices(3, 2, dtype=dtype), matrices(3, 2, 1, dtype=dtype)[..., :2]),
    ),
    "expm_multiply, vector": (
        lambda A, b: rt.expm_multiply(A, b, t=[0.5, -1.0]),
        lambda dtype: (matrices(3, 2, dtype=dtype), matrices(3, 1, 1, dtype=dtype)[0, 0]),
    ),
    "lstsq": (
        lambda A, B: rt.lstsq(torch.cat([A, A.mT / 2 + torch.eye(3).to(A)], -2), B, rng=0).x,
        lambda dtype: (
            matrices(3, 2, dtype=dtype),
            torch.cat([matrices(3, 1, s, dtype=dtype)[0, :, :2] for s in (1, 2)]),
        ),
    ),
    "lstsq, wide, vector": (
        lambda A, b: rt.lstsq(A[..., :2, :], b, rng=0).x,
        lambda dtype: (matrices(3, 1, dtype=dtype)[0], matrices(3, 1, 1, dtype=dtype)[0, 0, :2]),
    ),
    "lstsq, ridge": (
        lambda A, B: rt.lstsq(A, B, damp=0.7, rng=0).x,
        lambda dtype: (matrices(2, 1, dtype=dtype)[0], matrices(2, 2, 1, dtype=dtype)),
    ),
    "matmul": (
        lambda A, B: rt.matmul(A, B, algorithm="winograd"),
        lambda dtype: (matrices(3, 2, dtype=dtype), matrices(3, 1, 1, dtype=dtype)[0]),
    ),
    "matmul, vector": (
        lambda A, b: rt.matmul(A, b, algorithm="strassen"),
        lambda dtype: (matrices(3, 2, dtype=dtype), matrices(3, 1, 1, dtype=dtype)[0, 0]),
    ),
    "phi_1": (lambda A: rt.phi(A, 1), lambda dtype: (matrices(3, 2, dtype=dtype),)),
    "topk": (
        lambda A: rt.topk(A.real, 2).values,
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "topk, smallest of another dim": (
        lambda A: rt.topk_values(A.real, 2, dim=-2, largest=False, sorted=False),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "kth_value": (
        lambda A: rt.kth_value(A.real, 2, nan="propagate"),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "TensorSketch": (
        lambda A: TENSOR_SKETCH.apply(A.real, axis=-1),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "TensorSketch, factors": (
        lambda A, B: TENSOR_FACTORS.apply_factors(A.real, B.real, A.real, axis=-2),
        lambda dtype: (matrices(3, 2, dtype=dtype), matrices(3, 2, 1, dtype=dtype)),
    ),
    "sketch": (lambda A: SPARSE.apply(A, -2), lambda dtype: (matrices(3, 2, dtype=dtype),)),
    "sketch, last axis": (
        lambda A: HADAMARD.apply(A, -1),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "sketch, adjoint": (
        lambda A: SPARSE.rows(1, 4).T.__matmul__(A),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "sketch, complex": (
        lambda A: NORMAL.apply(A, -2).abs().to(A.real.dtype),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "qr, wide, with pivots": (
        lambda A: joined(rt.qr(A[..., :2, :], pivoting=True, rng=0)),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "qr, R alone": (
        lambda A: rt.qr(A, mode="r", rng=0).R,
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "cholesky_qr": (
        lambda A: joined(rt.cholesky_qr(A[..., :2])),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "randomized_svd, values": (
        lambda A: rt.randomized_svd(A, 2, rng=0).S,
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "randomized_eigh, values": (
        lambda A: rt.randomized_eigh(A + A.mH, 2, rng=0).eigenvalues,
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "trace_estimate": (
        lambda A: rt.trace_estimate(A, rng=0).value,
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "norm_estimate": (
        lambda A: rt.norm_estimate(A, rng=0).value,
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "norm_estimate, Frobenius": (
        lambda A: rt.norm_estimate(A, "fro", rng=0).value,
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "soft_rank": (
        lambda A: rt.soft_rank(A.real, temperature=0.7),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "soft_topk, of another dim, with every parameter": (
        lambda A, a: rt.soft_topk(
            A.real,
            1.5 + a.real[0, 0].tanh() / 4,
            dim=-2,
            kind="shiva",
            temperature=0.5 + a.real[0, 1] ** 2,
            gate_temperature=0.3 + a.real[0, 2] ** 2,
        ),
        lambda dtype: (matrices(3, 2, dtype=dtype), matrices(3, 1, 1, dtype=dtype)[0]),
    ),
    "soft_topk, laplace, k of rows": (
        lambda A: rt.soft_topk(
            A.real, 1.4 + A.real[..., 0].tanh() / 3, kind="laplace", temperature=0.8
        ),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "soft_topk, threshold": (
        lambda A: rt.soft_topk(A.real, 2, kind="threshold", temperature=0.8),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "soft_topk, fermi": (
        lambda A: rt.soft_topk(A.real, 1.25, temperature=0.8),
        lambda dtype: (matrices(3, 2, dtype=dtype),),
    ),
    "phi_3": (lambda A: rt.phi(A, 3), lambda dtype: (matrices(2, 1, dtype=dtype)[0],)),
}
# names of the operations in torch.ops.randla, with arguments
RAW = {
    "expm_function": lambda A: (A, 0, 0.0, ""),
    "expm_derivative": lambda A: (A, leaf(A.flip(-1)), 1, True),
    "expm_multiply": lambda A: (A, leaf(A[..., :2]), 0.0),
    "lstsq": lambda A: (A, leaf(A.flip(-1)), -1.0, 0.0, 0.5, "auto", -7, 2, False),
    "matmul": lambda A: (A, leaf(A.flip(-1)), "winograd", 1),
    "qr": lambda A: (A, True, "economic", 2, -1.0, "auto", True, -1, 3),
    "qr_certain": lambda A: (A.detach() + 3 * torch.eye(3), -1.0),
    "randomized_eigh": lambda A: (
        hermitian(A).detach() if A.is_complex() else hermitian(A),
        *(2, False, 10, -1, "auto", -7, 2),
    ),
    "randomized_eigh_vjp": lambda A: (
        hermitian(A),
        leaf(packed_eigh(A)),
        leaf(packed_eigh(A) * VALUES[-4:]),
    ),
    "randomized_eigh_jvp": lambda A: (hermitian(A).detach(), packed_eigh(A), A.flip(-1).detach()),
    "randomized_svd": lambda A: (
        # what opcheck sums depends on the phases of complex vectors
        *(A.detach() if A.is_complex() else A, 2, 10, -1, "auto", "auto", -7, 2),
    ),
    "randomized_svd_vjp": lambda A: (A, leaf(packed(A)), leaf(packed(A) * VALUES)),
    "randomized_svd_jvp": lambda A: tuple(x.detach() for x in (A, packed(A), A.flip(-1))),
    "svd_trace": lambda A: (A.detach(), "norm", "2", 60, -7, 2),
    "sketch_apply": lambda A: (A, WORDS, 0.5, False, -2),
    "topk_indices": lambda A: (A.detach().real, 2, True, True, "greatest", None),
    "topk_kth": lambda A: (A.detach().real, 2, False, "least", torch.full((2, 3), 2)),
    "topk_rest": lambda A: (torch.arange(2).expand(*A.shape[:2], 2), 5),
    "tensor_sketch": lambda A: (leaf(A.detach().real), [0, 1], [3, 2], [0.5, 0.0], 4, 1.5, -7, 2),
    "tensor_sketch_adjoint": lambda A: (
        *(leaf(A.detach().real), leaf(A.detach().real.repeat(1, 1, 2)[..., :4])),
        *([0, 1], [3, 2], [0.5, 0.0], 1.5, -7, 2),
    ),
    "topk_soft": lambda A: (leaf(A.real), *soft_numbers(1.5, 0.4, 0.1), "fermi"),
    "topk_soft_vjp": lambda A: (
        leaf(A.real),
        *soft_numbers(1.5, 0.4, 0.1),
        leaf(A.real.flip(-1)),
        "laplace",
        True,
    ),
    "topk_soft_jvp": lambda A: (
        leaf(A.real),
        *soft_numbers(1.5, 0.4, 0.1),
        leaf(A.real.flip(-1)),
        *soft_numbers(0.1, 0.2, 0.3),
        "shiva",
    ),
}


@pytest.fixture(params=sorted(CASES))
def case(request):
    return CASES[request.param]


def inputs(case, dtype=torch.float64, grad=False):
    return tuple(x.clone().requires_grad_(grad) for x in case[1](dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_gradcheck(case, dtype):
    x = inputs(case, dtype, True)
    assert torch.autograd.gradcheck(case[0], x, check_forward_ad=True)


def test_gradgradcheck(case):
    assert torch.autograd.gradgradcheck(case[0], inputs(case, grad=True))


def test_jvp(case):
    f, x = case[0], inputs(case)
    tangents = tuple(torch.randn_like(y) for y in x)
    _, slope = torch.func.jvp(f, x, tangents)
    h = 1e-6
    more, less = (f(*(y + s * h * d for y, d in zip(x, tangents, strict=True))) for s in (1, -1))
    assert torch.allclose(slope, (more - less) / (2 * h), rtol=1e-6, atol=1e-7)


def test_vmap(case):
    f, x = case[0], inputs(case)
    many = tuple(torch.stack([y, 2 * y, -y]) for y in x)
    wanted = torch.stack([f(*(y[i] for y in many)) for i in range(3)])
    assert torch.allclose(torch.vmap(f)(*many), wanted, rtol=1e-12, atol=1e-13)
    moved = tuple(y.movedim(0, -1) for y in many)
    assert torch.allclose(torch.vmap(f, in_dims=-1)(*moved), wanted, rtol=1e-12, atol=1e-13)
    grads = torch.vmap(torch.func.grad(lambda *y: f(*y).sin().sum()))(*many)
    one = torch.func.grad(lambda *y: f(*y).sin().sum())(*(y[1] for y in many))
    assert torch.allclose(grads[1], one, rtol=1e-11, atol=1e-12)


def test_hessian_by_both_modes(case):
    f, x = case[0], inputs(case)
    rest = x[1:]

    def loss(y):
        return f(y, *rest).sin().sum()

    forward = torch.func.hessian(loss)(x[0])
    reverse = torch.func.jacrev(torch.func.jacrev(loss))(x[0])
    assert torch.allclose(forward, reverse, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dynamic", [False, True])
def test_compile(case, dynamic):
    f = case[0]
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda *y: f(*y).sin(), fullgraph=True, dynamic=dynamic, backend="aot_eager"
    )
    for scale in (1.0, -0.5):
        x = tuple((scale * y).requires_grad_() for y in inputs(case))
        value = compiled(*x)
        wanted = f(*x).sin()
        assert torch.allclose(value, wanted, rtol=1e-12, atol=1e-13)
        mine = torch.autograd.grad(value.sum(), x)
        exact = torch.autograd.grad(wanted.sum(), x)
        for a, b in zip(mine, exact, strict=True):
            assert torch.allclose(a, b, rtol=1e-11, atol=1e-12)


def test_export(case):
    f = case[0]

    class Module(torch.nn.Module):
        def forward(self, *y):
            return f(*y)

    x = inputs(case)
    program = torch.export.export(Module(), x)
    assert any("randla" in str(node.target) for node in program.graph.nodes)
    assert torch.allclose(program.module()(*x), f(*x), rtol=1e-13)


def test_meta(case):
    f, x = case[0], inputs(case)
    result = f(*(y.to("meta") for y in x))
    assert result.device.type == "meta"
    assert result.shape == f(*x).shape


def test_layouts_and_dtypes(case):
    f, x = case[0], inputs(case)
    wanted = f(*x)
    views = tuple(y.mT.contiguous().mT if y.dim() > 1 else y.repeat(2)[::2] * 0 + y for y in x)
    assert torch.equal(f(*views), wanted)
    for dtype in (torch.float16, torch.bfloat16):
        narrow = tuple(y.to(dtype) for y in x)
        result = f(*narrow)
        assert result.dtype == dtype
        exact = f(*(y.double() for y in narrow))
        assert torch.allclose(result.double(), exact, rtol=2e-2, atol=2e-2)
    kept = tuple(y.clone() for y in x)
    f(*kept)
    assert all(torch.equal(a, b) for a, b in zip(kept, x, strict=True))  # inputs are not modified


def test_no_graph_where_none_is_wanted(case):
    f, x = case[0], inputs(case, grad=True)
    with torch.no_grad():
        assert not f(*x).requires_grad
    with torch.inference_mode():
        assert torch.allclose(f(*x), f(*(y.detach() for y in x)), rtol=1e-12, atol=1e-13)
    assert f(*x).requires_grad


def test_autocast_changes_nothing(case):
    f, x = case[0], tuple(y.float() for y in inputs(case))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = f(*x)
    assert result.dtype == torch.float32
    assert torch.allclose(result, f(*x), rtol=1e-6, atol=1e-6)


def test_checkpoint(case):
    from torch.utils.checkpoint import checkpoint

    f, x = case[0], inputs(case, grad=True)
    mine = torch.autograd.grad(checkpoint(f, *x, use_reentrant=False).sum(), x)
    exact = torch.autograd.grad(f(*x).sum(), x)
    assert all(torch.equal(a, b) for a, b in zip(mine, exact, strict=True))


@pytest.mark.parametrize("name", sorted(RAW))
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_opcheck(name, dtype):
    A = leaf(matrices(3, 2, dtype=dtype))
    torch.library.opcheck(getattr(torch.ops.randla, name).default, RAW[name](A))


def test_sizes_change_under_one_graph():
    torch._dynamo.reset()
    f = torch.compile(rt.expm, fullgraph=True, dynamic=True, backend="aot_eager")
    for n, count in ((3, 2), (5, 4), (8, 3)):
        A = matrices(n, count)
        assert torch.allclose(f(A), rt.expm(A), rtol=1e-13, atol=1e-14)


def test_empty(case):
    f, x = case[0], inputs(case)
    nothing = tuple(y[:0] if y.dim() > 2 else y for y in x)
    if nothing[0].dim() > 2:
        y = tuple(z.requires_grad_() for z in nothing)
        result = f(*y)
        assert result.numel() == 0
        torch.autograd.grad(result.sum(), y[0])


def test_numpy_and_torch_are_one_function():
    A = matrices(5, 4)
    assert np.array_equal(rt.expm(A).numpy(), rt.expm.__globals__["randla"].expm(A.numpy()))
