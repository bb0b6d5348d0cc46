"""
Least squares at any condition
==============================

How accurate are fast solvers?  A random sketch makes a preconditioner with which LSQR needs few
steps, whatever the condition of the matrix, but its error grows with it.  Two refinements by the
same sketch are as accurate as LAPACK's factorisation.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, lsqr

import randla

# %%
# A matrix of any condition
# -------------------------
# Singular values from 1 down to 1 / condition; a solution of norm 1, and a residual of norm 0.01.

m, n = 4000, 50
rng = np.random.default_rng(0)
left = np.linalg.qr(rng.standard_normal((m, n + 1)))[0]
right = np.linalg.qr(rng.standard_normal((n, n)))[0]
direction = rng.standard_normal(n)
direction /= np.linalg.norm(direction)


def problem(condition):
    """A and b."""
    A = (left[:, :n] * np.logspace(0, -np.log10(condition), n)) @ right
    return A, A @ direction + 0.01 * left[:, n]


def backward_error(A, b, x):
    """Karlson and Walden's estimate: the relative change of A that makes x exact."""
    s, V = np.linalg.svd(A, full_matrices=False)[1:]
    r = b - A @ x
    g = V @ (A.T @ r) / np.hypot(np.linalg.norm(x) * s, np.linalg.norm(r))
    return np.linalg.norm(g) / np.linalg.norm(s)


# %%
# Three solvers
# -------------


def preconditioned_lsqr(A, b):
    """LSQR with the triangle of a sketch, as far as it gets."""
    S = randla.sketch.SparseSign(12 * n, m, rng=1)
    Q, R = np.linalg.qr(S @ A)
    operator = LinearOperator(
        A.shape,
        matvec=lambda y: A @ scipy.linalg.solve_triangular(R, y),
        rmatvec=lambda r: scipy.linalg.solve_triangular(R, A.T @ r, trans=1),
        dtype=A.dtype,
    )
    start = Q.T @ (S @ b)
    y = lsqr(operator, b, atol=1e-16, btol=1e-16, conlim=0, iter_lim=100, x0=start)[0]
    return scipy.linalg.solve_triangular(R, y)


solvers = {
    "LSQR, preconditioned": (preconditioned_lsqr, "#0072B2", "s"),
    "randla.lstsq": (
        lambda A, b: randla.lstsq(A, b, rcond=0, method="spir", rng=1).x,
        "#D55E00",
        "o",
    ),
    "LAPACK, gelsy": (
        lambda A, b: scipy.linalg.lstsq(A, b, cond=0, lapack_driver="gelsy")[0],
        "#009E73",
        "^",
    ),
}
conditions = np.logspace(0.5, 15, 16)
errors = {name: [] for name in solvers}
steps = []
for condition in conditions:
    A, b = problem(condition)
    for name, (solve, _, _) in solvers.items():
        errors[name].append(backward_error(A, b, solve(A, b)))
    steps.append(randla.lstsq(A, b, rcond=0, method="spir", rng=1).info.n_steps)

# %%
# Errors and steps
# ----------------

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for name, (_, colour, marker) in solvers.items():
    axes[0].loglog(conditions, errors[name], color=colour, marker=marker, ms=4, label=name)
axes[0].axhline(2**-52, color="0.6", lw=1, ls=":")
axes[0].text(1e7, 2**-52 * 1.2, "eps", ha="center", color="0.4")
axes[0].set(xlabel="condition number", ylabel="backward error", title="Lower is better")
axes[0].legend(frameon=False)
axes[1].semilogx(conditions, steps, color="#D55E00", marker="o", ms=4)
axes[1].set(xlabel="condition number", ylabel="steps", title="randla.lstsq reads A this often")
axes[1].set_yticks(range(0, 26, 5))
plt.show()

# %%
# Each result brings its own certificate:

A, b = problem(1e10)
result = randla.lstsq(A, b, rng=1, method="spir")
print(result.info)
print(f"exact: {backward_error(A, b, result.x):.1e}")
