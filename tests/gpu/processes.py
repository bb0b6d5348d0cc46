"""Code in a Python process of its own, with this one's packages whatever the folder."""

import os
import subprocess
import sys
import textwrap


def run(code, *arguments, **environment):
    """The process, when it is over."""
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd="/",
        timeout=120,
    )
