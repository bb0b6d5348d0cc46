r"""
A spin chain: steps that keep the norm
======================================

The state of a quantum system moves by :math:`\psi(t + dt) = \exp(-i H dt) \psi(t)`.  The
exponential is unitary, and a computed one is nearly so; what is missing acts again in each step.
With ``assume="skew"``, `randla.expm` returns a matrix that is unitary to a few roundings, however
long the step.

The system is the Ising chain in a transverse field,
:math:`H = -\sum_i Z_i Z_{i+1} - g \sum_i X_i`: 6 spins, all up at the start.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg

import randla

# %%
spins, g = 6, 0.5
X, Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])


def at(i, what):
    """Operator `what` on spin i, the identity on the others."""
    return np.kron(np.kron(np.eye(2**i), what), np.eye(2 ** (spins - 1 - i)))


H = -sum(at(i, Z) @ at(i + 1, Z) for i in range(spins - 1))
H -= g * sum(at(i, X) for i in range(spins))

methods = {
    "randla, skew": lambda a: randla.expm(a, assume="skew"),
    "randla, no promise": randla.expm,
    "SciPy": scipy.linalg.expm,
}

# %%
# Distance from unitarity
# -----------------------
# Scaling and squaring doubles the distance with each squaring, and long steps need more of them.
# With the promise, one step of Newton and Schulz, which costs two products more, takes the result
# back to the unitary matrices.

lengths = np.geomspace(0.05, 100, 23)
eye = np.eye(2**spins)
defect = {name: [] for name in methods}
for name, exponential in methods.items():
    for dt in lengths:
        U = exponential(-1j * dt * H)
        defect[name].append(np.linalg.norm(U.conj().T @ U - eye))

# %%
# The norm after many steps
# -------------------------
# For short steps the three are alike, as each product ``U @ psi`` is rounded as well.  For a long
# one, here 20, the distance from unitarity is what changes the norm.

steps = 4000
drift = {name: np.empty(steps) for name in methods}
for name, exponential in methods.items():
    U = exponential(-20j * H)
    psi = np.zeros(2**spins, complex)
    psi[0] = 1
    for k in range(steps):
        psi = U @ psi
        drift[name][k] = abs(np.linalg.norm(psi) - 1)

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, (top, bottom) = plt.subplots(2, 1, figsize=(7, 7.4), layout="constrained")
for name, color in zip(methods, ("#0072B2", "#009E73", "#D55E00"), strict=True):
    top.loglog(lengths, defect[name], "o-", color=color, lw=1.6, ms=3.5)
    bottom.loglog(1 + np.arange(steps), np.maximum(drift[name], 1e-16), color=color, lw=1.4)
    for ax, x, values in ((top, lengths[-1], defect[name]), (bottom, steps, drift[name])):
        place = (x, values[-1])
        shift = -14 if name == "SciPy" and ax is top else 0
        ax.annotate(name, place, (6, shift), textcoords="offset points", color=color, va="center")
top.set_title(r"Distance from unitarity of one step, $\|U^*U - I\|_F$", loc="left", fontsize=12)
top.set(xlabel="length of the step")
bottom.set_title("Change of the norm of the state, steps of 20", loc="left", fontsize=12)
bottom.set(xlabel="steps")
for ax in (top, bottom):
    ax.grid(axis="y", color="0.9")
plt.show()
