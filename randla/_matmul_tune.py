"""Measures on this machine from which size on fast multiplication pays."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _matmul
from ._core import dispatch, validate
from ._core.progress import Progress
from ._core.tuning import MATMUL

_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
_SMALLEST, _LARGEST = 512, 16384
_MARGIN = 1.01  # a gain that is worth the larger error


def tune_matmul(
    *, dtypes: Sequence[Any] = ("float32", "float64"), budget: float = 60
) -> dict[str, tuple[int, int]]:
    """Measure from which sizes on `matmul` is faster than the BLAS here, and remember it.

    Parameters
    ----------
    dtypes : sequence of dtype, default ("float32", "float64")
        Of float32, float64, complex64 and complex128.
    budget : float, default 60
        Seconds for all of them, about.  Sizes that would need more are not tried: their crossovers
        stay as they are, or beyond what was tried without a gain.

    Returns
    -------
    dict
        For each dtype by name the least sides for one level of Winograd's form and for two, with
        the number of threads in use.

    Raises
    ------
    ValueError
        If `budget` is not positive, `dtypes` is empty or has another dtype.
    TypeError
        If `budget` is not a number.
    OSError
        If the cache folder cannot be written; `matmul` uses the results nevertheless.

    See Also
    --------
    show_config : Prints the crossovers in use.

    Notes
    -----
    Square products by both ways are timed in turns, at sizes found by bisection.  Nothing else
    should run meanwhile.  The results are kept in the user's cache folder, by processor and BLAS:
    ``$XDG_CACHE_HOME`` or ``~/.cache`` on Linux, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%``
    on Windows.  They hold for one thread or for several, as now.

    Examples
    --------
    >>> import randla
    >>> randla.tune_matmul(dtypes=["float32"])  # doctest: +SKIP
    {'float32': (2816, 5632)}
    """
    if isinstance(budget, bool) or not isinstance(budget, (int, float, np.number)):
        raise TypeError(f"budget must be a number of seconds, got {type(budget).__name__}")
    if not 0 < budget < math.inf:
        raise ValueError(f"budget must be positive, got {budget}")
    names = [np.dtype(dtype).name for dtype in dtypes]
    if not names:
        raise ValueError("dtypes must not be empty")
    for name in names:
        validate.option("dtypes", name, _LETTERS)
    binding = dispatch.backend("numpy").matmul
    threads = min(2, dispatch.backend("numpy").core.max_threads())
    crossings: dict[str, tuple[int, int]] = {}
    progress = Progress(2 * len(names) * _STEPS)
    for number, name in enumerate(names):
        letter = _LETTERS[name]
        before = binding.crossover(letter, threads)
        share = budget / len(names)
        one = _crossover(_gain(name, 1, 0), before[0], share / 2, progress, name)
        two = max(one, _crossover(_gain(name, 2, 1), before[1], share / 2, progress, name))
        crossings[name] = (one, two)
        binding.set_crossover(letter, threads, crossings[name])
        progress.done = 2 * (number + 1) * _STEPS
    progress.close()
    try:
        MATMUL.save({f"{_LETTERS[name]}{threads}": list(c) for name, c in crossings.items()})
    finally:
        _matmul.refresh_crossovers()
    return crossings


_STEPS = 8
Gain = Callable[[int], tuple[float, float]]


def _gain(name: str, levels: int, than: int) -> Gain:
    """A function that tells the speed-up at a size, and the seconds that it took to find out."""
    binding, letter = dispatch.backend("numpy").matmul, _LETTERS[name]
    scheme = _matmul.scheme_number("winograd")

    def measure(n: int) -> tuple[float, float]:
        began = time.perf_counter()
        a = np.random.default_rng(0).random((n, n)).astype(name)
        c = np.empty_like(a)
        times: dict[int, list[float]] = {levels: [], than: []}
        for turn in range(3):
            for count in (levels, than) if turn % 2 else (than, levels):
                start = time.perf_counter()
                binding.product(letter, a, a, c, scheme if count else binding.CLASSICAL, count)
                times[count].append(time.perf_counter() - start)
        gain = sorted(y / x for x, y in zip(times[levels], times[than], strict=True))[1]
        return gain, time.perf_counter() - began

    return measure


def _crossover(gain: Gain, before: int, budget: float, progress: Progress, name: str) -> int:
    """Least size with a gain, by bisection: sizes double from the smallest until there is one."""
    spent, low, high, n = 0.0, 0, 0, _SMALLEST
    cost = 0.0  # of the last size
    while True:
        if cost * (n / (low or n)) ** 3 > budget - spent and low:
            break
        progress.step(f"{name}, n = {n}")
        ratio, cost = gain(n)
        spent += cost
        if ratio >= _MARGIN:
            high = n
            break
        low = n
        if n >= _LARGEST:
            return 2 * _LARGEST
        n *= 2
    if not high:  # not reached: as it was, but not where it was seen to lose
        return max(before, 2 * low)
    while low and high - low > max(64, low // 8):
        n = (low + high) // 2 // 64 * 64
        if n <= low or cost * (n / max(low, 1)) ** 3 > budget - spent:
            break
        progress.step(f"{name}, n = {n}")
        ratio, used = gain(n)
        spent += used
        low, high = (low, n) if ratio >= _MARGIN else (n, high)
    return high
