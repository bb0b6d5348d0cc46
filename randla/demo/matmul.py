"""The demo of `matmul`: products of large matrices by BLAS and by fast schemes, their errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import randla

from ._report import Demo, Panel, Progress, number, seconds, table, times
from ._timing import interleave, ratio

Array = np.ndarray[Any, np.dtype[Any]]


def run(demo: Demo) -> Panel:
    """Print the table, and return the curve for the figure."""
    print("\nmatmul: products of large matrices\n")
    sizes = (512, 1001) if demo.quick else (1024, 2048, 3001, 4096)
    dtypes = ("float32",) if demo.quick else ("float32", "float64")
    cases = [(n, dtype) for dtype in dtypes for n in sizes]
    names = ["randla", "NumPy", "winograd", "winograd 2"]
    progress = Progress(len(cases) * len(names))
    rows: list[list[str]] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for n, dtype in cases:
        rng = np.random.default_rng(n)
        a, b = ((rng.random((n, n)) - 0.5).astype(dtype) for _ in range(2))
        timed = interleave(
            _calls(a, b),
            demo.share(0.2 if demo.quick else 1.0),
            lambda name, n=n: progress.step(f"{name}, n = {n}"),  # type: ignore[misc]
        )
        _, info = randla.matmul(a, b, return_info=True)
        some = slice(0, n, max(1, n // 16))
        errors = {"NumPy": _error(a, b, np.matmul(a, b), some)}
        for levels in (1, 2):
            c, done = randla.matmul(a, b, levels=levels, return_info=True)
            errors[str(levels)] = _error(a, b, c, some)
            limit = done.error_bound * float(np.abs(a).max()) * float(np.abs(b).max())
            if not _largest(a, b, c, some) <= limit:
                demo.wrong.append(f"matmul, n = {n}, {dtype}: beyond the bound of the error")
        rows.append(
            [
                f"{n} x {n} {dtype}",
                seconds(timed["randla"].median),
                f"{info.algorithm} {info.levels or ''}".strip(),
                *(times(ratio(timed["NumPy"], timed[x])) for x in ("randla", *names[2:])),
                *(number(errors[x] / errors["NumPy"]) for x in ("1", "2")),
            ]
        )
        for name, one in timed.items():
            if name in ("randla", "NumPy") and dtype == dtypes[0] and one.samples:
                xs, ys = lines.setdefault(name, ([], []))
                xs.append(n)
                ys.append(one.median)
    progress.close()
    table(
        [("", 1), ("randla", 2), ("speed over NumPy", 3), ("error over NumPy's", 2)],
        ["input", "time", "chosen", "auto", "1 level", "2 levels", "1 level", "2 levels"],
        rows,
    )
    print(
        '\nchosen: what algorithm="auto" uses; randla.tune_matmul() measures from which size on a'
        "\nfast scheme pays here.  error: Frobenius norm of some rows, of Winograd's form."
    )
    return Panel(
        f"Products of n x n matrices, {dtypes[0]}",
        "n",
        "time; lower is better",
        {name: (x, y) for name, (x, y) in lines.items()},
    )


def _calls(a: Array, b: Array) -> dict[str, Callable[[], Any]]:
    out = np.empty_like(a)
    return {
        "randla": lambda: randla.matmul(a, b, out=out),
        "NumPy": lambda: np.matmul(a, b, out=out),
        "winograd": lambda: randla.matmul(a, b, levels=1, out=out),
        "winograd 2": lambda: randla.matmul(a, b, levels=2, out=out),
    }


def _error(a: Array, b: Array, c: Array, some: slice) -> float:
    exact = a[some].astype(np.longdouble) @ b.astype(np.longdouble)
    return float(np.sqrt(((c[some] - exact) ** 2).sum() / (exact**2).sum()))


def _largest(a: Array, b: Array, c: Array, some: slice) -> float:
    exact = a[some].astype(np.longdouble) @ b.astype(np.longdouble)
    return float(np.abs(c[some] - exact).max())
