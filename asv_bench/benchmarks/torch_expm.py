"""Benchmarks of expm under torch's autograd: value and gradient, the ratio to torch.matrix_exp."""

import randla

from ._common import speed
from .expm import matrices

CASES = ["16384x6 float32", "1024x16 float32", "64x64 float32", "1x24 float32"]


class Backward:
    """Value and gradient of batches of norm 1."""

    params = (CASES,)
    param_names = ("case",)

    def setup(self, case):
        """Draw the input; without torch there is nothing to time."""
        try:
            import torch
        except ImportError:
            raise NotImplementedError from None
        shape, dtype = case.split()
        batch, n = (int(part) for part in shape.split("x"))
        self.a = torch.from_numpy(matrices(batch, n, dtype))
        self.g = torch.ones_like(self.a)

    def both(self, exponential):
        """Value and gradient by autograd."""
        leaf = self.a.clone().requires_grad_()
        exponential(leaf).backward(self.g)

    def time_backward(self, case):
        """Time both passes."""
        self.both(randla.expm)

    def track_ratio_torch(self, case):
        """Compare with torch.matrix_exp."""
        import torch

        return speed(lambda: self.both(torch.matrix_exp), lambda: self.both(randla.expm))

    track_ratio_torch.unit = "x torch's speed"
