"""What users ask and set: the configuration, the headers, the threads."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from .dispatch import backend
from .facts import facts
from .tuning import MATMUL, load_crossovers


def get_include() -> str:
    """Directory of the C headers.

    Returns
    -------
    str
        To be given to a compiler with ``-I``; the library, ``librandla``, lies in ``../lib``, with
        a pkg-config file in ``../lib/pkgconfig``.

    Examples
    --------
    >>> import os, randla
    >>> os.path.exists(os.path.join(randla.get_include(), "randla.h"))
    True
    """
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "include")


def num_threads(n: int) -> AbstractContextManager[Any]:
    """Limit the threads of randla and of the BLAS that it calls.

    Parameters
    ----------
    n : int
        Largest number of threads, at least 1.

    Returns
    -------
    context manager
        The limit holds inside the ``with`` block, for this process; it is that of
        `threadpoolctl.threadpool_limits`.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> import numpy as np, randla
    >>> with randla.num_threads(1):
    ...     E = randla.expm(np.zeros((2, 2)))
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n must be an integer, got {type(n).__name__}")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    from threadpoolctl import threadpool_limits

    backend("numpy")  # its libraries must be loaded to be limited
    limits: AbstractContextManager[Any] = threadpool_limits(int(n))
    return limits


def config() -> dict[str, Any]:
    """All that `show_config` prints, as a dict."""
    crossovers = load_crossovers(MATMUL)
    shown = ", ".join(f"{key} {one}/{two}" for key, (one, two) in crossovers.items())
    origin = "tuned" if MATMUL.load() else "as shipped"
    return facts() | {"matmul": f"{shown} ({origin})"}


def show_config() -> None:
    """Print versions, the BLAS in use and where it came from, the instruction set, the threads.

    Include what it prints in every report of a bug or of a time.

    Examples
    --------
    >>> import randla
    >>> randla.show_config()  # doctest: +ELLIPSIS
    randla         ...
    """
    for name, value in config().items():
        print(f"{name:<14} {'unknown' if value is None else value}")
