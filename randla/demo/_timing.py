"""Interleaved timing of several calls in one process."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ROUNDS = 3  # at least
MOST_ROUNDS = 40
SHORTEST = 5e-3  # seconds; faster calls are repeated within one sample
# Waiting threads of a BLAS spin for some 30 ms after its last product, and would slow the next
# library, which has threads of its own.
PAUSE = 0.04


@dataclass
class Timed:
    """One call, its first answer, and seconds per call: one sample for each round."""

    name: str
    call: Callable[[], Any]
    answer: Any = None
    samples: list[float] = field(default_factory=list)
    number: int = 1
    error: str = ""

    @property
    def median(self) -> float:
        """Median seconds."""
        return statistics.median(self.samples) if self.samples else math.nan


def interleave(
    calls: Mapping[str, Callable[[], Any]], budget: float, step: Callable[[str], None]
) -> dict[str, Timed]:
    """Time the calls in turns, in changing order, for about `budget` seconds.

    A call that fails keeps its message; one that uses up the budget by itself leaves.
    `step` hears the name of each call before its first run, which may compile.
    """
    everything = [Timed(name, call) for name, call in calls.items()]
    for one in everything:
        step(one.name)
        try:
            began = time.perf_counter()
            one.answer = one.call()
            if time.perf_counter() - began > budget / 4:
                continue  # perhaps it compiled; a slow one needs no repetitions anyway
            if _seconds(one) < SHORTEST:
                one.number = math.ceil(SHORTEST / max(_seconds(one), 1e-7))
        except Exception as error:  # a peer may raise anything; the demo goes on
            one.error = f"{type(error).__name__}: {error}".splitlines()[0][:70]
    running = [one for one in everything if not one.error]
    start = time.perf_counter()
    for number in range(MOST_ROUNDS):
        if number >= ROUNDS and time.perf_counter() - start > budget:
            break
        for one in running if number % 2 == 0 else running[::-1]:
            time.sleep(PAUSE)
            if one.number > 1:
                one.call()  # its threads wake up, its caches fill
            one.samples.append(_seconds(one))
        running = [one for one in running if sum(one.samples) * one.number < budget]
    return {one.name: one for one in everything}


def ratio(slow: Timed, fast: Timed) -> float:
    """Time of `slow` over that of `fast`: the median over the rounds of the ratio within one."""
    shared = [a / b for a, b in zip(slow.samples, fast.samples, strict=False)]
    return statistics.median(shared) if len(shared) >= ROUNDS else slow.median / fast.median


def _seconds(one: Timed) -> float:
    start = time.perf_counter()
    for _ in range(one.number):
        one.call()
    return (time.perf_counter() - start) / one.number
