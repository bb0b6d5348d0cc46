"""Benchmarks of QR on tensors: factors and gradient, the ratio to torch.linalg.qr."""

import numpy as np

import randla

from ._common import speed


class Backward:
    """Both factors, and the gradient of their sum; with pivots, which torch has not."""

    params = (["20000x200", "4000x100", "64x32x16"], ["float32", "float64"])
    param_names = ("shape", "dtype")
    timeout = 300

    def setup(self, shape, dtype):
        """Draw the input; without torch there is nothing to time."""
        try:
            import torch
        except ImportError:
            raise NotImplementedError from None
        sizes = [int(part) for part in shape.split("x")]
        x = np.random.default_rng(0).standard_normal(sizes).astype(dtype)
        self.leaf = torch.from_numpy(x).requires_grad_()

    def both(self, factorise):
        """Factors and gradient by autograd."""
        self.leaf.grad = None
        result = factorise(self.leaf)
        (result[0].sum() + result[1].sum()).backward()

    def ours(self, x):
        """Factorise without pivots."""
        return randla.qr(x, rng=0)

    def time_backward(self, shape, dtype):
        """Time both passes."""
        self.both(self.ours)

    def time_pivoted(self, shape, dtype):
        """Time both passes with pivots."""
        self.both(lambda x: randla.qr(x, pivoting=True, rng=0))

    def track_ratio_torch(self, shape, dtype):
        """Compare with torch.linalg.qr, which has no pivots."""
        import torch

        return speed(lambda: self.both(torch.linalg.qr), lambda: self.both(self.ours))
