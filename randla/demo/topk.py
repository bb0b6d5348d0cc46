"""The demo of `topk`: recommendations from a factor model, and tokens kept by a transformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import randla

from ._report import Demo, Panel, Progress, seconds, table, times
from ._timing import interleave, ratio

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Case:
    """Scores, how many are wanted of each row, and whether best first."""

    label: str
    scores: Array
    k: int
    sorted: bool


def run(demo: Demo) -> Panel:
    """Print the table, and return the curve for the figure."""
    print("\ntopk: the k best of each row, with their indices\n")
    cases = _cases(demo.quick)
    peers = _peers(demo)
    sizes = (1, 16, 256, 4096, 65536)
    progress = Progress((len(cases) + len(sizes)) * (1 + len(peers)))
    rows: list[list[str]] = []
    for case in cases:
        rows.append(_row(demo, case, peers, progress))
    panel = _curve(sizes, demo, peers, progress)
    progress.close()
    names = list(peers)
    table(
        [("", 1), ("time", 1), ("speed over", len(names)), ("", 1)],
        ["input", "randla", *names, "of one reading"],
        rows,
    )
    print(
        "\nspeed over: as above.  of one reading: the time of randla over that of numpy.max of"
        "\nthe same scores.  Other libraries may choose otherwise among equal scores."
    )
    return panel


# ---- input -----------------------------------------------------------------------------------


def _cases(quick: bool) -> list[Case]:
    rng = np.random.default_rng(7)
    few = 8 if quick else 1
    ratings = recommender_scores(256 // few, 40_000, rng)
    tokens = token_scores(512 // few, 4096, rng)
    catalogue = recommender_scores(1, 4_000_000 // few, rng)
    experts = rng.standard_normal((16384 // few, 64), dtype=np.float32)
    return [
        Case(f"recommendations, {_shape(ratings)}, k = 100", ratings, 100, True),
        Case(f"one large catalogue, {_shape(catalogue)}, k = 1000", catalogue, 1000, True),
        Case(f"tokens kept, {_shape(tokens)}, k = half", tokens, 2048, False),
        Case(f"experts of tokens, {_shape(experts)}, k = 8", experts, 8, True),
    ]


def _shape(a: Array) -> str:
    return f"{a.shape[0]} x {a.shape[1]} {a.dtype}"


def recommender_scores(users: int, items: int, rng: np.random.Generator) -> Array:
    """Scores of a factor model: user and item embeddings, and item popularity.

    Popularity falls as a power of the rank, as in every catalogue, and items are in the order of
    their popularity: the best scores of all users crowd at the beginning.
    """
    rank = 32
    user = rng.standard_normal((users, rank), dtype=np.float32)
    item = rng.standard_normal((rank, items), dtype=np.float32)
    popularity = -0.5 * np.log(np.arange(1, items + 1, dtype=np.float32))
    return np.asarray(user @ item / np.float32(rank**0.5) + popularity)


def token_scores(heads: int, tokens: int, rng: np.random.Generator) -> Array:
    """Attention that tokens receive: positive, heavy-tailed, alike for neighbours, causal."""
    noise = rng.standard_normal((heads, tokens + 16), dtype=np.float32)
    total = np.cumsum(noise, axis=1)
    smooth = (total[:, 16:] - total[:, :-16]) / 4
    age = np.arange(1, tokens + 1, dtype=np.float32)
    return np.asarray(np.exp(2 * smooth) / age ** np.float32(0.3))


# ---- peers -----------------------------------------------------------------------------------

Make = Callable[[Array, int, bool], Callable[[], Any]]


def _peers(demo: Demo) -> dict[str, Make]:
    """NumPy, and those installed, as functions that turn scores into the call to time."""
    result: dict[str, Make] = {"NumPy": _numpy}
    ways: dict[str, Callable[[], Make]] = {"torch": _torch, "JAX": _jax}
    for name in demo.peers:
        if name not in ways or (demo.quick and name == "JAX"):  # JAX would compile too long
            continue
        try:
            result[name] = ways[name]()
        except (ImportError, OSError) as error:  # installed, but broken
            print(f"{name} is left out: {error}\n")
    return result


def _numpy(x: Array, k: int, best_first: bool) -> Callable[[], Any]:
    start = x.shape[1] - k

    def call() -> Any:
        index = np.argpartition(x, start, axis=1)[:, start:]
        values = np.take_along_axis(x, index, 1)
        if best_first:
            order = np.argsort(-values, axis=1)
            index = np.take_along_axis(index, order, 1)
            values = np.take_along_axis(values, order, 1)
        return values, index

    return call


def _torch() -> Make:
    import torch

    def make(x: Array, k: int, best_first: bool) -> Callable[[], Any]:
        tensor = torch.from_numpy(x)
        return lambda: torch.topk(tensor, k, dim=1, sorted=best_first)

    return make


def _jax() -> Make:
    import jax

    ready: Any = jax.block_until_ready

    def make(x: Array, k: int, best_first: bool) -> Callable[[], Any]:
        array = jax.numpy.asarray(x)
        select = jax.jit(lambda a: jax.lax.top_k(a, k))
        return lambda: ready(select(array))

    return make


# ---- measurement -----------------------------------------------------------------------------


def _calls(
    x: Array, k: int, best_first: bool, peers: dict[str, Make]
) -> dict[str, Callable[[], Any]]:
    mine: dict[str, Callable[[], Any]] = {
        "randla": lambda: randla.topk(x, k, sorted=best_first),
    }
    return mine | {name: make(x, k, best_first) for name, make in peers.items()}


def _row(demo: Demo, case: Case, peers: dict[str, Make], progress: Progress) -> list[str]:
    calls = _calls(case.scores, case.k, case.sorted, peers)

    def step(name: str) -> None:
        progress.step(f"{name}: {case.label}")

    calls["reading"] = case.scores.max
    timed = interleave(
        calls,
        demo.share(0.2 if demo.quick else 1.0),
        lambda name: step(name) if name in peers else None,
    )
    if timed["randla"].error:
        demo.wrong.append(f"{case.label}: {timed['randla'].error}")
    elif wrong := _wrong(case, timed["randla"].answer):
        demo.wrong.append(f"{case.label}: {wrong}")
    return [
        case.label,
        seconds(timed["randla"].median),
        *(times(ratio(timed[name], timed["randla"])) for name in peers),
        times(ratio(timed["randla"], timed["reading"])),
    ]


def _wrong(case: Case, answer: Any) -> str:
    """Compare the first and the last row with a stable sort; what is wrong, or nothing."""
    values, indices = answer
    for row in (0, len(case.scores) - 1):
        order = np.argsort(-case.scores[row], kind="stable")[: case.k]
        wanted = order if case.sorted else np.sort(order)
        if not np.array_equal(indices[row], wanted):
            return f"row {row} has other indices than a stable sort"
        if not np.array_equal(values[row], case.scores[row, wanted]):
            return f"row {row} has values that are not those at its indices"
    return ""


def _curve(sizes: tuple[int, ...], demo: Demo, peers: dict[str, Make], progress: Progress) -> Panel:
    n = 2**18 if demo.quick else 2**20
    x = np.random.default_rng(1).standard_normal((1, n), dtype=np.float32)
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for k in sizes:
        # JAX compiles anew for each k: every other one will do
        some = {name: make for name, make in peers.items() if name != "JAX" or k in sizes[::2]}
        timed = interleave(
            _calls(x, k, False, some),
            demo.share(0.1 if demo.quick else 0.6),
            lambda name, k=k: progress.step(f"{name}: figure, k = {k}"),  # type: ignore[misc]
        )
        for name, one in timed.items():
            if one.samples:
                xs, ys = lines.setdefault(name, ([], []))
                xs.append(k)
                ys.append(one.median)
    return Panel(
        f"The k largest of {n} numbers, float32",
        "k",
        "time; lower is better",
        {name: (x, y) for name, (x, y) in lines.items() if x},
    )
