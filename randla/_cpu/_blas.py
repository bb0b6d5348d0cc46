"""Finds the BLAS for the C core: the one that NumPy has loaded, so that one pool of threads serves.

Calls that alternate between two OpenBLAS pools are up to 80 times slower, even on an idle machine.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import glob
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy  # its BLAS must be loaded before we look for it

from . import core

# How routines are spelled: (prefix, suffix, 64-bit integers), of the OpenBLAS in wheels, of
# builds with 64-bit integers, of everything else.
_SPELLINGS = (
    ("scipy_", "_64_", True),
    ("scipy_", "_", False),
    ("", "_64_", True),
    ("", "_", False),
)
# A library of the process is a candidate if its file name contains one of these; best first.  Where
# LAPACK is a library of its own, it leads to the BLAS on which it stands.
_KNOWN = ("openblas", "mkl_rt", "liblapack", "blis", "libblas")
# Names by which their threads are asked for and set.
_THREADS = (
    ("{}openblas_get_num_threads{}", "{}openblas_set_num_threads{}"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)


@dataclass(frozen=True)
class Blas:
    """The BLAS in use: where it came from, and what it says of itself."""

    origin: str  # "numpy", "process", "scipy_openblas32", "scipy", "system" or "linked"
    path: str
    prefix: str
    suffix: str
    ilp64: bool
    config: str  # OpenBLAS's own words, with version and core name; else empty

    @property
    def name(self) -> str:
        """OpenBLAS, MKL, ... as far as the file name tells."""
        file = os.path.basename(self.path).lower()
        for key, name in (("openblas", "OpenBLAS"), ("mkl", "MKL"), ("blis", "BLIS")):
            if key in file or key in self.config.lower():
                return name
        return file or "BLAS"


def _loaded() -> list[str]:
    """Files of the shared libraries of this process."""
    if sys.platform.startswith("linux"):
        with open("/proc/self/maps", encoding="utf-8") as maps:
            files = [line.split(None, 5)[5].rstrip("\n") for line in maps if "/" in line]
        return list(dict.fromkeys(files))
    from threadpoolctl import ThreadpoolController

    return [library["filepath"] for library in ThreadpoolController().info()]


def _beside(package: str, *patterns: str) -> Iterator[str]:
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin is not None:
        here = os.path.dirname(spec.origin)
        for pattern in patterns:
            yield from sorted(glob.glob(os.path.normpath(os.path.join(here, pattern))))


def _candidates() -> Iterator[tuple[str, str]]:
    """(origin, path) of the libraries to try, best first."""
    beside_numpy = os.path.dirname(os.path.dirname(numpy.__file__))
    loaded = _loaded()
    for key in _KNOWN:
        here = [p for p in loaded if key in os.path.basename(p).lower()]
        # NumPy's own before another package's, whose pool would be a second one
        for path in sorted(here, key=lambda p: "numpy" not in p):
            ours = "numpy" in path and path.startswith(beside_numpy)
            yield ("numpy" if ours else "process"), path
    wheels = ("lib/libscipy_openblas.*", "lib/*.dll")
    for path in _beside("scipy_openblas32", *wheels):
        yield "scipy_openblas32", path
    for path in _beside("scipy", "../scipy.libs/*openblas*", ".dylibs/*openblas*"):
        yield "scipy", path
    for library in ("openblas", "mkl_rt", "blas"):
        found = ctypes.util.find_library(library)
        if found:
            yield "system", found


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _thread_switch(library: ctypes.CDLL, prefix: str, tail: str) -> tuple[int, int]:
    """Addresses of how to ask for and to set the number of threads; zeros if there are none."""
    for names in _THREADS:
        get, set_ = (getattr(library, name.format(prefix, tail), None) for name in names)
        if get is not None and set_ is not None:
            return _address(get), _address(set_)
    return 0, 0


def _open(origin: str, path: str) -> tuple[Blas, dict[str, int], tuple[int, int]]:
    library = ctypes.CDLL(path)
    for prefix, suffix, ilp64 in _SPELLINGS:
        routines = {n: getattr(library, f"{prefix}{n}{suffix}", None) for n in core.blas_routines()}
        if None in routines.values():
            continue
        address = {n: _address(f) for n, f in routines.items() if f}
        tail = suffix.removeprefix("_")  # of functions of C: "64_" where Fortran's have "_64_"
        ask = getattr(library, f"{prefix}openblas_get_config{tail}", None)
        config = ""
        if ask is not None:
            ask.restype = ctypes.c_char_p
            config = ask().decode()
        ilp64 = ilp64 or "USE64BITINT" in config
        switch = _thread_switch(library, prefix, tail)
        return Blas(origin, path, prefix, suffix, ilp64, config), address, switch
    raise OSError("lacks routines")


def load() -> Blas:
    """Give a BLAS to the C core, unless one was linked."""
    if core.blas_linked():
        return Blas("linked", "", "", "_", False, "")
    errors = []
    for origin, path in _candidates():
        try:
            found, address, switch = _open(origin, path)
        except OSError as error:
            errors.append(f"{path}: {error}")
        else:
            core.set_blas(address, found.ilp64)
            core.set_blas_threads(*switch)
            return found
    tried = "; ".join(errors) or "no library found"
    raise ImportError(f"randla found no BLAS ({tried}). Install one: pip install scipy-openblas32")
