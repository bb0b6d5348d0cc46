"""The demo of `qr`: which columns carry a matrix, random ones and the words of real text."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import randla

from ._report import Demo, Panel, Progress, number, seconds, table, times
from ._timing import interleave, ratio
from .sketch import _documents

Array = np.ndarray[Any, np.dtype[Any]]
_STEM = re.compile(r"[a-z]{4,}")


def run(demo: Demo) -> Panel:
    """Print the table, and return the curves for the figure."""
    print("\nqr: orthonormal columns and a rank, by a sketch that chooses the order\n")
    sizes = (2000, 4000) if demo.quick else (4000, 8000, 12_000)
    progress = Progress(len(sizes) * 3 + 3)
    rows: list[list[str]] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for m in sizes:
        n = m // 40
        A = np.random.default_rng(m).standard_normal((m, n)) * np.geomspace(1, 1e-6, n)
        timed = interleave(
            _calls(A),
            demo.share(0.1 if demo.quick else 0.8),
            lambda name, m=m: progress.step(f"{name}, m = {m}"),  # type: ignore[misc]
        )
        rows += _rows(demo, f"{m} x {n}", A, timed)
        for name, one in timed.items():
            if one.samples:
                xs, ys = lines.setdefault(name, ([], []))
                xs.append(m)
                ys.append(one.median)
    X, words = _text(400 if demo.quick else 4000, 60 if demo.quick else 300)
    timed = interleave(
        _calls(X), demo.share(0.3), lambda name: progress.step(f"{name}, words of text")
    )
    rows += _rows(demo, f"text, {X.shape[0]} x {X.shape[1]}", X, timed)
    progress.close()
    table(
        [("", 2), ("", 1), ("", 1), ("", 1), ("", 1)],
        ["input", "method", "time", "speed over peer", "rank", "error (eps)"],
        rows,
    )
    print("\npeer: SciPy's, with pivots; NumPy's has none.  error: orthogonality or residual.")
    P = timed["randla"].answer[2]
    print(f"words in the order of the pivots: {' '.join(words[j] for j in P[:12])}")
    return Panel(
        "QR with pivots of m x m/40",
        "m",
        "time; lower is better",
        {name: lines[name] for name in ("randla", "SciPy", "NumPy") if name in lines},
    )


def _calls(A: Array) -> dict[str, Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {
        "randla": lambda: randla.qr(A, pivoting=True, rng=0),
        "NumPy": lambda: np.linalg.qr(A),
    }
    try:
        import scipy.linalg
    except ImportError:
        return calls
    return calls | {"SciPy": lambda: scipy.linalg.qr(A, mode="economic", pivoting=True)}


def _rows(demo: Demo, title: str, A: Array, timed: Any) -> list[list[str]]:
    found = []
    for name, one in timed.items():
        if not one.samples:
            continue
        Q, R, *rest = (np.asarray(x) for x in one.answer)
        P = rest[0] if rest else np.arange(A.shape[1])
        off = np.linalg.norm(A[:, P] - Q @ R) / np.linalg.norm(A)
        orth = np.linalg.norm(Q.T @ Q - np.eye(Q.shape[1])) / np.sqrt(Q.shape[1])
        error = max(off, orth) / np.finfo(float).eps
        d = np.abs(np.diag(R))
        rank = str((d > len(d) * np.finfo(float).eps * d.max()).sum()) if rest else "-"
        if name == "randla" and not error <= 50:
            demo.wrong.append(f"qr of {title}: error {error:.0f} eps")
        speed = times(ratio(timed["SciPy"], one)) if "SciPy" in timed else "-"
        path = f"randla ({one.answer.info.method})" if name == "randla" else name
        found.append([title, path, seconds(one.median), speed, rank, number(float(error))])
    return found


def _text(most: int, columns: int) -> tuple[Array, list[str]]:
    """Which of the most frequent words which docstring has, and the words."""
    texts = [set(_STEM.findall(text.lower())) for text in _documents(most)]
    frequent = collections.Counter(word for text in texts for word in text)
    words = [word for word, _ in frequent.most_common(columns)]
    return np.array([[float(word in text) for word in words] for text in texts]), words
