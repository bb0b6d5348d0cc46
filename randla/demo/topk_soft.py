"""The demo of `soft_rank` and `soft_topk`: tokens weighed by their scores, as they are trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import randla

from ._report import Demo, Progress, seconds, table, times
from ._timing import interleave, ratio
from .topk import token_scores

Array = np.ndarray[Any, np.dtype[Any]]
TEMPERATURE = 0.2


@dataclass
class Case:
    """Scores, what is made of them, and whether its definition sums all pairs."""

    label: str
    scores: Array
    kind: str  # "rank", or of soft_topk

    def mine(self, x: Array) -> Array:
        """The result of randla."""
        if self.kind == "rank":
            return np.asarray(randla.soft_rank(x, temperature=TEMPERATURE))
        k = x.shape[-1] // 2
        return np.asarray(randla.soft_topk(x, k, kind=self.kind, temperature=TEMPERATURE))


def run(demo: Demo) -> None:
    """Print the table."""
    print("\nsoft_rank, soft_topk: ranks and weights that have gradients\n")
    cases = _cases(demo.quick)
    peers: dict[str, Make] = {"NumPy": _numpy}
    if "torch" in demo.peers:
        try:
            peers["torch"] = _torch()
        except (ImportError, OSError) as error:  # installed, but broken
            print(f"torch is left out: {error}\n")
    progress = Progress(len(cases) * (1 + len(peers)))
    rows = [_row(demo, case, peers, progress) for case in cases]
    progress.close()
    table(
        [("", 1), ("time", 1), ("speed over", len(peers)), ("", 1)],
        ["input", "randla", *peers, "of a hard topk"],
        rows,
    )
    print(
        "\nspeed over: of the sum over all pairs as it is defined.  of a hard topk: the time over"
        "\nthat of randla.topk_mask with as many elements.  Weights: of half of the tokens."
    )


def _cases(quick: bool) -> list[Case]:
    rng = np.random.default_rng(11)
    cases = []
    for heads, tokens in ((32, 256), (32, 1024), (2, 4096)):
        raw = np.log(token_scores(max(1, heads // 8) if quick else heads, tokens, rng))
        x = ((raw - raw.mean(1, keepdims=True)) / raw.std(1, keepdims=True)).astype(np.float32)
        cases.append(Case(f"ranks, {_shape(x)}", x, "rank"))
    cases += [Case(f"weights, {kind}, {_shape(x)}", x, kind) for kind in ("shiva", "fermi")]
    return cases


def _shape(a: Array) -> str:
    return f"{a.shape[0]} x {a.shape[1]} {a.dtype}"


Make = Callable[[Array], Callable[[], Any]]


def _numpy(x: Array) -> Callable[[], Any]:
    def row(a: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(0.5 + (1 / (1 + np.exp((a[:, None] - a) / TEMPERATURE))).sum(1))

    return lambda: np.stack([row(a) for a in x])


def _torch() -> Make:
    import torch

    def make(x: Array) -> Callable[[], Any]:
        y = torch.from_numpy(x)
        return lambda: 0.5 + torch.sigmoid((y[:, None, :] - y[:, :, None]) / TEMPERATURE).sum(-1)

    return make


def _row(demo: Demo, case: Case, peers: dict[str, Make], progress: Progress) -> list[str]:
    x, pairs = case.scores, case.kind != "fermi"  # which has no sum over pairs
    calls: dict[str, Callable[[], Any]] = {"randla": lambda: case.mine(x)}
    calls |= {name: make(x) for name, make in peers.items() if pairs}
    calls["hard"] = lambda: randla.topk_mask(x, x.shape[1] // 2)
    timed = interleave(
        calls,
        demo.share(0.1 if demo.quick else 0.8),
        lambda name: progress.step(f"{name}: {case.label}") if name != "hard" else None,
    )
    if not pairs:
        for name in peers:
            progress.step(f"{name}: {case.label}")
    if timed["randla"].error:
        demo.wrong.append(f"{case.label}: {timed['randla'].error}")
    elif wrong := _wrong(case, timed["randla"].answer):
        demo.wrong.append(f"{case.label}: {wrong}")
    return [
        case.label,
        seconds(timed["randla"].median),
        *(times(ratio(timed[n], timed["randla"])) if n in timed else "-" for n in peers),
        times(ratio(timed["randla"], timed["hard"])),
    ]


def _wrong(case: Case, answer: Array) -> str:
    """Compare the first row with the definition in double precision; what is wrong, or nothing."""
    x, n = case.scores[0].astype(np.float64), case.scores.shape[1]
    if case.kind == "fermi":
        off = abs(math.fsum(answer[0].tolist()) - n // 2)
        return f"weights sum to k within {off:.1e}" if off > 4 * 2.0**-24 * n else ""
    exact = _numpy(x[None])()[0]
    if case.kind == "shiva":
        exact = 1 / (1 + np.exp((exact - n // 2) / (0.1 * n)))
    off = float(np.abs(answer[0] - exact).max() / (n if case.kind == "rank" else 1))
    return f"off by {off:.1e}" if off > (1e-6 if case.kind == "rank" else 1e-5) else ""
