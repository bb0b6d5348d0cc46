"""The demo of `lstsq`: a regression on real text, with more rows than the cache holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import randla

from ._report import Demo, Panel, Progress, seconds, table, times
from ._timing import interleave, ratio
from .sketch import _documents

Array = np.ndarray[Any, np.dtype[Any]]
BEFORE = 8  # letters that are known
SYMBOLS = 27  # a ... z, and all the rest


def run(demo: Demo) -> Panel:
    """Print the table, and return the curve for the figure."""
    print("\nlstsq: least squares of tall matrices\n")
    sizes = (10_000, 20_000) if demo.quick else (20_000, 40_000, 80_000)
    everything, whether = _letters(sizes[-1])
    progress = Progress(3 * len(sizes))
    rows: list[list[str]] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for m in sizes:
        A, b = everything[:m], whether[:m]
        timed = interleave(
            _calls(A, b),
            demo.share(0.2 if demo.quick else 1.5),
            lambda name, m=m: progress.step(f"{name}, m = {m}"),  # type: ignore[misc]
        )
        result = randla.lstsq(A, b, rng=0)
        numpy = np.linalg.lstsq(A, b, rcond=None)
        mine, other = (float(np.linalg.norm(b - A @ x)) for x in (result.x, numpy[0]))
        if not mine <= other * (1 + 1e-9) or result.rank != numpy[2]:
            demo.wrong.append(f"lstsq, m = {m}: residual {mine} against {other}")
        rows.append(
            [
                f"{m} x {A.shape[1]}",
                seconds(timed["randla"].median),
                f"{result.info.method}, {result.info.n_steps} steps",
                f"{result.info.backward_error * 2**52:.1f} eps",
                str(result.rank),
                times(ratio(timed["NumPy"], timed["randla"])),
                times(ratio(timed["sklearn"], timed["randla"])) if "sklearn" in timed else "-",
            ]
        )
        for name, one in timed.items():
            if name != "sklearn" and one.samples:
                xs, ys = lines.setdefault(name, ([], []))
                xs.append(m)
                ys.append(one.median)
    progress.close()
    table(
        [("", 1), ("randla", 4), ("speed over", 2)],
        ["input", "time", "method", "backward error", "rank", "NumPy", "scikit-learn"],
        rows,
    )
    print(
        f"\ninput: does a word end here?  From the {BEFORE} letters before, in documentation of"
        "\nPython's modules.  The columns of a letter sum to one: A has no full rank."
    )
    return Panel("Least squares, m x 216", "m", "time; lower is better", dict(lines))


def _calls(A: Array, b: Array) -> dict[str, Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {
        "randla": lambda: randla.lstsq(A, b, rng=0),
        "NumPy": lambda: np.linalg.lstsq(A, b, rcond=None),
    }
    try:
        from sklearn.linear_model import LinearRegression
    except ImportError:
        return calls
    return calls | {"sklearn": lambda: LinearRegression(fit_intercept=False).fit(A, b)}


def _letters(rows: int) -> tuple[Array, Array]:
    """One column for each letter at each place before, and whether a word ends."""
    text = "\n".join(_documents(4000)).lower().encode("ascii", "replace")
    code = np.frombuffer(text, np.uint8)[: rows + BEFORE].astype(np.int64) - ord("a")
    code[(code < 0) | (code > 25)] = 26
    windows = np.lib.stride_tricks.sliding_window_view(code, BEFORE)[:-1]
    A = np.zeros((len(windows), BEFORE * SYMBOLS))
    np.put_along_axis(A, windows + SYMBOLS * np.arange(BEFORE), 1.0, axis=1)
    return A, (code[BEFORE:] == 26).astype(float)
