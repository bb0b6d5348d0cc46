"""Correctness and speed of the CUDA kernels on this machine's GPU, as a page of the documentation.

    python asv_bench/gpu_report.py            # writes docs/benchmarks/gpu-<device>.md
    python asv_bench/gpu_report.py --quick    # a few cases, to see that all of it runs

Needs CuPy and a device.  Compares with the functions of CuPy (which calls cuSOLVER, cuBLAS and
Thrust) and torch, as far as they are installed: torch must be one with CUDA.  A stem joins by
entries in CASES.
"""

from __future__ import annotations

import argparse
import functools
import re
import statistics
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import randla
import randla.sketch

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"
REPEATS = 15
SLOW = 200  # ms of a first call that is likely to be slow ever after


class Case(NamedTuple):
    """One row of the report."""

    stem: str
    title: str
    make: Callable[[], tuple[np.ndarray, ...]]  # the input, on the host
    ours: Callable[..., Any]  # of CuPy arrays
    error: Callable[..., float]  # (result of ours on the device, input on the host) -> 0 is exact
    allowed: float
    # name -> function of (module, arrays of that library)
    peers: dict[str, Callable[..., Any]]
    bytes_moved: Callable[..., int]  # what any method must read and write


# ---- topk ----------------------------------------------------------------------------------------


def _normal(rows: int, n: int, dtype: str) -> tuple[np.ndarray, ...]:
    x = np.random.default_rng(0).standard_normal((rows, n), dtype=np.float32)
    return (x.astype(dtype),)


def _constant(rows: int, n: int, dtype: str) -> tuple[np.ndarray, ...]:
    return (np.ones((rows, n), dtype),)


def _topk(rows: int, n: int, k: int, dtype: str, data: Callable[..., Any] = _normal) -> Case:
    def error(result: Any, x: np.ndarray) -> float:
        """Share of the indices that differ from the CPU's."""
        wanted = randla.topk(x, k)
        exact = result.values.get().tobytes() == wanted.values.tobytes()
        return float(np.mean(result.indices.get() != wanted.indices)) if exact else 1.0

    like = "" if data is _normal else ", constant"
    return Case(
        "topk",
        f"{rows} x {n}, k = {k}, {dtype}{like}",
        lambda: data(rows, n, dtype),
        lambda x: randla.topk(x, k),
        error,
        0.0,
        {
            "torch": lambda torch, x: torch.topk(x, k),
            "cupy": lambda cupy, x: cupy.argpartition(x, n - k, axis=-1)[..., n - k :],
        },
        lambda x: x.nbytes + rows * k * (x.itemsize + 8),
    )


# ---- topk_soft -----------------------------------------------------------------------------------


