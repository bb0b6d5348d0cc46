"""Benchmarks of a matrix-exponential flow, and of other exponentials in it.

The networks are small, so that the exponentials show; `flow_training.py` has the experiment.
"""

import sys
from pathlib import Path

from ._common import speed

PASSES = ["forward", "training step", "sampling"]


class Flow:
    """Batches of 64 images of 32 x 32 in three levels of 8, 4 and 2 steps."""

    params = (PASSES,)
    param_names = ("pass",)
    timeout = 300

    def setup(self, which):
        """Bring the matrices to the norms of training; without torch there is nothing to time."""
        folder = str(Path(__file__).parents[1])
        if folder not in sys.path:
            sys.path.append(folder)
        try:
            import flow_training
            import torch
        except ImportError:
            raise NotImplementedError from None
        torch.set_num_threads(1)
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(64, 3, 32, 32, generator=generator)
        model = flow_training.make_flow(3, "small", 0).train()
        flow_training.excite(model, images)
        step = flow_training.trainer(model, rate=0.0)

        def forward():
            with torch.no_grad():
                return model.log_prob(images)

        def sampling():
            noise = torch.Generator().manual_seed(0)
            return model.sample(64, (32, 32), generator=noise)

        self.call = {
            "forward": forward,
            "training step": lambda: step(images),
            "sampling": sampling,
        }[which]
        self.exponential = flow_training.exponential

    def run(self, name):
        """Call with that exponential."""
        with self.exponential(name):
            return self.call()

    def ratio(self, name):
        """Compare with that exponential."""
        return speed(lambda: self.run(name), self.call, seconds=10)

    def time_pass(self, which):
        """Time randla."""
        self.call()

    def track_ratio_loop(self, which):
        """Compare with the loop of the first flow."""
        return self.ratio("Taylor loop")

    def track_ratio_torch(self, which):
        """Compare with torch.matrix_exp."""
        return self.ratio("torch.matrix_exp")

    def track_ratio_paper(self, which):
        """Compare with the paper's algorithm."""
        return self.ratio("paper's algorithm")

    track_ratio_loop.unit = track_ratio_torch.unit = track_ratio_paper.unit = "x their speed"
