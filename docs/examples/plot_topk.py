"""
Time against k
==============

Selecting the k largest of a million numbers: with a small k, `randla.topk` takes about as long as
reading them.  `numpy.argpartition` orders all indices whatever k is, and a full sort costs the same
for every k.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import randla

# %%
# The k largest of n
# ------------------
# The best of some runs for each k, on one thread.

n = 1_000_000
x = np.random.default_rng(0).standard_normal(n, dtype=np.float32)
ks = [1, 10, 100, 1_000, 10_000, 50_000, 100_000, 250_000, 500_000]


def seconds(call):
    """Least time of five calls."""
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def argpartition(k):
    """Values and indices of the k largest, in any order."""
    index = np.argpartition(x, n - k)[n - k :]
    return x[index], index


with randla.num_threads(1):
    curves = {
        "randla.topk": [seconds(lambda k=k: randla.topk(x, k, sorted=False)) for k in ks],
        "sorted": [seconds(lambda k=k: randla.topk(x, k)) for k in ks],
        "numpy.argpartition": [seconds(lambda k=k: argpartition(k)) for k in ks],
    }
    reading = seconds(x.max)

# %%
# Both give the same values; of equal ones randla takes those of lowest index.

values, indices = randla.topk(x, 1_000)
assert np.array_equal(np.sort(argpartition(1_000)[0]), np.sort(values))
assert np.array_equal(x[indices], values)

# %%

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
colors = {"randla.topk": "#D55E00", "sorted": "#E69F00", "numpy.argpartition": "#0072B2"}
for name, taken in curves.items():
    ax.loglog(ks, 1e3 * np.array(taken), "o-", color=colors[name], lw=2, ms=4)
    ax.annotate(name, (ks[-1], 1e3 * taken[-1]), (8, 0), textcoords="offset points",
                color=colors[name], va="center")  # fmt: skip
ax.axhline(1e3 * reading, color="0.4", lw=1, ls="--")
ax.annotate("one reading (numpy.max)", (1, 1e3 * reading), (0, -14),
            textcoords="offset points", color="0.4")  # fmt: skip
ax.set(xlabel="k", ylabel="ms")
ax.set_title("The k largest of a million float32", loc="left", fontsize=12)
ax.grid(axis="y", color="0.9")
plt.show()
