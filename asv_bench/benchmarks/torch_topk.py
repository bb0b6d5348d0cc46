"""Benchmarks of topk on tensors: values and gradient, the ratio to torch.topk."""

import numpy as np

import randla

from ._common import speed

CASES = ["1024x4096 64", "1024x4096 2048", "64x65536 128", "32x1024 512"]


class Backward:
    """Values, their gradient, and the exact mask with a soft one, in float32."""

    params = (CASES,)
    param_names = ("case",)

    def setup(self, case):
        """Draw the input; without torch there is nothing to time."""
        try:
            import torch
        except ImportError:
            raise NotImplementedError from None
        shape, k = case.split()
        rows, n = (int(part) for part in shape.split("x"))
        self.k = int(k)
        rng = np.random.default_rng(0)
        self.x = torch.from_numpy(rng.standard_normal((rows, n), dtype=np.float32))
        self.leaf = self.x.clone().requires_grad_()

    def both(self, select):
        """Values and gradient by autograd."""
        self.leaf.grad = None
        select(self.leaf, self.k)[0].sum().backward()

    def time_backward(self, case):
        """Time both passes."""
        self.both(randla.topk)

    def time_straight_through(self, case):
        """Time both passes of the mask."""
        import randla.torch as rt

        self.leaf.grad = None
        rt.straight_through_topk(self.leaf, self.k, temperature=0.2).sum().backward()

    def track_ratio_torch(self, case):
        """Compare with torch.topk, which promises nothing for equal elements."""
        import torch

        return speed(lambda: torch.topk(self.x, self.k), lambda: randla.topk(self.x, self.k))

    track_ratio_torch.unit = "x torch's speed"

    def track_ratio_torch_backward(self, case):
        """Compare values and gradient with torch.topk's."""
        import torch

        return speed(lambda: self.both(torch.topk), lambda: self.both(randla.topk))

    track_ratio_torch_backward.unit = "x torch's speed"
