"""QR in torch: what the battery does not ask."""

import json
from pathlib import Path

import numpy as np
import pytest
import qr_gallery
import torch

import randla
import randla.torch as rt

# torch's own forward mode uses parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
CASES = {
    case["name"]: case
    for case in json.loads((Path(__file__).parent / "data" / "qr_cases.json").read_text())
}
DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]


def tensor(shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_kernels_are_numpys(dtype):
    for shape in ((500, 40), (40, 40), (10, 30), (2, 3, 60, 8), (0, 3), (3, 0), (0, 4, 3)):
        A = tensor(shape, dtype)
        for options in (
            {}, {"pivoting": True}, {"pivoting": True, "mode": "r"},
            *([{"pivoting": True, "k": 3}] if min(shape[-2:]) > 3 else []),
            *([{"pivoting": True, "method": "cqrrpt"}] if shape[-2] >= shape[-1] else []),
        ):  # fmt: skip
            for function in (rt.qr, randla.qr):
                found = function(A, rng=5, **options)
                wanted = randla.qr(A.numpy(), rng=5, **options)
                for x, y in zip(found, wanted, strict=True):
                    assert (x is None) == (y is None)
                    assert x is None or np.array_equal(x.numpy(), y)
                assert np.array_equal(found.rank, wanted.rank)
                np.testing.assert_equal(found.info.method, wanted.info.method)
    A = tensor((300, 20), dtype)
    for method in ("auto", "cholqr2", "cholqr3"):
        found = randla.cholesky_qr(A, method=method)
        assert np.array_equal(found.Q.numpy(), randla.cholesky_qr(A.numpy(), method=method).Q)
        assert found.info.method == ("cholqr2" if method == "auto" else method)


def test_layouts_conjugates_and_other_dtypes():
    A = tensor((200, 12), torch.complex128)
    wanted = rt.qr(A, method="cqrrt", rng=0)
    for B in (A.mT.contiguous().mT, A.repeat_interleave(2, 0)[::2], A.conj().resolve_conj().conj()):
        found = rt.qr(B, method="cqrrt", rng=0)
        assert torch.allclose(found.Q, wanted.Q, atol=1e-13)
    whole = torch.tensor([[3, 0], [4, 5]])
    assert rt.qr(whole).R.dtype == torch.float64
    assert torch.equal(rt.qr(whole).R, rt.qr(whole.double()).R)
    half = rt.qr(tensor((50, 4)).to(torch.bfloat16), pivoting=True)
    assert half.Q.dtype == half.R.dtype == torch.bfloat16


def loss(result):
    """Some function of both factors."""
    total = 0
    for i, x in enumerate(result[:2]):
        if x is not None:
            wide = torch.complex128 if x.is_complex() else torch.float64
            weight = tensor(x.shape, wide, 7 + i).to(x.dtype)
            total = total + (x * weight).sum().abs() + (x * x.conj()).real.pow(2).sum()
    return total


@pytest.mark.parametrize(
    ("method", "shape", "dtype"),
    [
        ("auto", (7, 4), torch.complex128),
        ("auto", (3, 5), torch.complex128),
        ("householder", (3, 5), torch.float64),
        ("cqrrpt", (20, 3), torch.float64),
        ("cqrrpt", (20, 3), torch.complex128),
        ("cqrrt", (20, 3), torch.float64),
        ("cholesky", (7, 4), torch.float64),
        ("bqrrp", (5, 5), torch.float64),
    ],
)
def test_gradients_of_every_method(method, shape, dtype):
    def f(A):
        if method == "cholesky":
            return loss(rt.cholesky_qr(A))
        return loss(rt.qr(A, pivoting=method not in ("auto", "cqrrt"), method=method, rng=1))

    A = tensor(shape, dtype).requires_grad_()
    assert torch.autograd.gradcheck(f, A, check_forward_ad=True)
    d = tensor(shape, dtype, 1)
    (g,) = torch.autograd.grad(f(A), A)
    _, slope = torch.func.jvp(f, (A.detach(),), (d,))
    assert torch.allclose((g.conj() * d).real.sum(), slope, rtol=1e-9)
    h = 1e-6
    difference = (f(A.detach() + h * d) - f(A.detach() - h * d)) / (2 * h)
    assert torch.allclose(slope, difference, rtol=1e-6)


def test_gradients_are_those_of_torch():
    A = tensor((3, 30, 5)).requires_grad_()
    Q, R = rt.qr(A)
    mine = torch.autograd.grad((Q.sin() + R.cos().sum()).sum(), A)[0]
    q, r = torch.linalg.qr(A)
    sign = r.diagonal(dim1=-2, dim2=-1).sign()
    q, r = q * sign[:, None], r * sign[..., None]
    exact = torch.autograd.grad((q.sin() + r.cos().sum()).sum(), A)[0]
    assert torch.allclose(mine, exact, rtol=1e-10)


def test_truncation_to_the_rank_is_differentiable():
    """The first columns of A[:, P] are independent, and the rank is a constant."""
    A = tensor((9, 3)) @ tensor((3, 5), seed=1)

    def f(B):
        Q, R, P = rt.qr(B, pivoting=True, mode="truncated", rtol=1e-3)
        return loss((Q, R[:, P.argsort()]))  # the order of the others is one of roundings

    A.requires_grad_()
    assert rt.qr(A, pivoting=True, mode="truncated", rtol=1e-3).Q.shape == (9, 3)
    assert torch.autograd.gradcheck(f, A, check_forward_ad=True)


def test_who_asks_for_one_factor_gets_the_gradient_of_it():
    A = tensor((20, 4)).requires_grad_()
    Q, R = rt.qr(A)
    _, R2 = rt.qr(A), rt.qr(A, mode="r").R
    (by_q,) = torch.autograd.grad(Q.pow(3).sum(), A, retain_graph=True)
    (by_r,) = torch.autograd.grad(R.pow(3).sum(), A, retain_graph=True)
    (both,) = torch.autograd.grad(Q.pow(3).sum() + R.pow(3).sum(), A)
    (alone,) = torch.autograd.grad(R2.pow(3).sum(), A)
    assert torch.allclose(both, by_q + by_r, rtol=1e-12)
    assert torch.allclose(alone, by_r, rtol=1e-10)


def dependent():
    """Matrices without derivatives, by name."""
    A = tensor((8, 8))
    case = CASES["gradient near rank deficiency"]
    assert case["function"] == "randla.torch.qr"
    zeros = A * torch.tensor([1.0] * 3 + [0.0] * 5)
    wide = tensor((4, 9))
    wide[:, 3] = wide[:, 2] + 1e-15 * wide[:, 5]  # of full rank, but not its first columns
    kahan = torch.from_numpy(qr_gallery.build("Kahan", "float64", "C", 200, 120, 0))
    return {
        "zero columns": zeros,
        "zero": torch.zeros(5, 3, dtype=torch.float64),
        "a column twice": torch.cat([A[:, :3], A[:, :3]], 1),
        "nearly": torch.cat([A[:, :3], A[:, :3] + 1e-15 * A[:, 3:6]], 1),
        "wide": wide,
        "Kahan": kahan,  # no diagonal entry tells
    }


@pytest.mark.parametrize("name", sorted(dependent()))
def test_there_are_no_derivatives_near_rank_deficiency(name):
    A = dependent()[name].requires_grad_()
    with pytest.raises(np.linalg.LinAlgError, match="A has dependent columns"):
        loss(rt.qr(A)).backward()
    with pytest.raises(np.linalg.LinAlgError, match="A has dependent columns"):
        torch.func.jvp(lambda B: loss(rt.qr(B)), (A.detach(),), (A.detach(),))
    with pytest.raises(np.linalg.LinAlgError, match="A has dependent columns"):
        rt.qr(A, mode="r").R.sum().backward()
    if name in ("wide",):  # pivots find columns that have
        (g,) = torch.autograd.grad(loss(rt.qr(A, pivoting=True)), A)
        assert torch.isfinite(g).all()
    elif name != "Kahan":
        with pytest.raises(np.linalg.LinAlgError, match="A has dependent columns"):
            loss(rt.qr(A, pivoting=True)).backward()
    assert rt.qr(A.detach()).Q.isfinite().all()


def test_gradients_are_right_up_to_where_they_are_refused():
    """Wide matrices whose first columns come near to each other: right, or an error."""
    exact = torch.float64
    refused = 0
    for decades in range(1, 9):
        wide = tensor((4, 7), exact)
        wide[:, 3] = wide[:, 2] + 10.0**-decades * wide[:, 5]
        A = wide.float().requires_grad_()
        B = A.detach().double().requires_grad_()
        (good,) = torch.autograd.grad(loss(rt.qr(B)), B)
        try:
            (g,) = torch.autograd.grad(loss(rt.qr(A)), A)
        except np.linalg.LinAlgError:
            refused += 1
            continue
        assert refused == 0  # not by chance
        off = torch.linalg.norm(g.double() - good) / torch.linalg.norm(good)
        assert off <= 20 * 1.2e-7 * 10**decades
        assert off <= 0.5
    assert 1 <= refused <= 4


def test_columns_of_any_length_have_derivatives():
    A = tensor((50, 4)) * torch.tensor([1.0, 1e-6, 1e-10, 1e4])
    A.requires_grad_()
    Q, _ = rt.qr(A)
    (g,) = torch.autograd.grad(Q.pow(3).sum(), A)
    B = tensor((50, 4)).requires_grad_()
    (h,) = torch.autograd.grad(rt.qr(B).Q.pow(3).sum(), B)
    assert torch.allclose(g, h / torch.tensor([1.0, 1e-6, 1e-10, 1e4]), rtol=1e-9)


def test_the_matrix_of_a_batch_is_named():
    A = tensor((2, 3, 9, 4))
    A[1, 2, :, 1] = A[1, 2, :, 0]
    A.requires_grad_()
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1, 2\) of A has dependent"):
        loss(rt.qr(A)).backward()
    A.detach()[0, 1, 0, 0] = torch.nan
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(0, 1\) of A has a NaN"):
        rt.qr(A)


