"""The command `randla`."""

from __future__ import annotations

import argparse
import os
import sys

# NumPy has read them by now: the demo starts anew with one thread for everybody, since libraries
# whose pools of threads take turns slow each other down.  JAX only heeds the processors it may use.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main(argv: list[str] | None = None) -> int:
    """Run `randla demo` or `randla config`."""
    parser = argparse.ArgumentParser(prog="randla", description="Fast dense linear algebra.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("config", help="print versions, BLAS, instruction set and threads")
    demo = commands.add_parser("demo", help="time randla beside its peers on real input")
    demo.add_argument("--quick", action="store_true", help="smaller inputs, a few seconds")
    demo.add_argument("--figure", default="demo-randla.png", help="where the figure goes")
    options = parser.parse_args(argv)
    if options.command == "config":
        from . import show_config

        show_config()
        return 0
    if argv is None and not all(name in os.environ for name in _ONE_THREAD):
        os.environ.update(_ONE_THREAD)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        os.execv(sys.executable, [sys.executable, *sys.argv])
    from .demo import run

    return run(quick=options.quick, figure=options.figure)


if __name__ == "__main__":
    sys.exit(main())
