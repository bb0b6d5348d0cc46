"""The demo of `expm_multiply`: vectors through a flow, heat on a grid, a chain of spins."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp  # type: ignore[import-untyped, unused-ignore]

import randla

from ._report import Demo, Progress, number, seconds, table, times
from ._timing import interleave, ratio
from .expm import exact_expm, flow_layers

Array = np.ndarray[Any, np.dtype[Any]]

# Far above what rounding does to these inputs, far below what a wrong result would have.
WRONG = 1e5


@dataclass
class Case:
    """What is computed, the same by other libraries, the exact answer and how to compare."""

    label: str
    mine: Callable[[], Any]
    exact: Array
    unit: float
    peers: dict[str, Callable[[], Any]] = field(default_factory=dict)


COLUMNS = ("SciPy", "torch", "expm(A)")


def run(demo: Demo) -> None:
    """Print the table."""
    print("\nexpm_multiply: exp(A) times vectors\n")
    cases = [_flow(demo), *_heat(demo), _spins(demo)]
    progress = Progress(sum(1 + len(case.peers) for case in cases))
    rows = [_row(demo, case, progress) for case in cases]
    progress.close()
    columns = [name for name in COLUMNS if name not in ("SciPy", "torch") or name in demo.peers]
    table(
        [("", 1), ("time", 1), ("speed over", len(columns)), ("error / u", len(columns) + 1)],
        ["input", "randla", *columns, "randla", *columns],
        [
            [
                label,
                mine,
                *(speed.get(c, "-") for c in columns),
                own,
                *(off.get(c, "-") for c in columns),
            ]
            for label, mine, speed, own, off in rows
        ],
    )
    print(
        "\nspeed over: as above.  torch and expm(A): the exponentials by torch.matrix_exp or"
        "\nrandla.expm, then a product.  SciPy: expm, then a product, for the batch;"
        "\nscipy.sparse.linalg.expm_multiply for a sparse matrix.  error: relative to the result."
    )


# ---- input -----------------------------------------------------------------------------------


def _flow(demo: Demo) -> Case:
    rng = np.random.default_rng(3)
    a = flow_layers(2048 if demo.quick else 16384, 6, rng)
    x = rng.standard_normal((len(a), 6, 1)).astype(np.float32)
    some = slice(0, 64)
    case = Case(
        f"flow layer, {len(a)} x (6, 6) float32",
        lambda: randla.expm_multiply(a, x),
        _exact_batch(a[some], x[some]),
        2.0**-24,
        {"expm(A)": lambda: randla.expm(a) @ x},
    )
    if "SciPy" in demo.peers:
        from scipy.linalg import expm  # type: ignore[import-untyped, unused-ignore]

        case.peers["SciPy"] = lambda: expm(a) @ x
    if "torch" in demo.peers:
        try:
            import torch
        except (ImportError, OSError):  # installed, but broken: the first section says so
            return case
        tensor, vectors = torch.from_numpy(a), torch.from_numpy(x)
        case.peers["torch"] = lambda: torch.matrix_exp(tensor) @ vectors
    return case


def _heat(demo: Demo) -> list[Case]:
    """Diffusion on a square grid, once at the end and at 50 times on the way."""
    m, t = (60 if demo.quick else 150), 10.0
    line = sp.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(m, m))
    eye = sp.eye_array(m)
    grid = (sp.kron(eye, line) + sp.kron(line, eye)).tocsr()
    start = np.random.default_rng(4).standard_normal(m * m)
    # exp of a Kronecker sum: one factor for each side of the grid
    factor = exact_expm(line.toarray().astype(np.longdouble) * t)
    exact = (factor @ start.reshape(m, m) @ factor.T).ravel()
    label = f"heat on a grid of {m * m} points"
    grid_of_times = np.linspace(0, t, 50)
    once = Case(label, lambda: randla.expm_multiply(grid, start, t=t), exact, 2.0**-53)
    often = Case(
        f"{label}, 50 times",
        lambda: randla.expm_multiply(grid, start, t=grid_of_times)[-1],
        exact,
        2.0**-53,
    )
    if "SciPy" in demo.peers:
        from scipy.sparse.linalg import (  # type: ignore[import-untyped, unused-ignore]
            expm_multiply,
        )

        scaled = grid * t
        once.peers["SciPy"] = lambda: expm_multiply(scaled, start)
        often.peers["SciPy"] = lambda: expm_multiply(grid, start, start=0, stop=t, num=50)[-1]
    return [once, often]


def _spins(demo: Demo) -> Case:
    """A quantum state of a chain of spins in a transverse field, after a time of 1."""
    count = 9 if demo.quick else 12
    flip, sign = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])

    def at(site: int, what: Array) -> Any:
        left, right = sp.eye_array(2**site), sp.eye_array(2 ** (count - site - 1))
        return sp.kron(sp.kron(left, what), right, format="csr")

    terms = [at(i, sign) @ at(i + 1, sign) for i in range(count - 1)]
    h = sum(terms + [at(i, flip) for i in range(count)]).tocsr()
    a = -1j * h
    rng = np.random.default_rng(5)
    state = rng.standard_normal(2**count) + 1j * rng.standard_normal(2**count)
    case = Case(
        f"chain of {count} spins, {2**count} states",
        lambda: randla.expm_multiply(a, state),
        _exact_state(h, state),
        2.0**-53,
    )
    if demo.quick:
        dense = a.toarray()
        case.peers["expm(A)"] = lambda: randla.expm(dense) @ state
    if "SciPy" in demo.peers:
        from scipy.sparse.linalg import (  # type: ignore[import-untyped, unused-ignore]
            expm_multiply,
        )

        case.peers["SciPy"] = lambda: expm_multiply(a, state)
    return case


# ---- measurement -----------------------------------------------------------------------------

Row = tuple[str, str, dict[str, str], str, dict[str, str]]


def _row(demo: Demo, case: Case, progress: Progress) -> Row:
    timed = interleave(
        {"randla": case.mine} | case.peers,
        demo.share(0.2 if demo.quick else 0.5),
        lambda name: progress.step(f"{name}: {case.label}"),
    )
    errors = {
        name: math.nan if one.error else _error(np.asarray(one.answer), case)
        for name, one in timed.items()
    }
    if timed["randla"].error or errors["randla"] > WRONG:
        demo.wrong.append(f"{case.label}: {timed['randla'].error or errors['randla']}")
    return (
        case.label,
        seconds(timed["randla"].median),
        {name: times(ratio(timed[name], timed["randla"])) for name in case.peers},
        number(errors["randla"]),
        {name: number(errors[name]) for name in case.peers},
    )


def _error(answer: Array, case: Case) -> float:
    """Relative error in roundings: the worst of a batch."""
    if np.finfo(np.longdouble).eps > case.unit / 64:
        return math.nan  # no longer type on this machine
    off = np.abs(answer[: len(case.exact)] - case.exact).astype(np.float64)
    size = np.abs(case.exact).astype(np.float64)
    axis = tuple(range(1, off.ndim)) or None
    worst = np.sqrt((off**2).sum(axis=axis) / (size**2).sum(axis=axis)).max()
    return float(worst) / case.unit


def _exact_batch(a: Array, x: Array) -> Array:
    return np.asarray(exact_expm(a) @ x.astype(np.longdouble))


def _exact_state(h: Any, state: Array) -> Array:
    """exp(-i H) on a state, in the longest float, by short Taylor steps."""
    counts = np.diff(h.indptr)
    rows = np.repeat(np.arange(len(state)), counts)
    place = np.arange(h.nnz) - np.repeat(h.indptr[:-1], counts)
    index = np.zeros((int(counts.max()), len(state)), np.intp)
    value = np.zeros(index.shape, np.longdouble)
    index[place, rows], value[place, rows] = h.indices, h.data
    steps = max(1, math.ceil(float(abs(h).sum(axis=0).max()) / 4))
    y: Array = state.astype(np.clongdouble)
    for _ in range(steps):
        term = y
        for k in range(1, 40):  # 4^40 / 40! is 1e-24
            product = np.zeros_like(term)
            for i, v in zip(index, value, strict=True):
                product += v * term[i]
            term = product * (-1j / np.longdouble(steps * k))
            y = y + term
    return y
