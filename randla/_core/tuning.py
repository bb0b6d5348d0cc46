"""What was measured on this machine: small files in the user's cache folder, one for each stem."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from .dispatch import backend
from .facts import facts


def folder() -> Path:
    """The user's cache folder, where the system wants it; nothing is created."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        chosen = os.environ.get("XDG_CACHE_HOME", "")
        base = Path(chosen) if os.path.isabs(chosen) else home / ".cache"
    return base / "randla"


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> str:
    """What measurements hold for: processor, instruction set, and BLAS with its version."""
    known, names = facts(), ("isa", "blas", "blas version", "blas core")
    return " | ".join([processor(), *(str(known[name]) for name in names)])


LETTERS = "sdcz"  # float32, float64, complex64, complex128


def _pair(values: Any) -> tuple[int, int] | None:
    """Two ascending sides, or None for whatever else stands in the file."""
    if not isinstance(values, list) or len(values) != 2:
        return None
    one, two = values
    if type(one) is not int or type(two) is not int or not 1 <= one <= two < 2**62:
        return None
    return one, two


def load_crossovers(store: Store) -> dict[str, tuple[int, int]]:
    """Hand the core what was measured here, or let it use what the library came with.

    Returns the least sides for one and two levels of fast multiplication by letter and thread
    class, as ``"d1"``.
    """
    binding, tuned = backend("numpy").matmul, store.load()
    found = {}
    for letter in LETTERS:
        for threads in (1, 2):
            key = f"{letter}{threads}"
            binding.set_crossover(letter, threads, _pair(tuned.get(key)))
            found[key] = binding.crossover(letter, threads)
    return found


class Store:
    """The measurements of a stem; what cannot be read counts as not there."""

    def __init__(self, stem: str) -> None:
        self._stem = stem

    @property
    def path(self) -> Path:
        """Where they are kept."""
        return folder() / f"{self._stem}.json"

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def load(self) -> dict[str, Any]:
        """What is known for this machine."""
        content = self._read()
        found = content.get(machine()) if content else None
        return found if isinstance(found, dict) else {}

    def save(self, values: dict[str, Any]) -> None:
        """Add to what is known for this machine; the file is replaced in one step."""
        content = self._read()
        mine = content.get(machine())
        content[machine()] = (mine if isinstance(mine, dict) else {}) | values
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise


MATMUL = Store("matmul")
