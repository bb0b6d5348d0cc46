"""
How many matrix products an exponential needs
=============================================

`randla.expm` evaluates a Taylor polynomial of :math:`A / 2^s` and squares the result s times.
The order, 1 to 21, and the scaling s are chosen for each matrix: the cheapest pair whose backward
error is proved to stay below `tol`.  ``return_info=True`` tells what was chosen.
"""

import matplotlib.pyplot as plt
import numpy as np

import randla

# %%
# Products against the norm
# -------------------------
# Random matrices of order 16, scaled to 1-norms from 1e-5 to 100.  All norms form one batch, and
# each matrix gets its own order and scaling.

rng = np.random.default_rng(0)
norms = np.geomspace(1e-5, 100, 400)
samples = rng.standard_normal((40, 1, 16, 16))
samples /= np.abs(samples).sum(-2, keepdims=True).max(-1, keepdims=True)
batch = samples * norms[:, None, None]


def products(a, tol=None):
    """Matrix products, the mean over samples of the same norm."""
    return randla.expm(a, tol=tol, return_info=True)[1].products.mean(0)


curves = [
    ("float64", "#0072B2", products(batch)),
    ("tol=1e-8", "#009E73", products(batch, 1e-8)),
    ("float32", "#D55E00", products(batch.astype(np.float32))),
    ("tol=1e-3", "#555555", products(batch, 1e-3)),
]

# %%
# Order and scaling of non-normal matrices
# ----------------------------------------
# The rule reads the norms of :math:`A` and of :math:`A^2`.  For a normal matrix,
# :math:`\|A^2\|^{1/2}` is close to :math:`\|A\|`; where it is much smaller, the powers of A grow
# more slowly than its norm suggests, and a rule that reads :math:`\|A\|` alone scales too much.
# The matrices ``[[0, b], [c, 0]]`` with ``b >= c`` have :math:`\|A\|_1 = b` and
# :math:`\|A^2\|_1^{1/2} = \sqrt{bc}`, so they reach every point below the diagonal.

x = np.geomspace(1e-3, 1e5, 600)
y = np.geomspace(1e-3, 100, 601)
b, root = np.meshgrid(x, y)
a = np.zeros((*b.shape, 2, 2))
a[..., 0, 1] = b
a[..., 1, 0] = root**2 / b
_, info = randla.expm(a, return_info=True)
possible = root <= b
cost = np.where(possible, info.products, np.nan)
choice = np.where(possible, 100 * info.scaling + info.order, -1)

# %%
# Along a row of the map, the norm changes and the norm of the square does not: at
# :math:`\|A^2\|^{1/2} = 0.1`, a norm of 1 and one of
# 100,000 take the same number of products.

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(7, 9), layout="constrained", height_ratios=[1, 1.35]
)

for (name, color, mean), at, side in zip(
    curves, (2e-2, 7e-4, 2.5e-3, 0.13), (5, 5, -14, -14), strict=True
):
    top.semilogx(norms, mean, color=color, lw=2)
    where = (norms[np.searchsorted(norms, at)], mean[np.searchsorted(norms, at)])
    top.annotate(name, where, (0, side), textcoords="offset points", color=color, ha="center")
top.set(xlabel=r"$\|A\|_1$", xlim=(1e-5, 100), ylim=(-0.4, 11), yticks=range(0, 11, 2))
top.set_title("Matrix products for one exponential", loc="left", fontsize=12)
top.grid(axis="y", color="0.9")

shades = plt.get_cmap("Blues")
bottom.pcolormesh(x, y, cost, cmap=shades, vmin=0, vmax=13, rasterized=True)
column = int(np.searchsorted(x, 8e4))
for key in np.unique(choice[:, column][possible[:, column]]):
    region = choice == key
    bottom.contour(x, y, region, levels=[0.5], colors="white", linewidths=0.8)
    rows = np.flatnonzero(region[:, column])
    middle = rows[len(rows) // 2]
    number = int(cost[middle, column])
    squarings = f", s = {key // 100}" if key >= 100 else ""
    bottom.text(
        8e4,
        y[middle],
        f"order {key % 100}{squarings}: {number} products",
        color="white" if number > 7 else "black",
        fontsize=9.5,
        ha="right",
        va="center",
    )
bottom.text(0.4, 1.2, "normal matrices lie\non this edge", color="0.3", ha="right")
bottom.set(xscale="log", yscale="log", xlabel=r"$\|A\|_1$", ylabel=r"$\|A^2\|_1^{1/2}$")
bottom.set_title("Order and scaling, float64", loc="left", fontsize=12)
plt.show()
