"""
Small transition probabilities of a Markov chain
================================================

The generator Q of a Markov chain in continuous time has rates >= 0 off its diagonal and rows that
sum to zero; the probabilities to be in state j at time t, having started in i, are
:math:`P = \\exp(tQ)`.  Many of them are tiny, and logarithms of them are what likelihoods are made
of.  An algorithm whose error is small next to the largest entry leaves noise in the small ones,
some of it negative.

With ``assume="metzler"``, `randla.expm` works on a shifted matrix that has no negative entry and
with polynomials that have no negative coefficient: nothing cancels, and every probability is
relatively accurate, however small.
"""

import flint
import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg

import randla

# %%
# A queue: customers arrive at rate 1 and leave at rate 2, and at most 39 fit in.  The row of P that
# belongs to the empty queue holds the probabilities to find j customers after a quarter of the
# time between two arrivals.  All rates are exact in binary, so that the reference, interval
# arithmetic at 500 bits, has the same input.

n, t = 40, 0.25
Q = np.diag(np.full(n - 1, 1.0), 1) + np.diag(np.full(n - 1, 2.0), -1)
Q -= np.diag(Q.sum(1))

flint.ctx.prec = 500
exact = flint.arb_mat(n, n, [flint.arb(v) for v in (t * Q).ravel().tolist()]).exp()
true = np.array([float(exact[0, j]) for j in range(n)])

ours = randla.expm(t * Q, assume="metzler")
scipys = scipy.linalg.expm(t * Q)
print("negative entries:  randla", (ours < 0).sum(), "  SciPy", (scipys < 0).sum())
print("rows sum to 1 within", np.abs(ours.sum(1) - 1).max())

# %%
# Both agree on the entries above 1e-16.  Below, SciPy's are rounding errors; they are an accurate
# answer in the sense of a norm, and useless as probabilities.

BLUE, ORANGE = "#0072B2", "#D55E00"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(7, 7), layout="constrained", sharex=True, height_ratios=[1.5, 1]
)
j = np.arange(n)
row = scipys[0]
top.semilogy(j, true, color="0.6", lw=1.2, zorder=1)
top.semilogy(j, ours[0], "o", color=BLUE, ms=4.5)
top.semilogy(j[row > 0], row[row > 0], "^", color=ORANGE, ms=6, mfc="none")
top.semilogy(j[row < 0], -row[row < 0], "v", color=ORANGE, ms=6)
top.set_title("Probability to find j customers in the queue", loc="left", fontsize=12)

u = 2.0**-53
for values, color, marker in ((ours[0], BLUE, "o"), (row, ORANGE, "^")):
    off = np.abs(values - true) / true
    bottom.semilogy(j, np.maximum(off, u / 4), marker, color=color, ms=4.5)
bottom.set_title("Relative error", loc="left", fontsize=12)
bottom.set_xlabel("j")
for ax in (top, bottom):
    ax.grid(axis="y", color="0.9")
plt.show()
