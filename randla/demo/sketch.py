"""The demo of `sketch`: large matrices made small, dense ones and the words of real text."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import randla

from ._report import Demo, Panel, Progress, number, seconds, table, times
from ._timing import interleave, ratio

Array = np.ndarray[Any, np.dtype[Any]]


def run(demo: Demo) -> Panel:
    """Print the table, and return the curve for the figure."""
    print("\nsketch: random matrices that make large ones small\n")
    columns, d = 100, 300
    sizes = (3000, 10_000) if demo.quick else (10_000, 30_000, 100_000)
    progress = Progress(len(sizes) * 4 + 3)
    rows: list[list[str]] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for m in sizes:
        rng = np.random.default_rng(m)
        A = rng.standard_normal((m, columns))
        A[rng.choice(m, columns, replace=False)] *= 1000  # few rows that matter more
        timed = interleave(
            _calls(A, d),
            demo.share(0.1 if demo.quick else 0.8),
            lambda name, m=m: progress.step(f"{name}, m = {m}"),  # type: ignore[misc]
        )
        R = np.linalg.qr(A).R
        for name, one in timed.items():
            if not one.samples:
                continue
            scale = 1.0 if name != "NumPy" else d**-0.5
            low, high = _embedding(np.asarray(one.answer) * scale, R)
            if name != "NumPy" and not 0.2 < low < high < 2:
                demo.wrong.append(f"{name}, m = {m}: lengths changed by {low:.2f} to {high:.2f}")
            rows.append(
                [
                    f"{m} x {columns}",
                    {"randla": "SparseSign", "NumPy": "NumPy, normal"}.get(name, name),
                    seconds(one.median),
                    times(ratio(timed["NumPy"], one)),
                    f"{number(low)} .. {number(high)}",
                ]
            )
            xs, ys = lines.setdefault(name, ([], []))
            xs.append(m)
            ys.append(one.median)
    rows += _text(demo, progress)
    progress.close()
    table(
        [("", 2), ("", 1), ("", 1), ("", 1)],
        ["input", "operator", "time", "speed over peer", "lengths times"],
        rows,
    )
    print(
        "\npeer: a normal matrix of NumPy's, drawn and multiplied; for text, scikit-learn's"
        "\nprojection by a stored sparse matrix.  lengths times: of all combinations of columns;"
        "\nof text, 95 % of distances."
    )
    return Panel(
        f"Sketch of m x {columns} to {d} rows",
        "m",
        "time; lower is better",
        {name: (x, y) for name, (x, y) in lines.items() if name in ("randla", "NumPy")},
    )


def _calls(A: Array, d: int) -> dict[str, Callable[[], Any]]:
    m = len(A)
    return {
        "randla": lambda: randla.sketch.SparseSign(d, m, rng=1) @ A,
        "SRHT": lambda: randla.sketch.SRHT(d, m, rng=1) @ A,
        "Gaussian": lambda: randla.sketch.Gaussian(d, m, rng=1) @ A,
        "NumPy": lambda: np.random.default_rng(1).standard_normal((d, m)) @ A,
    }


def _embedding(B: Array, R: Array) -> tuple[float, float]:
    """Smallest and largest factor of the length of A x, from the sketch and R of A = Q R."""
    s = np.linalg.svd(np.linalg.solve(R.T, B.T), compute_uv=False)
    return float(s[-1]), float(s[0])


def _text(demo: Demo, progress: Progress) -> list[list[str]]:
    """Words of the documentation of Python's own modules, projected to fewer dimensions."""
    from scipy.sparse import csr_array

    documents = _documents(400 if demo.quick else 4000)
    index: dict[str, int] = {}
    data, column, pointers = [], [], [0]
    for text in documents:
        for word in re.findall(r"[a-z_]{2,}", text.lower()):
            column.append(index.setdefault(word, len(index)))
            data.append(1.0)
        pointers.append(len(column))
    X = csr_array((data, column, pointers), (len(documents), len(index)))
    X.sum_duplicates()
    d = min(1000, len(index))
    calls: dict[str, Callable[[], Any]] = {
        "randla": lambda: X @ randla.sketch.SparseSign(d, len(index), rng=1).T
    }
    try:
        from sklearn.random_projection import SparseRandomProjection
    except ImportError:
        pass
    else:
        peer = SparseRandomProjection(d, dense_output=True, random_state=1)
        calls["peer"] = lambda: peer.fit_transform(X)
    timed = interleave(calls, demo.share(0.3), lambda name: progress.step(f"{name}, text"))
    mine = timed["randla"]
    few = np.random.default_rng(0).integers(0, len(documents), (2, 200))
    few = few[:, few[0] != few[1]]
    before = np.linalg.norm((X[few[0]] - X[few[1]]).toarray(), axis=1)
    Y = np.asarray(mine.answer)
    after = np.linalg.norm(Y[few[0]] - Y[few[1]], axis=1)
    low, high = np.quantile((after / np.where(before > 0, before, 1))[before > 0], [0.025, 0.975])
    if not 0.8 < low < high < 1.2:
        demo.wrong.append(f"text: distances changed by {low:.2f} to {high:.2f}")
    speed = times(ratio(timed["peer"], mine)) if "peer" in timed else "-"
    return [
        [
            f"text, {X.shape[0]} x {X.shape[1]}",
            f"to {d} columns",
            seconds(mine.median),
            speed,
            f"{number(float(low))} .. {number(float(high))}",
        ]
    ]


def _documents(most: int) -> list[str]:
    """Docstrings of modules that every Python has."""
    found: list[str] = []
    for name in ("argparse", "asyncio", "collections", "concurrent.futures", "ctypes", "datetime",
                 "decimal", "email", "fractions", "functools", "http.client", "io", "itertools",
                 "json", "logging", "multiprocessing", "os", "pathlib", "pickle", "random", "re",
                 "shutil", "socket", "statistics", "string", "subprocess", "tarfile", "tempfile",
                 "textwrap", "threading", "typing", "unittest", "urllib.request", "xml.dom",
                 "zipfile"):  # fmt: skip
        module = pkgutil.resolve_name(name)
        for _, part in inspect.getmembers(module):
            for _, one in [
                ("", part),
                *(inspect.getmembers(part) if inspect.isclass(part) else []),
            ]:
                text = inspect.getdoc(one)
                if text and len(text) > 80:
                    found.append(text)
    return list(dict.fromkeys(found))[:most]
