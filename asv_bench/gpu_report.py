"""Correctness and speed of the CUDA kernels on this machine's GPU, as a page of the documentation.

    python asv_bench/gpu_report.py            # writes docs/benchmarks/gpu-<device>.md
    python asv_bench/gpu_report.py --quick    # a few cases, to see that all of it runs

Needs CuPy and a device.  Compares with the functions of CuPy (which calls cuSOLVER, cuBLAS and
Thrust) and torch, as far as they are installed: torch must be one with CUDA.  A stem joins by
entries in CASES.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import randla

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"
REPEATS = 15


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


CASES = [
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
    _topk(1, 10_000_000, 1000, "float32", _constant),
    _topk(1024, 4096, 64, "float32", _constant),
]


# ---- measuring -----------------------------------------------------------------------------------


def milliseconds(cupy: Any, call: Callable[[], Any], stream: Any) -> float:
    """Time of one call on the device, between two events of the stream."""
    with stream:
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record(stream)
        call()
        end.record(stream)
        end.synchronize()
    return float(cupy.cuda.get_elapsed_time(begin, end))


def measure(cupy: Any, calls: dict[str, Callable[[], Any]], streams: dict[str, Any]) -> Any:
    """Medians of interleaved repeats."""
    for name, call in calls.items():  # compiles, allocates
        milliseconds(cupy, call, streams[name])
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            times[name].append(milliseconds(cupy, call, streams[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def run(cupy: Any, torch: Any, case: Case) -> dict[str, Any]:
    """Error of ours, and times of all."""
    host = case.make()
    ours = [cupy.asarray(x) for x in host]
    result: dict[str, Any] = {"error": case.error(case.ours(*ours), *host)}
    mine = cupy.cuda.Stream.null
    calls: dict[str, Callable[[], Any]] = {"randla": lambda: case.ours(*ours)}
    streams = {"randla": mine}
    for name, peer in case.peers.items():
        if name == "torch" and torch is not None:
            theirs = [torch.from_numpy(x).cuda() for x in host]
            calls[name] = lambda peer=peer, theirs=theirs: peer(torch, *theirs)
            pointer = torch.cuda.current_stream().cuda_stream
            streams[name] = cupy.cuda.ExternalStream(pointer)
        elif name == "cupy":
            calls[name] = lambda peer=peer: peer(cupy, *ours)
            streams[name] = mine
    result["times"] = measure(cupy, calls, streams)
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
    rows, wrong = [], []
    for case in CASES[:: 8 if arguments.quick else 1]:
        found = run(cupy, torch, case)
        print(case.stem, case.title, found, flush=True)
        rows.append((case, found))
        if not found["error"] <= case.allowed:
            wrong.append(case.title)
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    target = arguments.output or PAGES / f"gpu-{name}.md"
    target.write_text(page(device, versions, rows))
    print(f"wrote {target}")
    if wrong:
        sys.exit(f"wrong results: {wrong}")


if __name__ == "__main__":
    main()
