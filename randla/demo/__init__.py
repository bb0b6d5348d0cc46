"""`randla demo`: every function beside its peers, on the kind of input that it was written for.

Each stem has one module here, named in `SECTIONS`, with a function ``run(demo)`` that prints a
table and may return a panel of the figure.  The demo calls randla by its public names alone, and
imports torch and JAX only if they are installed.
"""

from __future__ import annotations

import importlib
import time

from ._report import Demo, conditions, draw

SECTIONS = (
    "expm",
    "expm_multiply",
    "matmul",
    "qr",
    "qr_lstsq",
    "sketch",
    "svd",
    "topk",
    "topk_soft",
)


def run(*, quick: bool = False, figure: str = "demo-randla.png") -> int:
    """Run all sections; 0, or 1 if a result of randla was wrong.

    Parameters
    ----------
    quick : bool
        Smaller inputs, a few seconds.
    figure : str
        Where the figure goes; the ending chooses the format.
    """
    demo = Demo(quick=quick)
    conditions(demo)
    sections = [importlib.import_module(f"{__name__}.{name}") for name in SECTIONS]
    panels = [section.run(demo) for section in sections]
    draw(demo, figure, [panel for panel in panels if panel is not None])
    print(f"\nDone in {time.perf_counter() - demo.start:.0f} s.")
    for line in demo.wrong:
        print(f"WRONG: {line}")
    return 1 if demo.wrong else 0
