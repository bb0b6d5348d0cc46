"""The demo of `randomized_svd`: a few singular triplets of large matrices, beside other ways."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

import randla

from ._report import Demo, Panel, Progress, number, seconds, table, times
from ._timing import interleave, ratio

Array = np.ndarray[Any, np.dtype[Any]]


def run(demo: Demo) -> Panel:
    """Print the table, and return the curve for the figure."""
    print("\nrandomized_svd: the largest singular values of a matrix\n")
    sizes = (400, 700) if demo.quick else (1000, 2000, 3000)
    dtypes = ("float64",) if demo.quick else ("float32", "float64")
    cases = [(n, dtype) for dtype in dtypes for n in sizes]
    progress = Progress(4 * len(cases))
    rows: list[list[str]] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}
    k = 20
    for n, dtype in cases:
        A = _matrix(n, dtype)
        calls = _calls(A, k)
        timed = interleave(
            calls,
            demo.share(0.2 if demo.quick else 1.0),
            lambda name, n=n: progress.step(f"{name}, n = {n}"),  # type: ignore[misc]
        )
        exact = 1 / np.arange(1, k + 1)
        errors = {name: float(np.abs(call() / exact - 1).max()) for name, call in calls.items()}
        result = randla.randomized_svd(A, k, rng=0)
        residual = float(np.linalg.norm(A - (result.U * result.S) @ result.Vh))
        best = float(np.sqrt((1 / np.arange(k + 1, n + 1) ** 2).sum()))
        if not residual <= 1.05 * best:
            demo.wrong.append(f"randomized_svd, n = {n}, {dtype}: far from the best approximation")
        others = [name for name in calls if name != "randla"]
        rows.append(
            [
                f"{n} x {n} {dtype}",
                seconds(timed["randla"].median),
                *(times(ratio(timed[name], timed["randla"])) for name in others),
                *(f"{100 * errors[name]:.2g} %" for name in calls if name != "NumPy"),
                number(result.info.error_fro / residual),
            ]
        )
        for name, one in timed.items():
            if dtype == dtypes[-1] and one.samples:
                xs, ys = lines.setdefault(name, ([], []))
                xs.append(n)
                ys.append(one.median)
    progress.close()
    names = [name for name in calls if name != "randla"]
    values = [name for name in calls if name != "NumPy"]
    table(
        [("", 1), ("randla", 1), ("speed over", len(names)), ("error of a value", len(values)),
         ("estimate", 1)],
        ["input", "time", *names, *values, "over truth"],
        rows,
    )  # fmt: skip
    print("\nSingular values 1 / i, the 20 largest; four iterations.  NumPy computes all of them.")
    return Panel(
        f"The 20 largest singular values, n x n, {dtypes[-1]}",
        "n",
        "time; lower is better",
        {name: (x, y) for name, (x, y) in lines.items()},
    )


def _matrix(n: int, dtype: str) -> Array:
    """Singular values 1 / i; the vectors are those of the cosine transform."""
    i = np.arange(n)
    C = np.cos(np.pi * np.outer(i + 0.5, i) / n) * np.sqrt(2 / n)
    C[:, 0] *= np.sqrt(0.5)
    A: Array = ((C / (i + 1)) @ C[::-1].T).astype(dtype)
    return A


def _calls(A: Array, k: int) -> dict[str, Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {
        "randla": lambda: randla.randomized_svd(A, k, rng=0).S,
        "NumPy": lambda: np.linalg.svd(A, full_matrices=False)[1][:k],
    }
    if importlib.util.find_spec("sklearn") is not None:
        from sklearn.utils.extmath import randomized_svd

        calls["scikit-learn"] = lambda: randomized_svd(A, k, n_iter=4, random_state=0)[1]
    return calls
