"""
A selection that is trained
===========================

A classifier of digits sees 8 of the 64 pixels of an image, and a small network chooses which: it
scores every pixel by its value and its place, `randla.torch.soft_topk` makes weights of the scores,
and the loss of the classifier trains both.  Each kind of weights is trained soft and
straight-through, and its gradient is compared with what it stands for: how the loss changes when a
pixel is swapped in or out.  The images are scikit-learn's; nothing is downloaded.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy, layer_norm

import randla.torch

torch.manual_seed(0)
torch.set_num_threads(1)
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

digits = load_digits()
images = torch.from_numpy(digits.data / 16).float()
labels = torch.from_numpy(digits.target)
order = torch.randperm(len(images))
train, test = order[:1300], order[1300:]

k, steps, kinds = 8, 360, ("fermi", "laplace", "threshold", "shiva")
colors = dict(zip(kinds, ("#D55E00", "#0072B2", "#009E73", "#CC79A7"), strict=True))

# %%
# The model
# ---------
# The network that scores sees one pixel at a time, so that the choice cannot tell the digit to the
# classifier by itself.  Scores have mean 0 and variance 1 in each image: that is what gives the
# temperature its meaning, here 0.3 standard deviations.


class Selector(nn.Module):
    """Scores of pixels, the weights of the k best, and a classifier of what is left."""

    def __init__(self, kind, hard):
        super().__init__()
        torch.manual_seed(1)
        self.kind, self.hard = kind, hard
        self.place = nn.Parameter(0.5 * torch.randn(64, 8))
        self.score = nn.Sequential(nn.Linear(9, 32), nn.GELU(), nn.Linear(32, 1))
        self.classify = nn.Sequential(nn.Linear(128, 96), nn.GELU(), nn.Linear(96, 10))

    def scores(self, x):
        """One for each pixel."""
        places = self.place.expand(len(x), 64, 8)
        return layer_norm(self.score(torch.cat([x[..., None], places], -1))[..., 0], (64,))

    def weights(self, scores, hard):
        """Between 0 and 1."""
        return randla.torch.soft_topk(scores, k, kind=self.kind, temperature=0.3, hard=hard)

    def logits(self, x, weights):
        """Of the ten digits, from weighted pixels and the weights."""
        return self.classify(torch.cat([x * weights, weights], -1))

    def forward(self, x):
        """As it is trained."""
        return self.logits(x, self.weights(self.scores(x), self.hard))


def chosen(model, x):
    """The exact mask, by which all are judged."""
    with torch.no_grad():
        return randla.torch.topk_mask(model.scores(x), k).float()


def accuracy(model):
    """Share of the test images that are classified well with k pixels."""
    with torch.no_grad():
        found = model.logits(images[test], chosen(model, images[test])).argmax(-1)
    return float((found == labels[test]).float().mean())


def fit(kind, hard):
    """A trained model, its accuracy on the way, and how often each pixel was chosen."""
    model, curve, maps = Selector(kind, hard), [], {}
    optimizer = torch.optim.Adam(model.parameters(), 4e-3)
    draw = torch.Generator().manual_seed(2)
    for step in range(steps + 1):
        if step % 20 == 0:
            curve.append((step, accuracy(model)))
            maps[step] = chosen(model, images[test]).mean(0).reshape(8, 8)
        some = train[torch.randint(len(train), (128,), generator=draw)]
        optimizer.zero_grad()
        cross_entropy(model(images[some]), labels[some]).backward()
        optimizer.step()
    return model, np.array(curve), maps


runs = {(kind, hard): fit(kind, hard) for kind in kinds for hard in (True, False)}

# %%
# Trained soft, the classifier gets used to pixels that are present in part, and loses when the
# exact mask is put in.  Straight-through it sees at every step what it will be judged by.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharey=True)
for (kind, hard), (_, curve, _) in runs.items():
    axis = left if hard else right
    axis.plot(*curve.T, color=colors[kind], lw=2, label=kind)
left.set(title="straight-through", xlabel="step", ylabel="test accuracy with the exact mask")
right.set(title="soft", xlabel="step")
right.legend(frameon=False)
for axis in (left, right):
    axis.grid(axis="y", color="0.9")
plt.show()

# %%
# What is chosen: how often each pixel is among the 8, over the test images, as training goes on.
# At first it is the same pixels for every image, some of them on the margins, which are empty; in
# the end most lie on the strokes, and the choice depends on the image.

shown = (0, 40, 120, steps)
fig, axes = plt.subplots(len(kinds), len(shown), figsize=(6.6, 6.6), layout="constrained")
for place, (row, kind) in enumerate(zip(axes, kinds, strict=True)):
    maps = runs[kind, True][2]
    for axis, step in zip(row, shown, strict=True):
        picture = axis.imshow(maps[step], cmap="viridis", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        if place == 0:
            axis.set_title(f"step {step}")
    row[0].set_ylabel(kind)
fig.colorbar(picture, ax=axes, shrink=0.5, label="share of the images")
plt.show()

# %%
# Is it the right gradient?
# -------------------------
# The gradient by a score says whether the loss would fall if that pixel came nearer to being
# chosen.  That can be measured: swap pixel i with the one across the border of the selection (a
# chosen one with number k + 1, another with number k), and take the loss with i less that without.
# All kinds are asked about the same models: the four that were trained straight-through.


def flips(model, x, y):
    """Loss with each pixel chosen less that without, all else as it was but the other swapped."""
    scores = model.scores(x)
    ranking = scores.argsort(-1, descending=True)
    mask = chosen(model, x)
    other = torch.where(mask > 0, ranking[:, k : k + 1], ranking[:, k - 1 : k])
    swapped = mask[:, None].repeat(1, 64, 1)
    pixel = torch.arange(64).expand(len(x), 64)
    swapped.scatter_(2, other[..., None], 1 - mask.gather(1, other)[..., None])
    swapped.scatter_(2, pixel[..., None], 1 - mask[..., None])
    both = torch.cat([mask[:, None], swapped], 1)
    logits = model.logits(x[:, None].expand_as(both), both)
    loss = cross_entropy(logits.flatten(0, 1), y.repeat_interleave(65), reduction="none")
    before, after = loss.reshape(-1, 65)[:, :1], loss.reshape(-1, 65)[:, 1:]
    return torch.where(mask > 0, before - after, after - before)


def by_scores(model, kind, x, y):
    """Straight-through gradients of the losses, of any kind of weights."""
    scores = model.scores(x).detach().requires_grad_()
    weights = randla.torch.soft_topk(scores, k, kind=kind, temperature=0.3, hard=True)
    loss = cross_entropy(model.logits(x, weights), y, reduction="sum")
    return torch.autograd.grad(loss, scores)[0]


def ranks(a):
    """From 0 on, in each row."""
    return a.argsort(-1).argsort(-1).double()


def agreement(gradient, measured):
    """Rank correlation in each image, and share of equal signs among the larger half of flips."""
    a, b = (ranks(v) - 31.5 for v in (gradient, measured))
    correlation = (a * b).sum(-1) / (a * a).sum(-1)
    large = measured.abs() >= measured.abs().median(-1, keepdim=True).values
    same = (gradient.sign() == measured.sign())[large]
    return float(correlation.mean()), float(same.float().mean())


some = test[:200]
table = {}
for trained in kinds:
    model = runs[trained, True][0]
    with torch.no_grad():
        measured = flips(model, images[some], labels[some])
    for kind in kinds:
        gradient = by_scores(model, kind, images[some], labels[some])
        table[trained, kind] = agreement(gradient, measured)
print(f"{'gradient of':12}rank correlation  equal signs   (means over the four models)")
for kind in kinds:
    mean = np.mean([table[trained, kind] for trained in kinds], axis=0)
    print(f"{kind:12}{mean[0]:16.2f}{100 * mean[1]:11.0f} %")

# %%
# Every kind knows in most cases whether a pixel helps.  The gradient is local and a swap is not, so
# none is perfect.  ``"fermi"`` and ``"laplace"`` compare a pixel with the mean of those near the
# threshold, ``"threshold"`` with the two at the border alone, as the swaps do; ``"shiva"`` compares
# it with all pixels whose score is near its own, chosen or not.

fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for axis, which, name in zip(axes, (0, 1), ("rank correlation", "equal signs"), strict=True):
    for place, kind in enumerate(kinds):
        heights = [table[trained, kind][which] for trained in kinds]
        axis.bar(np.arange(4) + 0.2 * place - 0.3, heights, 0.18, color=colors[kind], label=kind)
    axis.set_xticks(range(4), kinds)
    axis.set(title=f"{name} with the measured swaps", xlabel="model trained with")
    axis.grid(axis="y", color="0.9")
    axis.set_axisbelow(True)
axes[1].axhline(0.5, color="0.4", lw=1, ls="--")
axes[0].legend(frameon=False, title="gradient of", ncols=4, loc="upper center",
               bbox_to_anchor=(0.5, -0.2))  # fmt: skip
plt.show()

# %%
# What it costs
# -------------
# Forward and backward of a row of N scores, beside the sum over pairs as it is written.

sizes = [64, 128, 256, 512, 1024, 2048, 4096]


def pairwise(x):
    """Soft ranks as in the definition."""
    return 0.5 + torch.sigmoid((x[..., None, :] - x[..., :, None]) / 0.2).sum(-1)


def seconds(function, n):
    """Least time of some calls."""
    x = torch.rand(n, requires_grad=True)
    g, taken = torch.rand(n), []
    for _ in range(7):
        start = time.perf_counter()
        torch.autograd.grad(function(x), x, g)
        taken.append(time.perf_counter() - start)
    return min(taken)


functions = {
    "all pairs in torch": pairwise,
    "soft_rank": lambda x: randla.torch.soft_rank(x, temperature=0.2),
    "fermi": lambda x: randla.torch.soft_topk(x, len(x) // 2, temperature=0.2),
    "torch.topk": lambda x: torch.cat([torch.topk(x, len(x) // 2).values] * 2),
}
with randla.num_threads(1):
    curves = {name: [seconds(f, n) for n in sizes] for name, f in functions.items()}

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
shades = ("#0072B2", "#CC79A7", "#D55E00", "0.4")
for (name, taken), color, rise in zip(curves.items(), shades, (0, 7, -7, 0), strict=True):
    ax.loglog(sizes, 1e6 * np.array(taken), "o-", color=color, lw=2, ms=4)
    ax.annotate(name, (sizes[-1], 1e6 * taken[-1]), (8, rise), textcoords="offset points",
                color=color, va="center")  # fmt: skip
ax.set(xlabel="N", ylabel="microseconds")
ax.set_title("Forward and backward of one row, float32", loc="left", fontsize=12)
ax.grid(axis="y", color="0.9")
plt.show()
