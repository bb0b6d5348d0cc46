"""
The spectrum of a field that is never stored
============================================

A simulation writes a snapshot of a field at each step, and all of them together are too many to
keep.  :class:`randla.StreamingSVD` takes them as they come and holds sketches alone; at any time
it tells the modes, their singular values, and how large the error is.  Here the field is a sum of
waves on a circle, so that the truth is known, too.
"""

import matplotlib.pyplot as plt
import numpy as np

import randla

points, waves, steps, block = 2000, 150, 12_000, 500
rng = np.random.default_rng(0)
number = np.arange(1, waves + 1)
amplitude = number ** (-5 / 6)  # energy falls like the power -5/3 of the wave number
speed, phase = rng.uniform(0.5, 1.5, waves), rng.uniform(0, 2 * np.pi, waves)
x = np.linspace(0, 2 * np.pi, points, endpoint=False)
shapes = np.concatenate([np.cos(np.outer(number, x)), np.sin(np.outer(number, x))])


def weights(first):
    """Of the shapes in a block of steps; the waves grow slowly, one after the other."""
    t = 0.05 * np.arange(first, first + block)[:, None]
    size = amplitude * np.minimum(1, t / (3 * number))
    angle = np.sqrt(number) * speed * t + phase
    return np.concatenate([size * np.cos(angle), size * np.sin(angle)], axis=1)


# %%
# One pass
# --------
# A block of snapshots exists for the moment in which the streams take it.

ranks = (2, 5, 10, 20, 40)
streams = {k: randla.StreamingSVD(points, k, rng=0) for k in ranks}
history = {}
for first in range(0, steps, block):
    snapshots = weights(first) @ shapes
    for stream in streams.values():
        stream.update_rows(snapshots)
    if first + block in (steps // 8, steps // 2, steps):
        history[first + block] = streams[20].result().S
p = 4 * 20 + 1
print(f"all snapshots:         {steps * points * 8 / 1e6:6.0f} MB")
print(f"one block:             {block * points * 8 / 1e6:6.0f} MB")
print(f"the stream of rank 20: {(steps * p + points * (2 * p + 128)) * 8 / 1e6:6.0f} MB")
print(f"without left vectors:  {points * (2 * p + 128) * 8 / 1e6:6.0f} MB")

# %%
# Beside the truth
# ----------------
# The matrix is a product of the weights and the shapes, so its singular values come from small
# matrices, and the error of a decomposition from small products.

T = np.concatenate([weights(first) for first in range(0, steps, block)])
triangle = np.linalg.qr(shapes.T).R


def values(rows):
    """Exact singular values of the first rows, descending."""
    squares = np.linalg.eigvalsh(triangle @ (T[:rows].T @ T[:rows]) @ triangle.T)
    return np.sqrt(np.maximum(squares[::-1], 0))


truth = {rows: values(rows) for rows in history}
exact = truth[steps]
found = {}
for k, stream in streams.items():
    U, S, Vh = result = stream.result()
    inner = ((U.T @ T) * S[:, None] * (Vh @ shapes.T)).sum()
    true = np.sqrt((exact**2).sum() - 2 * inner + (S**2).sum())
    best = np.sqrt((exact[k:] ** 2).sum())
    found[k] = true, result.info.error_fro, best
    print(f"rank {k:2d}: error {true:.0f}, estimate {found[k][1]:.0f}, least {best:.0f}")
    assert true < 1.35 * best
    assert 0.8 < result.info.error_fro / true < 1.25

plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
fig, axes = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained")
for (rows, S), color in zip(history.items(), ("#56B4E9", "#009E73", "#0072B2"), strict=True):
    axes[0].loglog(np.arange(1, 61), truth[rows][:60], color=color, lw=1, alpha=0.7)
    axes[0].loglog(np.arange(1, 21), S, "o", ms=4, color=color, label=f"after {rows} steps")
axes[0].set_title("singular values; lines: exact", loc="left", fontsize=11)
axes[0].set_xlabel("number")
axes[0].legend(frameon=False)
true, estimate, best = np.array(list(found.values())).T
axes[1].loglog(ranks, true, "-", color="#D55E00", lw=2, label="error")
axes[1].loglog(ranks, estimate, "o", color="#000000", ms=5, label="its estimate")
axes[1].loglog(ranks, best, "--", color="#999999", lw=1.5, label="the least of that rank")
axes[1].set_title("error of the decomposition", loc="left", fontsize=11)
axes[1].set_xlabel("rank")
axes[1].set_xticks(ranks, [str(k) for k in ranks])
axes[1].minorticks_off()
axes[1].legend(frameon=False)
plt.show()
