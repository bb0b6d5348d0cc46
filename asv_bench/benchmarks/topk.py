"""Benchmarks of topk: times, memory, ratios to the incumbents and to one reading."""

import os

import numpy as np

import randla

from ._common import limited_speed, speed

CASES = [
    "1x10000000:10",
    "1x10000000:1000",
    "1x10000000:100000",
    "1024x4096:64",
    "1024x4096:2048",
    "64x65536:128",
    "32x1024:512",
]
FLOATS = ["float32", "float64"]


def matrix(rows, n, dtype, kind="random"):
    """Rows of one kind; the same ones at every call."""
    rng = np.random.default_rng([rows, n])
    if np.dtype(dtype).kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, (rows, n), dtype=dtype, endpoint=True)
    x = rng.standard_normal((rows, n), dtype=np.float32)
    if kind == "sorted":
        x.sort(axis=1)
    elif kind == "reversed":
        x = np.sort(x, axis=1)[:, ::-1].copy()
    elif kind == "constant":
        x[:] = 0.5
    elif kind == "few":
        x = rng.integers(0, 7, x.shape).astype(np.float32)
    elif kind == "nan":
        x[rng.random(x.shape) < 0.001] = np.nan
    return x.astype(dtype)


def parse(case, dtype, kind="random"):
    """Input and k from a word such as "1024x4096:64"."""
    shape, k = case.split(":")
    rows, n = (int(part) for part in shape.split("x"))
    return matrix(rows, n, dtype, kind), int(k)


class Cases:
    """The published cases, and what less or more of a result costs."""

    params = (CASES, FLOATS)
    param_names = ("case", "dtype")

    def setup(self, case, dtype):
        """Draw the input."""
        self.x, self.k = parse(case, dtype)
        randla.topk(self.x, self.k)

    def time_unsorted(self, case, dtype):
        """Time values and indices in the order of the indices."""
        randla.topk(self.x, self.k, sorted=False)

    def time_sorted(self, case, dtype):
        """Time values and indices, best first."""
        randla.topk(self.x, self.k)

    def time_values(self, case, dtype):
        """Time values alone."""
        randla.topk_values(self.x, self.k, sorted=False)

    def time_kth_value(self, case, dtype):
        """Time one value of each row."""
        randla.kth_value(self.x, self.k)

    def time_mask(self, case, dtype):
        """Time a mask."""
        randla.topk_mask(self.x, self.k)


class Data:
    """Rows with structure: none may take three times as long as a random one."""

    params = (
        ["random", "sorted", "reversed", "constant", "few", "nan"],
        ["1x10000000:1000", "1024x4096:64", "1024x4096:2048", "64x65536:128"],
    )
    param_names = ("kind", "case")

    def setup(self, kind, case):
        """Draw the input."""
        self.x, self.k = parse(case, "float32", kind)
        randla.topk(self.x, self.k)

    def time_data(self, kind, case):
        """Time one call."""
        randla.topk(self.x, self.k, sorted=False)


class Types:
    """Every dtype."""

    params = (
        ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "uint64"],
        ["1024x4096:64", "1024x4096:2048"],
    )
    param_names = ("dtype", "case")

    def setup(self, dtype, case):
        """Draw the input."""
        self.x, self.k = parse(case, dtype)
        randla.topk(self.x, self.k)

    def time_types(self, dtype, case):
        """Time one call."""
        randla.topk(self.x, self.k, sorted=False)


class Curve:
    """Time against k, for cliffs between paths."""

    params = ([1, 10, 64, 200, 255, 256, 257, 300, 1000, 2048, 3000, 4000, 4096],)
    param_names = ("k",)

    def setup(self, k):
        """Draw the input."""
        self.x = matrix(256, 4096, "float32")
        randla.topk(self.x, k)

    def time_curve(self, k):
        """Time one call."""
        randla.topk(self.x, k, sorted=False)


