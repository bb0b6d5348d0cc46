r"""
Small transition probabilities of a Markov chain
================================================

The generator Q of a Markov chain in continuous time has rates >= 0 off its diagonal and rows that
sum to zero; the probabilities to be in state j at time t, having started in i, are
:math:`P = \exp(tQ)`.  Many of them are tiny, and logarithms of them are what likelihoods are made
of.  An algorithm whose error is small next to the largest entry may leave noise, even negative
noise, in the small ones.

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

results = {
    "randla, metzler": randla.expm(t * Q, assume="metzler"),
    "randla, no promise": randla.expm(t * Q),
    "SciPy": scipy.linalg.expm(t * Q),
}
for name, P in results.items():
    print(f"{name:18} {(P < 0).sum():3} negative entries, ", end="")
    print(f"rows sum to 1 within {np.abs(P.sum(1) - 1).max():.1e}")

# %%
# In a norm, the three results are equally good.  Entry by entry, SciPy's lose their digits one
# after the other, and so do randla's without the promise.  (An entry that is 0 is not drawn; a
# filled triangle or square would be a negative one.)

BLUE, GREEN, ORANGE = "#0072B2", "#009E73", "#D55E00"
styles = {
    "randla, metzler": (BLUE, "o", 4),
    "randla, no promise": (GREEN, "s", 6),
    "SciPy": (ORANGE, "^", 6),
}
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(7, 7.6), layout="constrained", sharex=True, height_ratios=[1.4, 1]
)
j = np.arange(n)
top.semilogy(j, true, color="0.6", lw=1.2, zorder=1)
for name, (color, marker, size) in styles.items():
    row = results[name][0]
    fill = color if name == "randla, metzler" else "none"
    top.semilogy(j, np.abs(row), marker, color=color, ms=size, mfc=fill)
    top.semilogy(j[row < 0], -row[row < 0], marker, color=color, ms=size)
    off = np.abs(row - true) / true
    bottom.semilogy(j, np.maximum(off, 2.0**-54), marker, color=color, ms=size, mfc=fill)
for ax, places in (
    (top, ((23, -59), (8.5, -38), (32, -43))),
    (bottom, ((29, -14), (8, -4), (30, 5))),
):
    for (name, (color, _, _)), (at, power) in zip(styles.items(), places, strict=True):
        ax.text(at, 10.0**power, name, color=color)
top.set_title("Probability to find j customers in the queue", loc="left", fontsize=12)
bottom.set_title("Relative error", loc="left", fontsize=12)
bottom.set_xlabel("j")
for ax in (top, bottom):
    ax.grid(axis="y", color="0.9")
plt.show()
