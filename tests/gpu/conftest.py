"""The tests of this folder run on a stand-in for CuPy, and with `pytest -m gpu` on CuPy and a GPU.

Tests marked `gpu` take the fixture `cp`, CuPy or what stands in for it.  Others take `stand_in`:
they look at what only it can tell (launches, waits, mistakes), and do not run on a GPU.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import cupy_stand_in


def _wants_gpu(config):
    expression = config.option.markexpr or ""
    return "gpu" in expression and "not gpu" not in expression


def _device_missing():
    try:
        import cupy
    except ImportError as error:
        return f"there is no CuPy ({error})"
    try:
        return None if cupy.cuda.runtime.getDeviceCount() else "there is no device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"there is no device ({error})"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """On a GPU nothing replaces CuPy: a process has one of that name."""
    if _wants_gpu(config):
        replaced = [item for item in items if "stand_in" in item.fixturenames]
        config.hook.pytest_deselected(items=replaced)
        items[:] = [item for item in items if item not in replaced]


def pytest_collection_finish(session):
    """Without a GPU, `-m gpu` is an error: tests that were asked for are not skipped."""
    if _wants_gpu(session.config) and session.items and (reason := _device_missing()):
        raise pytest.UsageError(f"`-m gpu` needs CuPy and a GPU: {reason}")


@pytest.fixture(scope="module")
def stand_in():
    """The module that stands in for CuPy, in `sys.modules` as long as the tests of a file run."""
    module = cupy_stand_in.install()
    yield module
    cupy_stand_in.remove()


@pytest.fixture(scope="module")
def cp(request):
    """CuPy, where a GPU was asked for, or its stand-in."""
    if _wants_gpu(request.config):
        import cupy

        return cupy
    return request.getfixturevalue("stand_in")


@pytest.fixture(params=[0, 1, 20])
def schedule(request):
    """Orders in which the stand-in runs threads; a GPU has its own."""
    cupy_stand_in.record.seed = request.param
    yield request.param
    cupy_stand_in.record.seed = 0