def test_compiled_code_raises_too():
    torch._dynamo.reset()
    f = torch.compile(
        lambda A: rt.qr(A, rng=randla.Stream(3)).R, fullgraph=True, backend="aot_eager"
    )
    A = tensor((6, 3))
    assert torch.equal(f(A), rt.qr(A, rng=3).R)
    A[:, 2] = A[:, 1]
    R = f(A.requires_grad_())
    with pytest.raises(np.linalg.LinAlgError, match="A has dependent columns"):
        R.sum().backward()


def test_sizes_that_depend_on_numbers():
    A = tensor((40, 5)) * torch.tensor([1.0, 1, 1, 1, 0])
    assert rt.qr(A, pivoting=True, mode="truncated").Q.shape == (40, 4)
    assert rt.qr(A, pivoting=True, k=5).Q.shape == (40, 4)
    with pytest.raises(ValueError, match="mode='truncated' gives sizes that depend on numbers"):
        rt.qr(A.to("meta"), pivoting=True, mode="truncated")
    assert rt.qr(A.to("meta"), pivoting=True, k=5).Q.shape == (40, 5)
    found = torch.vmap(lambda B: rt.qr(B, pivoting=True, k=5, rng=0).Q)(A[None])
    assert found.shape == (1, 40, 5)


def test_arguments():
    A = tensor((20, 8))
    for call, error, message in (
        (lambda: rt.qr(A, mode="full"), ValueError, "economic"),
        (lambda: rt.qr(A, method="bqr"), ValueError, "method must be one of"),
        (lambda: rt.qr(A, k=3), ValueError, "k needs pivoting=True"),
        (lambda: rt.qr(A, pivoting=True, k=9), ValueError, r"k must be in \[1, 8\].*got 9"),
        (lambda: rt.qr(A.mT, method="cqrrt"), ValueError, "m >= n"),
        (lambda: rt.cholesky_qr(A.mT), ValueError, "m >= n"),
        (lambda: rt.qr(A[0]), ValueError, "at least two dimensions"),
        (lambda: rt.qr(A, rng="seed"), TypeError, "rng must be"),
        (lambda: rt.qr(A, rng=-1), ValueError, r"key must be in"),
        (lambda: rt.qr(A.numpy()), TypeError, "A must be a tensor, got ndarray"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_large_keys_and_offsets():
    A = tensor((400, 40))
    at = randla.Stream(2**64 - 1, 2**64 - 5)
    found = rt.qr(A, pivoting=True, method="cqrrpt", rng=at)
    assert np.array_equal(found.Q, randla.qr(A.numpy(), pivoting=True, method="cqrrpt", rng=at).Q)