def _soft(rows: int, n: int, kind: str, dtype: str) -> list[Case]:
    """Values, and forward and backward of tensors; k = n / 2, temperature 0.2.

    Peers: of ranks their sum over pairs in torch, where its matrices fit; else `torch.topk`, a hard
    selection and its gradient.
    """
    k, t, ranks, eps = n // 2, 0.2, kind == "rank", float(np.finfo(dtype).eps)

    def make(count: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        return tuple(rng.random((rows, n)).astype(dtype) for _ in range(count))

    def soft(module: Any, x: Any) -> Any:
        if ranks:
            return module.soft_rank(x, temperature=t)
        return module.soft_topk(x, k, kind=kind, temperature=t)

    def gradient(torch: Any, function: Callable[..., Any], x: Any, g: Any) -> Any:
        y = x.detach().requires_grad_()
        return torch.autograd.grad(function(y), y, g)[0]

    def train(x: Any, g: Any) -> Any:
        import cupy
        import torch

        import randla.torch

        given = (torch.from_dlpack(a) for a in (x, g))
        return cupy.from_dlpack(gradient(torch, lambda y: soft(randla.torch, y), *given))

    some = slice(None, None, max(1, rows // 8))

    def error(result: Any, x: np.ndarray) -> float:
        """Largest difference from the CPU's result in double precision; of ranks, by n."""
        exact = soft(randla, x[some].astype(np.float64))
        return float(np.abs(result[some].get() - exact).max() / (n if ranks else 1) / eps)

    def gradient_error(result: Any, *host: np.ndarray) -> float:
        """The same, by the largest entry."""
        import torch

        import randla.torch

        given = (torch.from_numpy(a[some].astype(np.float64)) for a in host)
        exact = gradient(torch, lambda y: soft(randla.torch, y), *given).numpy()
        return float(np.abs(result[some].get() - exact).max() / np.abs(exact).max() / eps)

    def pairs(torch: Any, x: Any) -> Any:
        return 0.5 + torch.sigmoid((x[..., None, :] - x[..., :, None]) / t).sum(-1)

    def hard(torch: Any, x: Any) -> Any:
        return torch.topk(x, k).values

    peer = pairs if ranks else hard
    fits = not ranks or rows * n * n <= 2**29  # elements of each of its five matrices or so
    stem = f"topk_soft, beside {'all pairs' if ranks else 'a hard selection'}"
    like = f"{kind}, {rows} x {n}, {dtype}"
    return [
        Case(
            stem,
            like,
            lambda: make(1),
            lambda x: soft(randla, x),
            error,
            (1e-6 if dtype == "float32" else 1e-13) / eps if ranks else 100.0,
            {"torch": peer} if fits else {},
            lambda x: 2 * x.nbytes,
        ),
        Case(
            f"{stem}, forward and backward",
            like,
            lambda: make(2),
            train,
            gradient_error,
            100.0 if dtype == "float32" else 5000.0,
            {
                "torch": lambda torch, x, g: gradient(
                    torch, lambda y: peer(torch, y), x, g if ranks else g[:, :k]
                )
            }
            if fits
            else {},
            lambda x, g: 4 * x.nbytes,
        ),
    ]


# ---- expm ----------------------------------------------------------------------------------------


def _matrices(batch: int, n: int, norm: float, dtype: str, count: int = 1) -> tuple[Any, ...]:
    """Gaussian matrices of this 1-norm, and Gaussian companions of norm 1."""
    rng, found = np.random.default_rng(0), []
    for size in (norm, *[1.0] * (count - 1)):
        A = rng.standard_normal((batch, n, n))
        A *= size / np.abs(A).sum(axis=1).max(axis=1)[:, None, None]
        found.append(A.astype(dtype))
    return tuple(found)


def _beside_the_cpu(call: Callable[..., Any], last: Callable[[Any], Any] = lambda x: x) -> Any:
    """Largest difference from the CPU's result for some of the matrices, in roundings."""

    def error(result: Any, *host: np.ndarray) -> float:
        some = slice(None, None, max(1, len(host[0]) // 64))
        exact = last(call(*(x[some].astype(np.float64) for x in host)))
        X = last(result)[some].get()
        size = np.abs(exact).max(axis=(1, 2))
        return float((np.abs(X - exact).max(axis=(1, 2)) / size).max() / np.finfo(X.dtype).eps)

    return error


def _gradient(torch: Any, function: Callable[..., Any], *tensors: Any) -> Any:
    given = [x.detach().requires_grad_() for x in tensors[:-1]]
    return torch.autograd.grad(function(*given), given, tensors[-1])


def _expm(batch: int, n: int, norm: float, dtype: str) -> list[Case]:
    like = f"{batch} x {n}, norm {norm:g}, {dtype}"
    item = np.dtype(dtype).itemsize * n
    block = max(1, n // 3)

    def frechet(A: Any, G: Any) -> Any:
        return randla.expm_frechet(A.swapaxes(-1, -2), G, compute_expm=False)

    def action(A: Any, B: Any) -> Any:
        return randla.expm_multiply(A, B[..., :block])

    def phi(A: Any) -> Any:
        return randla.phi(A, 1)

    def both(torch: Any, A: Any, G: Any) -> Any:
        return _gradient(torch, torch.matrix_exp, A, G)

    return [
        Case(
            "expm",
            like,
            lambda: _matrices(batch, n, norm, dtype),
            randla.expm,
            _beside_the_cpu(randla.expm),
            50.0,
            {"torch": lambda torch, A: torch.matrix_exp(A)},
            lambda A: 2 * A.nbytes,
        ),
        Case(
            "expm, gradient",  # the kernel of a backward pass, beside forward and backward
            like,
            lambda: _matrices(batch, n, norm, dtype, 2),
            frechet,
            _beside_the_cpu(frechet),
            50.0,
            {"torch": both},
            lambda A, G: 3 * A.nbytes,
        ),
        Case(
            "expm_multiply",
            like,
            lambda: _matrices(batch, n, norm, dtype, 2),
            action,
            _beside_the_cpu(action),
            100.0,
            {"torch": lambda torch, A, B: torch.matrix_exp(A) @ B[..., :block]},
            lambda A, B: A.nbytes + 2 * batch * item * block,
        ),
        Case(
            "phi",
            like,
            lambda: _matrices(batch, n, norm, dtype),
            phi,
            _beside_the_cpu(phi),
            50.0,
            {},
            lambda A: 2 * A.nbytes,
        ),
    ]


def _autograd(batch: int, n: int) -> Case:
    """Forward and backward of tensors, as a flow trains; ours are tensors on the device too."""

    def ours(A: Any, G: Any) -> Any:
        import cupy
        import torch

        import randla.torch

        a, g = torch.from_dlpack(A), torch.from_dlpack(G)
        return cupy.from_dlpack(_gradient(torch, randla.torch.expm, a, g)[0])

    def exact(A: Any, G: Any) -> Any:
        return randla.expm_frechet(A.swapaxes(-1, -2), G, compute_expm=False)

    return Case(
        "autograd",
        f"{batch} x {n}, norm 1, float32",
        lambda: _matrices(batch, n, 1.0, "float32", 2),
        ours,
        _beside_the_cpu(exact),
        50.0,
        {"torch": lambda torch, A, G: _gradient(torch, torch.matrix_exp, A, G)},
        lambda A, G: 5 * A.nbytes,
    )


# ---- matmul --------------------------------------------------------------------------------------


def _matmul(n: int, dtype: str, algorithm: str, levels: int | None) -> Case:
    """Square products.

    Peers as they are set by default: cuBLAS in float32, without TF32 (torch: since 1.12 off; CuPy:
    unless CUPY_TF32 is set), which the error of ours would show too.
    """

    def make() -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        return tuple(rng.standard_normal((n, n)).astype(dtype) for _ in range(2))

    def error(result: Any, a: np.ndarray, b: np.ndarray) -> float:
        """Largest difference of some rows from the product in double precision, in roundings."""
        some = slice(None, None, max(1, n // 32))
        exact = a[some].astype(np.float64) @ b.astype(np.float64)
        difference = np.abs(result[some].get() - exact).max() / np.abs(exact).max()
        return float(difference / np.finfo(dtype).eps)

    like = algorithm if levels is None else f"{algorithm}, {levels} level"
    return Case(
        "matmul",
        f"{like}, {n} x {n}, {dtype}",
        make,
        lambda a, b: randla.matmul(a, b, algorithm=algorithm, levels=levels),
        error,
        5.0 * n**0.5,
        {
            "torch": lambda torch, a, b: torch.matmul(a, b),
            "cupy": lambda cupy, a, b: cupy.matmul(a, b),
        },
        lambda a, b: 3 * a.nbytes,
    )


# ---- sketch --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)  # of one case
def _dense(module: Any, S: Any, dtype: str, adjoint: bool) -> Any:
    """Entries of an operator as a matrix on the device."""
    entries = np.ascontiguousarray(S.T.toarray(dtype) if adjoint else S.toarray(dtype))
    if module.__name__ == "torch":
        return module.from_numpy(entries).cuda()
    return module.asarray(entries)


def _sketch(
    S: Any, n: int, dtype: str, order: str = "C", adjoint: bool = False, peers: bool = True
) -> Case:
    """The peer is a product with the operator as a dense matrix."""

    def make() -> tuple[np.ndarray, ...]:
        rng, rows = np.random.default_rng(0), S.shape[0 if adjoint else 1]
        return (np.asarray(rng.standard_normal((rows, n)).astype(dtype), order=order),)

    def ours(A: Any) -> Any:
        return S.T @ A if adjoint else S @ A

    def error(result: Any, A: np.ndarray) -> float:
        """Largest difference from the CPU's result in double precision, in roundings."""
        some = slice(None, None, max(1, n // 16))
        exact = ours(A[:, some].astype(np.float64))
        difference = np.abs(result[:, some].get() - exact).max() / np.abs(exact).max()
        return float(difference / np.finfo(A.dtype).eps)

    def product(module: Any, A: Any) -> Any:
        return _dense(module, S, dtype, adjoint) @ A

    like = "adjoint, " if adjoint else ""
    kind = type(S).__name__ + (f", nnz = {S.nnz}" if S.nnz else "")
    return Case(
        "sketch",
        f"{kind}, {like}{S.shape[1]} x {n} to {S.d}, {dtype}, {order}",
        make,
        ours,
        error,
        200.0,
        dict.fromkeys(("torch", "cupy"), product) if peers else {},
        lambda A: A.nbytes * (S.shape[0] + S.shape[1]) // len(A),
    )


# ---- svd -----------------------------------------------------------------------------------------


def _slow(m: int, n: int, dtype: str) -> tuple[np.ndarray, ...]:
    """Singular values 1 / i, with cosines as singular vectors."""
    p = min(m, n)
    i = np.arange(p)
    U = np.cos(np.pi * np.outer(np.arange(m) + 0.5, i) / m) * np.sqrt(2 / m)
    V = np.cos(np.pi * np.outer(np.arange(n) + 0.5, i) / n) * np.sqrt(2 / n)
    U[:, 0] *= np.sqrt(0.5)
    V[:, 0] *= np.sqrt(0.5)
    return (((U / (i + 1)) @ V.T).astype(dtype),)


def _svd(m: int, n: int, k: int, dtype: str, full: bool) -> Case:
    """Beside LAPACK's way on the device, where that takes no minutes, and torch's."""

    def error(result: Any, A: np.ndarray) -> float:
        """Largest relative error of a singular value, in per cent."""
        S = result.S.get().astype(np.float64)
        return float(100 * np.abs(S * np.arange(1, k + 1) - 1).max())

    peers = {"torch": lambda torch, A: torch.svd_lowrank(A, k + 10, niter=4)}
    if full:
        peers["cupy"] = lambda cupy, A: cupy.linalg.svd(A, full_matrices=False)[1][:k]
    return Case(
        "svd",
        f"{m} x {n}, k = {k}, {dtype}",
        lambda: _slow(m, n, dtype),
        lambda A: randla.randomized_svd(A, k, rng=0),
        error,
        2.0,
        peers,
        lambda A: 10 * A.nbytes,
    )


# ---- qr ------------------------------------------------------------------------------------------


def _qr(m: int, n: int, dtype: str, method: str, order: str = "C") -> Case:
    """Columns of norms from 1 to 1e-4; the peers have no pivots, and cuSOLVER's methods."""

    def make() -> tuple[np.ndarray, ...]:
        A = np.random.default_rng(0).standard_normal((m, n)) * np.logspace(0, -4, n)
        return (np.asarray(A.astype(dtype), order=order),)

    def ours(A: Any) -> Any:
        if method == "cholesky_qr":
            return randla.cholesky_qr(A)
        return randla.qr(A, pivoting=method == "cqrrpt", method=method, rng=0)

    def error(result: Any, A: np.ndarray) -> float:
        """Orthogonality and residual, the larger one, in roundings."""
        Q, R = (x.get().astype(np.float64) for x in (result.Q, result.R))
        P = result.P.get() if len(result) == 3 else np.arange(n)
        off = np.linalg.norm(A[:, P] - Q @ R) / np.linalg.norm(A)
        orth = np.linalg.norm(Q.T @ Q - np.eye(n)) / np.sqrt(n)
        return float(max(off, orth) / np.finfo(A.dtype).eps)

    return Case(
        "qr",
        f"{method}, {m} x {n}, {dtype}, {order}",
        make,
        ours,
        error,
        50.0,
        {
            "torch": lambda torch, A: torch.linalg.qr(A),
            "cupy": lambda cupy, A: cupy.linalg.qr(A),
        },
        lambda A: 2 * A.nbytes,
    )


CASES = [
    *(
        case
        for batch, n in (
            (4096, 4),
            (16384, 6),
            (1024, 8),
            (4096, 12),
            (1024, 16),
            (1024, 24),
            (256, 32),
            (64, 64),
        )
        for norm in (1.0, 8.0)
        for dtype in ("float32", "float64")
        for case in _expm(batch, n, norm, dtype)
    ),
    *(case for case in _expm(8, 256, 1.0, "float32")),
    _autograd(16384, 6),
    _autograd(4096, 12),
    *(
        _topk(rows, n, k, dtype)
        for dtype in ("float32", "float64", "float16")
        for rows, n, k in (
            (1, 10_000_000, 10),
            (1, 10_000_000, 1000),
            (1, 10_000_000, 100_000),
            (1024, 4096, 64),
            (1024, 4096, 2048),
            (64, 65_536, 128),
            (32, 1024, 512),
            (16_384, 256, 8),
        )
    ),
    *(
        _sketch(S, 500, dtype, order)
        for dtype in ("float32", "float64")
        for order in "CF"
        for S in (
            randla.sketch.CountSketch(1000, 100_000, rng=0),
            randla.sketch.SparseSign(1000, 100_000, 4, rng=0),
            randla.sketch.SparseSign(1000, 100_000, rng=0),
            randla.sketch.SRHT(1000, 100_000, rng=0),
            randla.sketch.Rademacher(1000, 100_000, rng=0),
            randla.sketch.Gaussian(1000, 100_000, dtype, rng=0),
        )
    ),
    # by sorted nonzeros; a dense operator would be too large
    _sketch(randla.sketch.SparseSign(50_000, 100_000, rng=0), 100, "float32", peers=False),
    _sketch(randla.sketch.SparseSign(1000, 100_000, rng=0), 500, "float32", adjoint=True),
    _sketch(randla.sketch.SRHT(1000, 100_000, rng=0), 500, "float32", adjoint=True),
    *(
        _svd(m, n, k, dtype, full)
        for dtype in ("float32", "float64")
        for m, n, k, full in (
            (4000, 4000, 50, True),
            (20_000, 1000, 20, True),
            (100_000, 2000, 50, False),
        )
    ),
    *(
        _qr(m, n, dtype, method)
        for m, n in ((100_000, 100), (100_000, 500))
        for dtype in ("float32", "float64")
        for method in ("cqrrpt", "cqrrt", "cholesky_qr")
    ),
    *(_qr(20_000, 2000, "float64", method) for method in ("cqrrt", "cholesky_qr")),
    _qr(20_000, 500, "float64", "cqrrpt"),
    _qr(20_000, 500, "float64", "cqrrpt", "F"),
    _qr(20_000, 500, "float64", "householder"),
    *(
        _matmul(n, dtype, algorithm, levels)
        for dtype in ("float32", "float64")
        for n in (2048, 8192)
        for algorithm, levels in (("auto", None), ("winograd", 1))
    ),
    _topk(1, 10_000_000, 1000, "float32", _constant),
    _topk(1024, 4096, 64, "float32", _constant),
    *(
        case
        for kind in ("rank", "shiva", "fermi", "laplace", "threshold")
        for dtype in ("float32", "float64")
        for rows, n in ((32, 1024), (2, 4096), (32, 4096))
        for case in _soft(rows, n, kind, dtype)
    ),
]


# ---- measuring -----------------------------------------------------------------------------------


def milliseconds(cupy: Any, call: Callable[[], Any]) -> float:
    """Time of a call on the device, between events of the default stream, which torch has too."""
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(cupy.cuda.get_elapsed_time(begin, end))


def measure(cupy: Any, calls: dict[str, Callable[[], Any]]) -> Any:
    """Medians of interleaved repeats; of three, where a call takes long."""
    slow = {name for name, call in calls.items() if milliseconds(cupy, call) > SLOW}  # and compiles
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(REPEATS):
        for name, call in calls.items():
            if name not in slow or repeat < 3:
                times[name].append(milliseconds(cupy, call))
    return {name: statistics.median(values) for name, values in times.items()}


def run(cupy: Any, torch: Any, case: Case) -> dict[str, Any]:
    """Error of ours, and times of all."""
    host = case.make()
    ours = [cupy.asarray(x) for x in host]
    result: dict[str, Any] = {"error": case.error(case.ours(*ours), *host)}
    calls: dict[str, Callable[[], Any]] = {"randla": lambda: case.ours(*ours)}
    for name, peer in case.peers.items():
        if name == "torch" and torch is not None:
            theirs = [torch.from_numpy(x).cuda() for x in host]
            calls[name] = lambda peer=peer, theirs=theirs: peer(torch, *theirs)
        elif name == "cupy":
            calls[name] = lambda peer=peer: peer(cupy, *ours)
    result["times"] = measure(cupy, calls)
    result["bandwidth"] = case.bytes_moved(*host) / result["times"]["randla"] * 1e-6
    return result


def page(device: str, versions: str, rows: list[tuple[Case, dict[str, Any]]]) -> str:
    """Tables of each stem."""
    text = ["---", "orphan: true", "---", ""]  # until docs/benchmarks/index.md lists it
    text += [f"# {device}", "", f"{versions}. Medians of {REPEATS} interleaved repeats, times on"]
    text += ["the device between two events; *ratio*: time of the other over that of randla.", ""]
    for stem in dict.fromkeys(case.stem for case, _ in rows):
        mine = [(case, found) for case, found in rows if case.stem == stem]
        peers = list(dict.fromkeys(name for case, _ in mine for name in case.peers))
        text += [f"## {stem}", ""]
        heads = ["case", "error", "ms", "GB/s of the least traffic", *(f"ratio {p}" for p in peers)]
        text += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        for case, found in mine:
            own = found["times"]["randla"]
            cells = [case.title, f"{found['error']:.2g}", f"{own:.3g}", f"{found['bandwidth']:.0f}"]
            for name in peers:
                theirs = found["times"].get(name)
                cells.append("-" if theirs is None else f"{theirs / own:.2g}")
            text.append("| " + " | ".join(cells) + " |")
        text.append("")
    return "\n".join(text)


def main() -> None:
    """Write the page, or say what is missing; wrong results are an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every eighth case")
    parser.add_argument("--stems", nargs="+", help="those alone")
    parser.add_argument("--output", type=Path, help="where to write the page")
    arguments = parser.parse_args()
    try:
        import cupy
    except ImportError as error:
        sys.exit(f"no report: CuPy is missing ({error}); pip install cupy-cuda12x")
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        sys.exit(f"no report: there is no GPU ({error})")
    if not count:
        sys.exit("no report: there is no GPU")
    try:
        import torch
    except ImportError:
        torch = None
    if torch is not None and not torch.cuda.is_available():
        torch = None
    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    versions = f"CuPy {cupy.__version__}, CUDA {cupy.cuda.runtime.runtimeGetVersion()}"
    versions += f", torch {torch.__version__}" if torch is not None else ", no torch with CUDA"
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    target = arguments.output or PAGES / f"gpu-{name}.md"
    rows: list[tuple[Case, dict[str, Any]]] = []
    wrong: list[str] = []
    for case in CASES[:: 8 if arguments.quick else 1]:
        if arguments.stems is not None and case.stem not in arguments.stems:
            continue
        try:
            found = run(cupy, torch, case)
        except Exception:  # the other cases are still worth their page
            print(case.stem, case.title, flush=True)
            traceback.print_exc()
            wrong.append(case.title)
            continue
        print(case.stem, case.title, found, flush=True)
        rows.append((case, found))
        target.write_text(page(device, versions, rows))  # it takes minutes, and may be ended
        if not found["error"] <= case.allowed:
            wrong.append(case.title)
    print(f"wrote {target}")
    if wrong:
        sys.exit(f"wrong results: {wrong}")


if __name__ == "__main__":
    main()
