"""Benchmarks of expm: times, memory, ratios to the incumbents, worst errors."""

import os
import subprocess
import sys
import tempfile

import numpy as np

import randla

from ._common import exact_error, exact_expm, limited_speed, speed

BATCHES = [
    "4096x4 float64",
    "16384x6 float32",
    "1024x8 float64",
    "4096x12 float32",
    "1024x16 float64",
    "1024x24 float32",
    "256x32 float64",
    "64x64 float64",
    "200x61 float64",
]
NORMS = [1.0, 8.0]
CURVE = [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16, 17, 20, 24, 25, 28, 31, 32, 33]
CURVE += [40, 48, 56, 63, 64, 65, 80, 96, 112, 127, 128]


def matrices(batch, n, dtype, norm=1.0):
    """Gaussian matrices of the given 1-norm; the same ones at every call."""
    rng = np.random.default_rng([batch, n])
    a = rng.standard_normal((batch, n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((batch, n, n))
    return (a * (norm / np.abs(a).sum(-2, keepdims=True).max(-1, keepdims=True))).astype(dtype)


def parse(case, norm=1.0):
    """Matrices from a word such as "4096x4 float64"; a batch of one is one matrix."""
    shape, dtype = case.split()
    batch, n = (int(part) for part in shape.split("x"))
    a = matrices(batch, n, dtype, norm)
    return a if batch > 1 else a[0]


class Batches:
    """Batches of small matrices."""

    params = (BATCHES, NORMS)
    param_names = ("case", "norm")

    def setup(self, case, norm):
        """Draw the input."""
        self.a = parse(case, norm)
        self.out = np.empty_like(self.a)
        randla.expm(self.a)

    def time_batch(self, case, norm):
        """Time a result in new memory."""
        randla.expm(self.a)

    def time_batch_out(self, case, norm):
        """Time a result in old memory."""
        randla.expm(self.a, out=self.out)


class Sizes:
    """The curve over n, for cliffs between kernels: about the same work each."""

    params = (
        CURVE,
        ["float32", "float64", "complex64", "complex128"],
    )
    param_names = ("n", "dtype")

    def setup(self, n, dtype):
        """Draw the input."""
        self.a = matrices(max(1, min(2048, 2**20 // n**3)), n, dtype)
        randla.expm(self.a)

    def time_sizes(self, n, dtype):
        """Time one batch."""
        randla.expm(self.a)

    def track_per_flop(self, n, dtype):
        """Give the time in picoseconds per flop of the products, without the noise of overhead."""
        import timeit

        _, info = randla.expm(self.a, return_info=True)
        flops = 2.0 * n**3 * float(np.sum(info.products)) * (4 if "complex" in dtype else 1)
        timer = timeit.Timer(lambda: randla.expm(self.a))
        number = max(1, timer.autorange()[0] // 10)
        return 1e12 * min(timer.repeat(9, number)) / number / flops

    track_per_flop.unit = "ps/flop"


class Single:
    """One matrix: the overhead of a call where n is small, BLAS where it is large."""

    params = (
        ["1x1", "1x2", "1x4", "1x12", "1x24", "1x48", "1x128", "1x256", "1x512", "1x1024"],
        ["float32", "float64"],
    )
    param_names = ("shape", "dtype")

    def setup(self, shape, dtype):
        """Draw the input."""
        self.a = parse(f"{shape} {dtype}")
        randla.expm(self.a)

    def time_single(self, shape, dtype):
        """Time one matrix."""
        randla.expm(self.a)


class Assume:
    """What a promise costs or saves."""

    params = (
        [None, "hermitian", "skew", "triangular", "metzler"],
        ["1024x8 float64", "1024x8 complex128", "64x64 float64", "1x256 float64"],
    )
    param_names = ("assume", "case")

    def setup(self, assume, case):
        """Draw an input that keeps the promise."""
        if assume == "metzler" and "complex" in case:
            raise NotImplementedError("metzler is for real matrices")
        a = parse(case, 2.0)
        adjoint = np.conj(np.swapaxes(a, -1, -2))
        if assume == "hermitian":
            a = (a + adjoint) / 2
        elif assume == "skew":
            a = (a - adjoint) / 2
        elif assume == "triangular":
            a = np.triu(a)
        elif assume == "metzler":
            a = np.abs(a)
            diagonal = np.arange(a.shape[-1])
            a[..., diagonal, diagonal] -= a.sum(-1)
        self.a = a

    def time_assume(self, assume, case):
        """Time one batch."""
        randla.expm(self.a, assume=assume)


class Complex:
    """Complex batches."""

    params = (
        ["1024x4", "1024x8", "512x16", "256x32", "64x64", "1x256"],
        ["complex64", "complex128"],
    )
    param_names = ("shape", "dtype")

    def setup(self, shape, dtype):
        """Draw the input."""
        self.a = parse(f"{shape} {dtype}")
        randla.expm(self.a)

    def time_complex(self, shape, dtype):
        """Time one batch."""
        randla.expm(self.a)


class Levels:
    """Every instruction-set level that this processor has."""

    params = (
        ["baseline", "x86-64-v3", "x86-64-v4", "neon"],
        ["16384x6 float32", "1024x16 float64", "1024x24 float32", "64x64 float64"],
    )
    param_names = ("isa", "case")

    def setup(self, isa, case):
        """Choose the level."""
        from randla._cpu import core

        self.before = core.isa()
        try:
            core.set_isa(isa)
        except ValueError as error:
            raise NotImplementedError(str(error)) from None
        self.a = parse(case)
        randla.expm(self.a)

    def teardown(self, isa, case):
        """Go back."""
        from randla._cpu import core

        core.set_isa(self.before)

    def time_levels(self, isa, case):
        """Time one batch."""
        randla.expm(self.a)


class Memory:
    """Peaks of the resident memory: input, output and work arrays, beside what Python needs."""

    params = (["65536x6 float32", "16384x16 float64", "1x1024 float64", "1x2048 float64"],)
    param_names = ("case",)

    def setup(self, case):
        """Draw the input."""
        self.a = parse(case)

    def peakmem_expm(self, case):
        """Compute once."""
        randla.expm(self.a)


class Ratio:
    """Times the incumbent's speed, in turns in one process, default threads: higher is better."""

    params = ([*BATCHES, "512x16 complex128", "1x12 float64", "1x256 float64", "1x1024 float64"],)
    param_names = ("case",)
    timeout = 600

    def setup(self, case):
        """Draw the input."""
        self.a = parse(case)

    def track_ratio_scipy(self, case):
        """Compare with scipy.linalg.expm."""
        from scipy.linalg import expm

        return speed(lambda: expm(self.a), lambda: randla.expm(self.a))

    def track_ratio_torch(self, case):
        """Compare with torch.matrix_exp."""
        try:
            import torch
        except ImportError:
            return float("nan")
        tensor = torch.from_numpy(self.a)
        return speed(lambda: torch.matrix_exp(tensor), lambda: randla.expm(self.a))

    track_ratio_scipy.unit = "x SciPy's speed"
    track_ratio_torch.unit = "x torch's speed"


class Threads:
    """Time with one thread over time with two: at best 2."""

    params = ([*BATCHES, "1x512 float64", "1x1024 float64"],)
    param_names = ("case",)

    def setup(self, case):
        """Draw the input."""
        if (os.cpu_count() or 1) < 2:
            raise NotImplementedError("one processor")
        self.a = parse(case)

    def track_two_threads(self, case):
        """Compare."""

        def call():
            randla.expm(self.a)

        return limited_speed(call, 1, 2)

    track_two_threads.unit = "x the speed of one thread"


# ---- accuracy --------------------------------------------------------------------------------


def gallery(dtype):
    """Return a fixed set of 60 matrices of many kinds, n = 2 to 10, norms 1e-6 to 60 or so."""
    rng = np.random.default_rng(11)
    result = []
    for n in (2, 3, 5, 8, 10):
        for norm in (1e-6, 0.1, 1.0, 7.0):
            a = rng.standard_normal((n, n))
            if np.dtype(dtype).kind == "c":
                a = a + 1j * rng.standard_normal((n, n))
            result.append(a * (norm / np.abs(a).sum(0).max()))
        a = rng.standard_normal((n, n))
        result.append(np.triu(a, 1) * 5)  # nilpotent
        result.append(np.triu(a) * 5)  # triangular
        result.append((a - a.T) * 4)  # rotation
        result.append(-(a @ a.T))  # stable, symmetric
        result.append(-20 * np.eye(n) + np.diag(np.full(n - 1, 30.0), 1))  # far from normal
        q = np.abs(a)
        result.append(8 * (q - np.diag(q.sum(1))))  # generator
        graded = a * np.logspace(0, -8, n) / np.logspace(0, -8, n)[:, None]
        result.append(graded / np.abs(graded).sum(0).max() * 3)
        result.append(np.diag(rng.uniform(-50, 5, n)) + 1e-3 * a)  # nearly diagonal
    return [np.asarray(a, dtype=dtype) for a in result]


class Accuracy:
    """Errors on the gallery in units of the rounding unit, against sums of 500 bits."""

    params = (["float32", "float64", "complex64", "complex128"],)
    param_names = ("dtype",)
    timeout = 600

    def setup_cache(self):
        """Sum the exact results once."""
        return {dtype: [(a, exact_expm(a)) for a in gallery(dtype)] for dtype in self.params[0]}

    def errors(self, cache, dtype):
        """Errors of all matrices."""
        unit = np.finfo(dtype).eps / 2
        return [exact_error(randla.expm(a), exact, unit) for a, exact in cache[dtype]]

    def track_error_worst(self, cache, dtype):
        """Give the largest."""
        return max(self.errors(cache, dtype))

    def track_error_median(self, cache, dtype):
        """Give the median."""
        return float(np.median(self.errors(cache, dtype)))

    def track_error_worst_over_scipy(self, cache, dtype):
        """Give the worst error over that of scipy.linalg.expm: below 1 is better than SciPy."""
        from scipy.linalg import expm

        unit = np.finfo(dtype).eps / 2
        theirs = max(exact_error(expm(a), exact, unit) for a, exact in cache[dtype])
        return self.track_error_worst(cache, dtype) / theirs

    track_error_worst.unit = "u"
    track_error_median.unit = "u"
    track_error_worst_over_scipy.unit = "of SciPy's worst"


# ---- import ----------------------------------------------------------------------------------


class Import:
    """Start of a process, with NumPy, without and with randla and its first call."""

    params = (["numpy", "randla", "randla and a call"],)
    param_names = ("what",)
    number = 1

    def setup(self, what):
        """Choose the program; an empty folder keeps the clone's own package away."""
        self.folder = tempfile.mkdtemp()
        self.code = {
            "numpy": "import numpy",
            "randla": "import randla",
            "randla and a call": "import numpy, randla; randla.expm(numpy.zeros((2, 2)))",
        }[what]

    def teardown(self, what):
        """Remove the folder."""
        os.rmdir(self.folder)

    def time_import(self, what):
        """Time the process."""
        subprocess.run([sys.executable, "-c", self.code], check=True, cwd=self.folder)
