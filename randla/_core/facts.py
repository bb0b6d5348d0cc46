"""What randla runs on: versions, BLAS, instruction set, threads."""

from __future__ import annotations

import os
import platform
from typing import Any

from .dispatch import backend


def facts() -> dict[str, Any]:
    """What it runs on, without what was measured."""
    import numpy
    from threadpoolctl import ThreadpoolController

    from .. import __version__

    cpu = backend("numpy")
    blas, core = cpu.blas, cpu.core
    pools = ThreadpoolController().info()
    real = os.path.realpath
    mine = [p for p in pools if blas.path and real(p["filepath"]) == real(blas.path)]
    pool = mine[0] if mine else {}
    return {
        "randla": __version__,
        "core": core.version(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "blas": blas.name,
        "blas version": pool.get("version"),
        "blas core": pool.get("architecture"),
        "blas threads": pool.get("num_threads"),
        "blas integers": {1: "64 bits", 0: "32 bits"}.get(core.blas_ilp64(), "none"),
        "blas origin": blas.origin,
        "blas file": blas.path or None,
        "isa": core.isa(),
        "isa levels": ", ".join(core.isa_levels()),
        "threads": core.max_threads(),
    }
