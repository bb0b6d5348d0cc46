r"""
Accuracy of the matrix exponential
==================================

Errors of `randla.expm` and of :func:`scipy.linalg.expm` on matrices of 30 kinds, three sizes and
five norms, in double precision.  The reference is Arb, by python-flint: interval arithmetic at 500
bits, which encloses the true result.

The error is :math:`\|E - \exp(A)\|_1 / \|\exp(A)\|_1` in units of
:math:`u = 2^{-53}`.  It includes the conditioning of the problem: an error far above 1 may be
all that double precision can give for that matrix.
"""

import flint
import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg

import randla

# %%
# The kinds
# ---------
# Well-behaved matrices, structured ones, and those that are known to be hard: far from normal,
# badly scaled, defective.

rng = np.random.default_rng(3)


def orthogonal(n):
    """Random orthogonal matrix."""
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def similar(n, values, spread):
    """Matrix with given eigenvalues and eigenvectors of condition number about `spread`."""
    v = orthogonal(n) * np.geomspace(1, spread, n) @ orthogonal(n)
    return v * values @ np.linalg.inv(v)


def normal(*shape):
    """Normally distributed numbers."""
    return rng.standard_normal(shape)


KINDS = {
    "normal": lambda n: normal(n, n),
    "uniform": lambda n: rng.uniform(size=(n, n)),
    "negative uniform": lambda n: -rng.uniform(size=(n, n)),
    "signs": lambda n: rng.choice([-1.0, 1.0], (n, n)),
    "Cauchy distributed": lambda n: rng.standard_cauchy((n, n)),
    "log-normal entries": lambda n: normal(n, n) * 10.0 ** (2 * normal(n, n)),
    "sparse": lambda n: normal(n, n) * (rng.uniform(size=(n, n)) < 0.25),
    "low rank": lambda n: normal(n, 2) @ normal(2, n),
    "symmetric": lambda n: (lambda a: a + a.T)(normal(n, n)),
    "positive definite": lambda n: (lambda a: a @ a.T)(normal(n, n)),
    "negative definite": lambda n: (lambda a: -a @ a.T)(normal(n, n)),
    "skew": lambda n: (lambda a: a - a.T)(normal(n, n)),
    "orthogonal": orthogonal,
    "upper triangular": lambda n: np.triu(normal(n, n)),
    "lower, graded": lambda n: np.tril(normal(n, n)) * np.geomspace(1, 1e-6, n),
    "strictly upper": lambda n: np.triu(normal(n, n), 1),
    "Jordan block": lambda n: np.eye(n) + np.eye(n, k=1),
    "transient": lambda n: -np.eye(n) + 10 * np.triu(normal(n, n), 1),
    "companion": lambda n: scipy.linalg.companion(np.r_[1.0, normal(n)]),
    "circulant": lambda n: scipy.linalg.circulant(normal(n)),
    "Toeplitz": lambda n: scipy.linalg.toeplitz(normal(n), normal(n)),
    "Hilbert": lambda n: scipy.linalg.hilbert(n),
    "Pascal": lambda n: scipy.linalg.pascal(n).astype(float),
    "Grcar": lambda n: np.triu(np.tril(np.ones((n, n)), 3)) - np.eye(n, k=-1),
    "Laplacian": lambda n: np.eye(n, k=1) + np.eye(n, k=-1) - 2 * np.eye(n),
    "convection": lambda n: 1.9 * np.eye(n, k=1) + 0.1 * np.eye(n, k=-1) - 2 * np.eye(n),
    "Markov generator": lambda n: (lambda q: q - np.diag(q.sum(1)))(rng.uniform(size=(n, n))),
    "ill-conditioned eigenvectors": lambda n: similar(n, normal(n), 1e4),
    "stiff": lambda n: similar(n, -np.geomspace(1e-4, 1, n), 30.0),
    "badly scaled": lambda n: (lambda d: d[:, None] * normal(n, n) / d)(10.0 ** (2 * normal(n))),
}

matrices = [
    a * (norm / np.linalg.norm(a, 1))
    for make in KINDS.values()
    for n in (3, 8, 20)
    for a in [make(n)]
    for norm in (0.01, 0.3, 3.0, 30.0, 100.0)
]
print(len(KINDS), "kinds,", len(matrices), "matrices")

# %%
# Errors
# ------

flint.ctx.prec = 500


def reference(a):
    """Exp(a) as the sum of two double-precision matrices."""
    n = len(a)
    exact = flint.arb_mat(n, n, [flint.arb(float(v)) for v in a.ravel()]).exp()
    high = np.array([float(v) for v in exact.entries()])
    entries = zip(exact.entries(), high, strict=True)
    low = np.array([float(v - flint.arb(float(h))) for v, h in entries])
    return high.reshape(n, n), low.reshape(n, n)


def error(e, high, low):
    """Relative error in the 1-norm, in units of u."""
    return np.linalg.norm((e - high) - low, 1) / np.linalg.norm(high, 1) * 2.0**53


errors = {"randla": [], "SciPy": []}
for a in matrices:
    exact = reference(a)
    errors["randla"].append(error(randla.expm(a), *exact))
    errors["SciPy"].append(error(scipy.linalg.expm(a), *exact))

for name, values in errors.items():
    shares = np.percentile(values, (50, 90, 99, 100))
    print(f"{name:8} median {shares[0]:.3g}, 90 % {shares[1]:.3g}, ", end="")
    print(f"99 % {shares[2]:.3g}, largest {shares[3]:.3g}")

# %%
# Sorted errors: a curve that passes through (90 %, 20) has nine matrices out of ten with an error
# below 20 u.

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
share = 100 * (np.arange(len(matrices)) + 0.5) / len(matrices)
for (name, values), color in zip(errors.items(), ("#0072B2", "#D55E00"), strict=True):
    ax.semilogy(share, np.maximum(np.sort(values), 1e-2), color=color, lw=2.2)
    ax.annotate(
        name, (100, max(values)), (6, 0), textcoords="offset points", color=color, va="center"
    )
ax.set(xlabel="share of the matrices, sorted by error (%)", xlim=(0, 100), ylim=(1e-2, None))
ax.set_title(f"Error in units of u, {len(matrices)} matrices, float64", loc="left", fontsize=12)
ax.grid(axis="y", color="0.9")
plt.show()
