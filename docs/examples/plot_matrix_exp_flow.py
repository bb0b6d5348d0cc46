r"""
Training a matrix-exponential flow
==================================

A normalizing flow maps images to Gaussian noise by invertible layers whose Jacobians have known
determinants, and learns by maximum likelihood.  In a matrix-exponential flow
(`arXiv:2512.20777 <https://arxiv.org/abs/2512.20777>`_) the layers multiply channels by
:math:`e^M`, with one matrix for all pixels, or with one for each pixel that other channels decide,
:math:`y_2 = e^{M(x_1)} x_2 + b(x_1)`.  The inverse is :math:`e^{-M}`, the logarithm of the
determinant is the trace of M, and a training step takes thousands of exponentials, forward and
backward.

One flow is trained here with four exponentials, on crops of the two photos that scikit-learn
ships.  The page runs in a minute on one core, so everything is small: 16 x 16 pixels, two levels,
sixteen hidden channels.  :doc:`/benchmarks/flows-cpu` has the sizes of the paper.
"""

import contextlib
import copy
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_sample_images

import randla
from randla.torch import flows

torch.set_num_threads(1)

# %%
# Four exponentials
# -----------------
# The first flow's loop scales the whole batch alike and adds terms until the largest is below
# 1e-8, which it looks up after each.


def largest(X):
    return X.abs().sum(-1).max().item()


def taylor_loop(A):
    squarings = max(0, math.ceil(math.log2(max(largest(A), 0.5))) + 1)
    A = A / 2**squarings
    total, term, k = torch.eye(A.shape[-1]), A, 1
    while largest(term) > 1e-8:
        k += 1
        total, term = total + term, A @ term / k
    for _ in range(squarings):
        total = total @ total
    return total


# %%
# The paper chooses the degree and the scaling before it starts, also once for a batch, and
# evaluates polynomials of degree 8 and 15 in three and four products.

C8 = (4.980119205559973e-3, 1.992047682223989e-2, 7.665265321119147e-2, 8.765009801785554e-1)
C8 += (1.225521150112075e-1, 2.974307204847627)
C15 = (4.018761610201036e-4, 2.945531440279683e-3, -8.709066576837676e-3, 4.017568440673568e-1)
C15 += (3.230762888122312e-2, 5.768988513026145, 2.338576034271299e-2, 2.381070373870987e-1)
C15 += (2.224209172496374, -5.792361707073261, -4.130276365929783e-2, 10.40801735231354)
C15 += (-63.31712455883370, 3.484665863364574e-1)


def paper(A, tol=1e-8):
    Id, A2 = torch.eye(A.shape[-1]), A @ A
    a, a2 = largest(A), largest(A2)

    def errors(m):
        """The first two terms that are left out, of order m + 1 and m + 2."""
        if m == 15:  # its coefficient of A^16 is not that of the series
            return 2**-45.3886 * a2**8, a2**8 * a / math.factorial(17)
        return a2 ** (m // 2) * a / math.factorial(m + 1), a2 ** (m // 2 + 1) / math.factorial(
            m + 2
        )

    m = next((m for m in (2, 4, 8, 15) if max(errors(m)) <= tol), 15)
    needed = (math.log2(max(e / tol, 1)) / (m + 1 + i) for i, e in enumerate(errors(m)))
    s = math.ceil(max(needed))
    A, A2 = A / 2**s, A2 / 4**s
    if m == 2:
        E = A2 / 2 + A + Id
    elif m == 4:
        E = ((A2 / 4 + A) / 3 + Id) @ (A2 / 2) + A + Id
    elif m == 8:
        c, Y = C8, A2 @ (C8[0] * A2 + C8[1] * A)
        E = (Y + c[2] * A2 + c[3] * A) @ (Y + c[4] * A2) + c[5] * Y + A2 / 2 + A + Id
    else:
        c, Y = C15, A2 @ (C15[0] * A2 + C15[1] * A)
        Z = (Y + c[2] * A2 + c[3] * A) @ (Y + c[4] * A2) + c[5] * Y + c[6] * A2
        E = (Z + c[7] * A2 + c[8] * A) @ (Z + c[9] * Y + c[10] * A)
        E = E + c[11] * Z + c[12] * Y + c[13] * A2 + A + Id
    for _ in range(s):
        E = E @ E
    return E


# %%
# randla chooses for each matrix, and gives couplings :math:`e^M x` without :math:`e^M`.
# To compare, a ``with`` block replaces the functions that the layers call.

EXPONENTIALS = {
    "Taylor loop": taylor_loop,
    "torch.matrix_exp": torch.matrix_exp,
    "paper's algorithm": paper,
    "randla": randla.torch.expm,
}
COLORS = ("#D55E00", "#CC79A7", "#009E73", "#0072B2")


