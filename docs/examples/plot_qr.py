"""
QR with pivots by a sketch
==========================

What `randla.qr` costs beside LAPACK's geqrf (no pivots) and geqp3 (pivots), whether its pivots are
as good, and what it and other libraries return for matrices on which methods by sketches or
Cholesky factors are known to fail.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
import torch
from scipy.linalg.lapack import dgeqp3, dgeqrf

import randla

# %%
# Time
# ----
# Matrices of normal numbers, m = 20 n and m = 4 n.  LAPACK's routines give R and reflectors;
# randla gives R and Q, and has tested both.  Medians of interleaved calls; the sizes are small, so
# that this page builds quickly.

rng = np.random.default_rng(0)
METHODS = {
    "randla, pivots": (lambda A: randla.qr(A, pivoting=True, rng=0), "#D55E00", "o"),
    "randla, no pivots": (lambda A: randla.qr(A, rng=0), "#E69F00", "o"),
    "geqp3 (pivots), R alone": (lambda A: dgeqp3(A, lwork=40 * A.shape[1]), "#0072B2", "s"),
    "geqrf, R alone": (lambda A: dgeqrf(A, lwork=40 * A.shape[1]), "#56B4E9", "s"),
}
SIZES = (50, 100, 150, 200, 300)


def medians(A, repeats=5):
    """Median times of all methods, which take turns."""
    times = {name: [] for name in METHODS}
    for _ in range(repeats):
        for name, (call, *_style) in METHODS.items():
            start = time.perf_counter()
            call(A)
            times[name].append(time.perf_counter() - start)
    return {name: np.median(values) for name, values in times.items()}


measured = {
    factor: [medians(np.asfortranarray(rng.standard_normal((factor * n, n)))) for n in SIZES]
    for factor in (20, 4)
}
plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4), sharex=True, layout="constrained")
for ax, (factor, rows) in zip(axes, measured.items(), strict=True):
    for name, (_, color, marker) in METHODS.items():
        ms = [1e3 * row[name] for row in rows]
        ax.loglog(SIZES, ms, marker=marker, color=color, ms=5, label=name)
    ax.set_title(f"m = {factor} n", loc="left", fontsize=11)
    ax.set_xlabel("n")
    ax.set_xticks(SIZES, [str(n) for n in SIZES])
    ax.minorticks_off()
    ax.grid(axis="y", color="0.9")
axes[0].set_ylabel("ms; lower is better")
axes[0].legend(frameon=False, fontsize=9)
plt.show()

# %%
# Pivots
# ------
# The diagonal of R beside that of geqp3, for four spectra.  The pivots come from a sketch of A,
# which shows the lengths of columns up to some ten per cent, so that the order differs where
# columns are nearly as long as each other, and the quality does not.

m, n = 3000, 150
cosine, sine = np.cos(1.2), np.sin(1.2)


def with_singular_values(sigma):
    """Random singular vectors."""
    U = np.linalg.qr(rng.standard_normal((m, n)))[0]
    return (U * sigma) @ np.linalg.qr(rng.standard_normal((n, n)))[0]


spectra = {
    "normal numbers": rng.standard_normal((m, n)),
    "singular values from 1 to 1e-14": with_singular_values(np.logspace(0, -14, n)),
    "rank 90, and noise of 1e-11": with_singular_values(np.where(np.arange(n) < 90, 1, 1e-11)),
    "Kahan's matrix": np.linalg.qr(rng.standard_normal((m, n)))[0]
    @ (np.diag(sine ** np.arange(n)) @ (np.eye(n) - cosine * np.triu(np.ones((n, n)), 1))),
}
fig, axes = plt.subplots(2, 2, figsize=(9.5, 6), sharex=True, layout="constrained")
for ax, (name, A) in zip(axes.flat, spectra.items(), strict=True):
    ours = randla.qr(A, pivoting=True, rng=0)
    theirs = np.abs(np.diag(scipy.linalg.qr(A, mode="r", pivoting=True)[0]))
    ax.semilogy(theirs, color="#0072B2", lw=4, alpha=0.4, label="geqp3")
    ax.semilogy(np.diag(ours.R), color="#D55E00", lw=1.4, label=f"randla, rank {ours.rank}")
    ax.set_title(name, loc="left", fontsize=11)
    ax.grid(axis="y", color="0.9")
    ax.legend(frameon=False, fontsize=9)
axes[0, 0].set_ylim(10, 100)
for ax in axes[1]:
    ax.set_xlabel("i")
fig.supylabel("|R(i, i)|", fontsize=10)
plt.show()

# %%
# What libraries return
# ---------------------
# Orthogonality of Q and residual of A = Q R, in units of eps, for inputs that are hard for some.
# *CholeskyQR2* is the textbook's, in NumPy; the others are the libraries' functions.  Householder's
# method is never wrong for finite numbers, so SciPy, NumPy and torch are right there: the point of
# the table is that randla is too, at the speed of products.  What is not finite is an error.

tall = (2000, 60)


def hard_matrices():
    """Matrices by name."""
    G = rng.standard_normal(tall)
    spiked = G.copy()
    spiked[:60] *= 1e6
    nothing = G.copy()
    nothing[7, 7] = np.nan
    return {
        "normal": G,
        "condition 1e10": G * np.logspace(0, -10, 60),
        "60 rows times 1e6": spiked,
        "[I; 0]": np.eye(*tall),
        "columns twice": np.hstack([G[:, :30], G[:, :30]]),
        "zero": np.zeros(tall),
        "times 1e200": G * 1e200,
        "times 1e-310": G * 1e-310,
        "a NaN": nothing,
    }


def cholesky_qr2(A):
    """CholeskyQR, twice."""
    R = np.eye(A.shape[1])
    for _ in range(2):
        T = np.linalg.cholesky(A.T @ A).T
        A, R = np.linalg.solve(T.T, A.T).T, T @ R
    return A, R


LIBRARIES = {
    "randla.qr, pivots": lambda A: randla.qr(A, pivoting=True, method="cqrrpt", rng=0),
    "randla.qr": lambda A: randla.qr(A, method="cqrrt", rng=0),
    "randla.cholesky_qr": randla.cholesky_qr,
    "scipy.linalg.qr, pivots": lambda A: scipy.linalg.qr(A, mode="economic", pivoting=True),
    "numpy.linalg.qr": np.linalg.qr,
    "torch.linalg.qr": lambda A: [x.numpy() for x in torch.linalg.qr(torch.from_numpy(A))],
    "CholeskyQR2": cholesky_qr2,
}


def verdict(call, A):
    """What comes out: text, and whether it is right."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            Q, R, *rest = call(A)
        except (np.linalg.LinAlgError, ValueError, RuntimeError) as error:
            return type(error).__name__, not np.isfinite(A).all()
        exponent = np.frexp(np.nan_to_num(np.abs(A)).max())[1]
        first, second = 2.0 ** -(exponent // 2), 2.0 ** -(exponent - exponent // 2)
        B, R = A * first * second, R * first * second  # 2^-exponent itself may be infinite
        P = rest[0] if rest else np.arange(A.shape[1])
        orth = np.linalg.norm(Q.T @ Q - np.eye(Q.shape[1])) / np.sqrt(Q.shape[1])
        off = np.linalg.norm(B[:, P] - Q @ R) / (np.linalg.norm(B) or 1)
    if not np.isfinite(orth + off):
        return "NaN", False
    # numbers near 1e-310 have 13 bits less
    rounding = max(np.finfo(float).eps, 5e-324 / np.abs(A).max() if A.any() else 0)
    worst = max(orth / np.finfo(float).eps, off / rounding)
    return f"{worst:.0f}" if worst < 1e5 else f"{worst:.0e}", worst <= 50


cases = hard_matrices()
table = {who: [verdict(call, A) for A in cases.values()] for who, call in LIBRARIES.items()}

fig, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
ax.set_axis_off()
cells = ax.table(
    [[text for text, _ in row] for row in table.values()],
    rowLabels=list(table),
    colLabels=[name.replace(", ", ",\n").replace(" times ", "\ntimes ") for name in cases],
    cellColours=[["#DDEEDD" if right else "#F6D5CC" for _, right in row] for row in table.values()],
    loc="center",
    cellLoc="center",
)
cells.auto_set_font_size(False)
cells.set_fontsize(8.5)
cells.scale(1, 1.6)
ax.set_title("the larger of both errors in eps, or what happened; red: wrong", fontsize=11)
plt.show()

# %%
# Gradients
# ---------
# Where columns are dependent the factors have no derivative.  torch divides by zero, or by what
# rounding left; `randla.torch.qr`, which takes tensors, says so.

A = rng.standard_normal((8, 8))
for name, columns in {
    "independent": A,
    "five zero columns": A * (np.arange(8) < 3),
    "a column twice": A[:, [0, 1, 2, 3, 4, 5, 6, 6]],
}.items():
    gradients = {}
    for who, function in {"torch": torch.linalg.qr, "randla": randla.qr}.items():
        x = torch.from_numpy(columns.copy()).requires_grad_()
        try:
            Q, R = function(x)
            (R.sum() + Q.sum()).backward()
            gradients[who] = f"a gradient of norm {float(x.grad.norm()):.1e}"
        except (np.linalg.LinAlgError, RuntimeError) as error:
            gradients[who] = type(error).__name__
    print(f"{name}: torch {gradients['torch']}; randla {gradients['randla']}")
