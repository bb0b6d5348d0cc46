"""
How much to smooth: the trace of an inverse
===========================================

Of a photograph a third of the pixels are left, with noise.  A thin plate through them, as stiff as
they deserve, fills the rest in.  Generalised cross-validation finds the stiffness without looking
at the truth, but it wants the trace of a matrix as large as the picture, known by solves alone.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, splu
from sklearn.datasets import load_sample_image

import randla

photograph = load_sample_image("china.jpg").mean(axis=2) / 255


def reduced(step):
    """The photograph with squares of step pixels averaged."""
    rows, columns = (size // step for size in photograph.shape)
    cut = photograph[: rows * step, : columns * step]
    return cut.reshape(rows, step, columns, step).mean(axis=(1, 3))


class Smoother:
    """Pixels that are known, and the thin plate through them."""

    def __init__(self, truth, noise=0.1, share=1 / 3):
        rng = np.random.default_rng(0)
        self.truth, n = truth, truth.size
        self.known = (rng.random(n) < share).astype(float)
        self.y = self.known * (truth.ravel() + noise * rng.standard_normal(n))
        laplacian = None
        for size in truth.shape:
            D = sp.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(size - 1, size))
            one = D.T @ D
            eye = sp.eye_array
            laplacian = one if laplacian is None else (
                sp.kron(laplacian, eye(size)) + sp.kron(eye(laplacian.shape[0]), one)
            )  # fmt: skip
        self.plate = (laplacian @ laplacian).tocsc()

    def at(self, stiffness):
        """The function that solves, and the operator that maps what is known to its values."""
        solve = splu((sp.diags_array(self.known) + stiffness * self.plate).tocsc()).solve
        known, shape = self.known[:, None], self.plate.shape
        operator = LinearOperator(
            shape,
            matvec=lambda x: self.known * solve(self.known * x.ravel()),
            matmat=lambda X: known * solve(known * X),
            dtype=float,
        )
        return solve, operator


# %%
# Which method
# ------------
# A small picture first, of which the trace can be had by a solve for each pixel: a budget of n is
# exact.  Each error is the root mean square of ten runs; the lines that are dotted are what the
# estimates say of themselves.  A soft plate has hundreds of eigenvalues near one, and no method is
# better than the mean of x^T S x.  Those of a stiff one decay, and then it pays to know where to.

small = Smoother(reduced(10))
methods = {
    "hutchinson": ("#999999", "s"),
    "hutch++": ("#009E73", "^"),
    "xtrace": ("#D55E00", "o"),
    "xnystrace": ("#0072B2", "D"),
}
budgets = [12, 24, 48, 96, 192]
plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
for ax, value in zip(axes, (1.0, 1e4), strict=True):
    _, operator = small.at(value)
    exact = randla.trace_estimate(operator, budget=small.truth.size)
    print(f"{exact.info.products} products: the trace is {exact.value:.6f}")
    for method, (colour, marker) in methods.items():
        errors, claims = [], []
        for budget in budgets:
            runs = [
                randla.trace_estimate(operator, method=method, budget=budget, rng=seed)
                for seed in range(10)
            ]
            off = np.array([run.value - exact.value for run in runs])
            errors.append(np.sqrt((off**2).mean()) / exact.value)
            claims.append(np.sqrt(np.mean([run.error**2 for run in runs])) / exact.value)
        ax.loglog(budgets, errors, color=colour, marker=marker, ms=4, label=method)
        ax.loglog(budgets, claims, color=colour, lw=1, ls=":")
    ax.set_xticks(budgets, budgets)
    ax.minorticks_off()
    ax.set_xlabel("products: solves with one right-hand side")
    title = f"stiffness {value:g}: a trace of {exact.value:.1f}"
    ax.set_title(title, loc="left", fontsize=11)
    ax.grid(axis="y", color="0.9")
axes[0].set_ylabel("relative error (dotted: as estimated)")
axes[0].legend(frameon=False)
plt.show()

# %%
# How stiff
# ---------
# On a larger picture the score n r^2 / (n - trace)^2, r the norm of the residuals and n the number
# of known pixels, has its minimum where the error in the unknown ones, which it has not seen, is
# nearly least.

large = Smoother(reduced(4))
count = large.known.sum()
stiffness = np.logspace(-2.5, 1.5, 13)
scores, spread, unseen, pictures = [], [], [], []
for value in stiffness:
    solve, operator = large.at(value)
    freedom, error = randla.trace_estimate(operator, method="xnystrace", budget=40, rng=0)
    picture = solve(large.y)
    residual = np.linalg.norm(large.known * (picture - large.y))
    scores.append(count * residual**2 / (count - freedom) ** 2)
    spread.append(2 * 2 * error / (count - freedom) * scores[-1])
    off = (1 - large.known) * (picture - large.truth.ravel())
    unseen.append(np.sqrt((off**2).sum() / (large.truth.size - count)))
    pictures.append(picture.reshape(large.truth.shape))
best = int(np.argmin(scores))
print(f"{large.truth.size} pixels, least score at {stiffness[best]:.2g}")
print(f"error there {unseen[best]:.4f}, least {min(unseen):.4f} at "
      f"{stiffness[int(np.argmin(unseen))]:.2g}")  # fmt: skip

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
axes[0].errorbar(stiffness, scores, spread, color="#0072B2", marker="D", ms=4)
axes[0].plot(stiffness[best], scores[best], "o", ms=11, mfc="none", color="#D55E00")
axes[0].set_title("score, and two errors of the trace", loc="left", fontsize=11)
axes[1].plot(stiffness, unseen, color="0.4", marker="s", ms=4)
axes[1].plot(stiffness[best], unseen[best], "o", ms=11, mfc="none", color="#D55E00")
axes[1].set_title("error in pixels that were not known", loc="left", fontsize=11)
for ax in axes:
    ax.set_xscale("log")
    ax.set_xlabel("stiffness")
    ax.grid(axis="y", color="0.9")
plt.show()

# %%
# What was left of the photograph, what the plate makes of it, and what it was:

figure, axes = plt.subplots(1, 3, figsize=(9, 2.4), layout="constrained")
left = np.where(large.known > 0, large.y, np.nan).reshape(large.truth.shape)
for ax, picture, title in zip(
    axes, (left, pictures[best], large.truth), ("known", "filled in", "truth"), strict=True
):
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, loc="left", fontsize=11)
    ax.set_axis_off()
plt.show()