@contextlib.contextmanager
def exponential(name):
    expm, before = EXPONENTIALS[name], (flows.expm, flows.expm_multiply)
    if name != "randla":
        flows.expm, flows.expm_multiply = expm, lambda A, x: expm(A) @ x
    yield
    flows.expm, flows.expm_multiply = before


A = torch.randn(100, 6, 6, generator=torch.Generator().manual_seed(0)) / 6
exact = torch.matrix_exp(A.double())
for name, expm in EXPONENTIALS.items():
    print(f"{name:18} largest error {(expm(A) - exact).abs().max():.1e}")

# %%
# Images and flow
# ---------------
# Noise of one grey level makes the integers of the photos a density.

photos = torch.from_numpy(np.stack(load_sample_images().images)).permute(0, 3, 1, 2)
size, batch = 16, 32


def crops(generator):
    places = [torch.randint(end, (batch,), generator=generator) for end in (2, 412, 625)]
    pixels = torch.stack(
        [photos[p, :, i : i + size, j : j + size] for p, i, j in zip(*places, strict=True)]
    )
    return (pixels + torch.rand(pixels.shape, generator=generator)) / 256


torch.manual_seed(0)
start = flows.FlowModel(3, steps=(4, 2), hidden=16, blocks=1).train()
for layer in start.layers:
    if isinstance(layer, flows.MatrixExpCoupling):  # at exactly zero the loop has no gradient
        torch.nn.init.normal_(layer.network.last.weight, std=1e-3)


class Run:
    """A copy of the flow, its optimiser, and what happened."""

    def __init__(self, name):
        self.name, self.flow = name, copy.deepcopy(start)
        self.optimiser = torch.optim.Adamax(self.flow.parameters(), lr=5e-3)
        self.bits, self.seconds = [], []

    def step(self, images):
        began = time.process_time()
        with exponential(self.name):
            loss = self.flow.bits_per_dim(images).mean()
            self.optimiser.zero_grad()
            loss.backward()
        self.optimiser.step()
        self.seconds.append(time.process_time() - began)
        self.bits.append(loss.item())


# %%
# Equal steps
# -----------
# The four take turns on the same images.  Their losses agree to what rounding leaves of it; their
# times do not.

steps = 60
runs, generator = [Run(name) for name in EXPONENTIALS], torch.Generator().manual_seed(1)
for _ in range(steps):
    images = crops(generator)
    for run in runs:
        run.step(images)
ours = runs[-1]
for run in runs:
    ratio = np.median(np.divide(run.seconds, ours.seconds[:steps]))
    last = np.mean(run.bits[-10:])
    print(f"{run.name:18} {1e3 * np.median(run.seconds):4.0f} ms a step, x {ratio:.1f}; {last:.3f}")

# %%
# Equal time
# ----------
# The flow with the fastest exponential goes on for as long as the slowest took.

while sum(ours.seconds) < max(sum(run.seconds) for run in runs[:-1]):
    ours.step(crops(generator))

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharey=True)
width = 7
for number, (run, color) in enumerate(zip(runs, COLORS, strict=True)):
    smooth = np.convolve(run.bits, np.ones(width) / width, mode="valid")
    clock = np.cumsum(run.seconds)[width - 1 :]
    shown = steps - width + 1
    dashes = (4 * number, (4, 12))  # the curves lie on each other
    left.plot(width + np.arange(shown), smooth[:shown], color=color, ls=dashes, lw=2)
    right.plot(clock, smooth, color=color, lw=1.6, label=run.name)
left.set_title("Equal steps: one curve", loc="left", fontsize=12)
left.set(xlabel="training step", ylabel="bits per dimension")
right.set_title("Equal time", loc="left", fontsize=12)
right.set(xlabel="CPU seconds")
right.legend(frameon=False)
plt.show()

# %%
# Samples
# -------
# Crops, and what the flows make of the same noise: after the same steps they agree, and further
# training shows in the last row.  A flow this small, after a minute, has learned colours and
# smoothness, not objects.

rows = {"crops": images}
for run in runs:
    noise = torch.Generator().manual_seed(2)
    with exponential(run.name):
        label = run.name + (", longer" if run is ours else "")
        rows[label] = run.flow.sample(10, (size, size), temperature=0.8, generator=noise)

fig, axes = plt.subplots(len(rows), 10, figsize=(9, 4), layout="constrained")
for line, (label, pictures) in zip(axes, rows.items(), strict=True):
    for axis, picture in zip(line, pictures, strict=False):
        axis.imshow(picture.clamp(0, 1).permute(1, 2, 0).numpy())
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()
