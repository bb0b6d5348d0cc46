"""A bar that shows how far a long call has come."""

from __future__ import annotations

import os
import sys


class Progress:
    """A bar on stderr; nothing where nobody looks at it, as in CI."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0
        self.shown = sys.stderr.isatty() and not os.environ.get("CI")

    def step(self, what: str) -> None:
        """Show that `what` begins."""
        if self.shown:
            full = 30 * self.done // max(self.steps, 1)
            bar = "#" * full + "." * (30 - full)
            sys.stderr.write(f"\r[{bar}] {what[:44]:<44}")
            sys.stderr.flush()
        self.done += 1

    def close(self) -> None:
        """Wipe the bar."""
        if self.shown:
            sys.stderr.write("\r" + 78 * " " + "\r")
            sys.stderr.flush()