class Layouts:
    """Rows that are columns of the memory, and one short row: the overhead of a call."""

    params = (["columns", "one short row"],)
    param_names = ("what",)

    def setup(self, what):
        """Draw the input."""
        self.axis = 0 if what == "columns" else 1
        self.x = matrix(4096, 1024, "float32") if what == "columns" else matrix(1, 8, "float32")

    def time_layouts(self, what):
        """Time one call."""
        randla.topk(self.x, 4, axis=self.axis, sorted=False)


class Levels:
    """Every instruction-set level that this processor has."""

    params = (["baseline", "x86-64-v3", "x86-64-v4", "neon"], ["1024x4096:64", "1024x4096:2048"])
    param_names = ("isa", "case")

    def setup(self, isa, case):
        """Choose the level."""
        from randla._cpu import core

        self.before = core.isa()
        try:
            core.set_isa(isa)
        except ValueError as error:
            raise NotImplementedError(str(error)) from None
        self.x, self.k = parse(case, "float32")
        randla.topk(self.x, self.k)

    def teardown(self, isa, case):
        """Go back."""
        from randla._cpu import core

        core.set_isa(self.before)

    def time_levels(self, isa, case):
        """Time one call."""
        randla.topk(self.x, self.k, sorted=False)


class Memory:
    """Peaks of the resident memory: input, output and work arrays, beside what Python needs."""

    params = (["1x10000000:10", "1x10000000:100000", "1x10000000:5000000"], FLOATS)
    param_names = ("case", "dtype")

    def setup(self, case, dtype):
        """Draw the input."""
        self.x, self.k = parse(case, dtype)

    def peakmem_topk(self, case, dtype):
        """Select once."""
        randla.topk(self.x, self.k, sorted=False)


class Ratio:
    """Times the incumbent's speed, in turns in one process, default threads: higher is better."""

    params = (CASES, FLOATS)
    param_names = ("case", "dtype")
    timeout = 600

    def setup(self, case, dtype):
        """Draw the input."""
        self.x, self.k = parse(case, dtype)

    def unsorted(self):
        """Values and indices in any order."""
        randla.topk(self.x, self.k, sorted=False)

    def track_ratio_numpy(self, case, dtype):
        """Compare with numpy.argpartition, and the values at its indices."""
        start = self.x.shape[1] - self.k

        def numpy():
            index = np.argpartition(self.x, start, axis=1)[:, start:]
            return np.take_along_axis(self.x, index, 1), index

        return speed(numpy, self.unsorted)

    def track_ratio_torch(self, case, dtype):
        """Compare with torch.topk, unsorted."""
        return self.against_torch(self.unsorted, is_sorted=False)

    def track_ratio_torch_sorted(self, case, dtype):
        """Compare with torch.topk, both sorted."""
        return self.against_torch(lambda: randla.topk(self.x, self.k), is_sorted=True)

    def against_torch(self, ours, *, is_sorted):
        """Speed beside torch.topk."""
        try:
            import torch
        except ImportError:
            return float("nan")
        tensor = torch.from_numpy(self.x)
        return speed(lambda: torch.topk(tensor, self.k, sorted=is_sorted), ours)

    def track_ratio_reading(self, case, dtype):
        """Give the time over that of one reading by numpy.max: at best 1, lower is better."""
        return speed(self.unsorted, lambda: self.x.max())

    track_ratio_numpy.unit = "x NumPy's speed"
    track_ratio_torch.unit = "x torch's speed"
    track_ratio_torch_sorted.unit = "x torch's speed"
    track_ratio_reading.unit = "x one reading"


class Threads:
    """Time with one thread over time with two: at best 2."""

    params = (CASES[:-1],)
    param_names = ("case",)

    def setup(self, case):
        """Draw the input."""
        if (os.cpu_count() or 1) < 2:
            raise NotImplementedError("one processor")
        self.x, self.k = parse(case, "float32")

    def track_two_threads(self, case):
        """Compare."""
        return limited_speed(lambda: randla.topk(self.x, self.k, sorted=False), 1, 2)

    track_two_threads.unit = "x the speed of one thread"
