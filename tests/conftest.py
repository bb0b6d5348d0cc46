"""What every test needs: one thread unless it asks for more, and a way to run every kernel."""

import os

# Before NumPy: its OpenBLAS reads them when it is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import pytest
from oracles import supported_isa_levels

from randla._cpu import core

# Nothing here asserts a time, and a busy machine must not fail a test.
hypothesis.settings.register_profile("randla", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("randla")

LEVELS = supported_isa_levels()


def pytest_addoption(parser):
    parser.addoption(
        "--every", type=int, default=1, metavar="N", help="run a sample: each N-th test of a file"
    )


def pytest_collection_modifyitems(config, items):
    every, seen, others = config.getoption("--every"), {}, []
    for item in items:
        number = seen[item.path] = seen.get(item.path, -1) + 1
        if number % every:
            others.append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        left = set(others)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(params=LEVELS)
def isa(request):
    """Each instruction-set level that this processor has, one after the other."""
    core.set_isa(request.param)
    yield request.param
    core.set_isa("auto")


@pytest.fixture(params=[LEVELS[0], LEVELS[-1]] if len(LEVELS) > 1 else LEVELS)
def isa_extreme(request):
    """The widest and the narrowest level only."""
    core.set_isa(request.param)
    yield request.param
    core.set_isa("auto")
