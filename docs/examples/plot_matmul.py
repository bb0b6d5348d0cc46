"""
Fast matrix multiplication: what it gains and what it costs
===========================================================

Bounds on the exponent of matrix multiplication have fallen for half a century. What a user can
have is one or two levels of a scheme over the BLAS: some percent of the time for large matrices, at
a larger error.
"""

# %%
# The exponent
# ------------
# None of the bounds below 2.78 has an algorithm that could be run. Strassen's 2.807 has.

import time

import matplotlib.pyplot as plt
import numpy as np

import randla

rows = randla.omega_history()
years, bounds = [row.year for row in rows], [row.bound for row in rows]
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.step([1960, *years, years[-1] + 2], [3.0, *bounds, bounds[-1]], where="post")
ax.axhline(2.0, color="0.7", linestyle=":")
for row in rows:
    if row.year in (1969, 1979, 1990, 2024):
        first = row.authors.split(",")[0]
        ax.annotate(first, (row.year, row.bound), (3, 6), textcoords="offset points", fontsize=8)
ax.set(xlabel="year", ylabel="upper bound of the exponent", ylim=(1.95, 3.05))
ax.set_title("Bounds on the exponent of matrix multiplication")

# %%
# Time
# ----
# Speed beside NumPy's product, which is the same BLAS; the median of some runs in turns. Below 1
# the BLAS is faster, and `algorithm="auto"` uses it. The sizes here are small, for the page to be
# built soon: the gain grows with the size, to at most 8/7 for each level.

schemes = [("winograd", 1), ("winograd", 2), ("strassen", 1), ("k3x3x3_23", 1)]
sizes = [256, 512, 1024, 1536]
rng = np.random.default_rng(0)
speed = {scheme: [] for scheme in schemes}
for n in sizes:
    a, b = (rng.random((n, n)) - 0.5 for _ in range(2))
    c = np.empty((n, n))
    samples = {scheme: [] for scheme in schemes}
    for _ in range(3):
        start = time.perf_counter()
        np.matmul(a, b, out=c)
        classical = time.perf_counter() - start
        for name, levels in schemes:
            start = time.perf_counter()
            randla.matmul(a, b, algorithm=name, levels=levels, out=c)
            samples[name, levels].append(classical / (time.perf_counter() - start))
    for scheme in schemes:
        speed[scheme].append(np.median(samples[scheme]))

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, levels), values in speed.items():
    ax.plot(sizes, values, "o-", label=f"{name}, levels {levels}")
ax.axhline(1.0, color="0.5")
ax.set(xlabel="n", ylabel="speed over NumPy; higher is better")
ax.legend()
ax.set_title("One product of n x n matrices, float64")

# %%
# Error
# -----
# Against a product in double precision, for uniform entries in [-1, 1).

sizes = [128, 256, 512, 1024]
schemes = [("classical", 0), *schemes, ("even_power", 1)]
error = {scheme: [] for scheme in schemes}
for n in sizes:
    a, b = ((2 * rng.random((n, n)) - 1).astype(np.float32) for _ in range(2))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    for name, levels in schemes:
        c = randla.matmul(a, b, algorithm=name, levels=levels)
        error[name, levels].append(np.linalg.norm(c - exact) / np.linalg.norm(exact))

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, levels), values in error.items():
    ax.loglog(sizes, values, "o-", label=name if levels == 0 else f"{name}, levels {levels}")
ax.set(xlabel="n", ylabel="relative error, Frobenius norm")
ax.legend(fontsize=8)
ax.set_title("Error, float32; lower is better")
plt.show()
