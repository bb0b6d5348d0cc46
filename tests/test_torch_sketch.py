"""Sketches of tensors: what the battery does not ask."""

import numpy as np
import pytest
import torch

import randla.torch as rt
from randla.sketch import SRHT, CountSketch, Gaussian, Rademacher, RowSampling, SparseSign

# torch's own forward mode uses parts of torch that are on their way out
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

M = 300
OPERATORS = {
    "sparse": SparseSign(50, M, rng=2**64 - 3),
    "count": CountSketch(5, None, rng=2),
    "srht": SRHT(20, M, rng=3),
    "gaussian": Gaussian(20, None, rng=4),
    "gaussian, complex": Gaussian(20, M, complex=True, rng=6),
    "rademacher": Rademacher(20, M, rng=7),
    "rows": RowSampling(20, M, rng=8),
}


@pytest.fixture(params=sorted(OPERATORS))
def S(request):
    return OPERATORS[request.param]


def tensor(shape, dtype=torch.float64, seed=0):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    return (x if dtype.is_complex else x.real.clone()).to(dtype)


def close(found, wanted):
    found = found.resolve_conj().numpy()
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    unit = np.finfo(wanted.dtype).eps
    assert np.abs(found - wanted).max(initial=0) <= 20 * unit * np.abs(wanted).max(initial=0)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128], ids=str
)
def test_as_numpy(S, dtype):
    back = S.cols(0, M)
    for A in (tensor((M, 7), dtype), tensor((7, M), dtype).mT, tensor((2, M, 3), dtype)):
        close(S @ A, S @ A.numpy())
        close(A.mT @ S.T, A.numpy().swapaxes(-1, -2) @ S.T)
        close(S @ A.conj(), S @ A.numpy().conj())
        assert (S @ A).is_contiguous()
    for B in (tensor((S.d, 7), dtype), tensor((7, S.d), dtype).mT):
        close(back.T @ B, back.T @ B.numpy())
        close(B.mT @ back, B.numpy().T @ back)
    A = tensor((M, 7), dtype)
    close(S @ A[:, 3], S @ A[:, 3].numpy())
    close(S @ A[:, 1:4], S @ A[:, 1:4].numpy())
    close(S @ A[:1].expand(M, 7), S @ A[:1].numpy().repeat(M, 0))


@pytest.mark.parametrize("name", ["sparse", "count"])
def test_the_bits_of_numpy(name):
    S = OPERATORS[name]
    A = tensor((M, 7), torch.float32)
    for x in (A, A.mT.contiguous().mT, A.to(torch.complex64)):
        assert (S @ x).numpy().tobytes() == (S @ x.numpy()).tobytes()


def test_dtypes(S):
    for dtype in (torch.float16, torch.bfloat16):
        A = tensor((M, 3)).to(dtype)
        found, wanted = S @ A, S @ A.float()
        assert found.dtype == (torch.complex64 if S.dtype.kind == "c" else dtype)
        assert torch.equal(found, wanted.to(found.dtype))
    for dtype in (torch.bool, torch.uint8, torch.int64):
        A = tensor((M, 3)).to(dtype)
        close(S @ A, S @ A.double().numpy())


def test_no_copy_where_there_is_no_need(monkeypatch):
    S, seen = OPERATORS["sparse"], []
    binding = rt._sketch.dispatch.backend("numpy").sketch
    kernel = binding.apply

    def spy(words, transposed, X, Y, *rest):
        seen.append((X.ctypes.data, Y.ctypes.data))
        kernel(words, transposed, X, Y, *rest)

    monkeypatch.setattr(binding, "apply", spy)
    A, T, C = tensor((M, 6)), tensor((6, M)), tensor((2, M, 6), torch.complex128)
    for x, result in (
        (A, S @ A),
        (A[:, 1:3], S @ A[:, 1:3]),
        (T, T @ S.T),
        (C, S @ C),
        (A, S @ A.clone().requires_grad_().detach().set_(A)),
    ):
        given, made = seen.pop(0)
        assert given == x.data_ptr()
        assert made == result.data_ptr()
    S @ T.mT  # columns: read where they are
    assert seen.pop(0)[0] == T.data_ptr()


def test_gradients_are_the_adjoint(S):
    x = tensor((M, 3)).requires_grad_()
    (found,) = torch.autograd.grad((S @ x).abs().square().sum(), x)
    entries = torch.from_numpy(S.cols(0, M).toarray())
    wanted = 2 * (entries.mH @ (entries @ x.detach().to(entries.dtype)))
    assert torch.allclose(found, wanted.real, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda y: S.cols(3, 9) @ y, tensor((6, 2)).requires_grad_(), check_forward_ad=True
    )


def test_one_graph_for_all_sizes():
    S = OPERATORS["count"]
    torch._dynamo.reset()
    f = torch.compile(lambda x: S.apply(x).sin(), fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (3, 5, 9):
        A = tensor((10, n))
        assert torch.allclose(f(A), (S @ A).sin(), rtol=1e-13, atol=1e-14)


def test_arguments(S):
    with pytest.raises(ValueError, match=rf"must have length d = {S.d}, .*got 7"):
        S.T @ tensor((7, 2))
    if S.m is None:
        with pytest.raises(ValueError, match=r"S\.T needs a number of columns"):
            S.T @ tensor((S.d, 2))
    else:
        with pytest.raises(ValueError, match=r"axis 0 of A must have length m = 300, .*got 7"):
            S @ tensor((7, 2))
    with pytest.raises(ValueError, match=r"axis|dimension"):
        S @ torch.tensor(1.0)


def test_empty(S):
    for shape in ((M, 0), (0, M, 2)):
        x = torch.zeros(shape, requires_grad=True)
        result = S @ x
        assert result.numel() == 0
        torch.autograd.grad(result.abs().sum(), x)
    assert not (S.cols(5, 5) @ torch.ones(0, 4)).any()
