"""
A quenched spin chain: steps that keep the norm
===============================================

The state of a quantum system moves by :math:`\\psi(t + dt) = \\exp(-i H dt) \\psi(t)`.  The
exponential is unitary, and a computed one is nearly so; what is missing acts again in each step.
With ``assume="skew"``, `randla.expm` returns a matrix that is unitary to a few roundings.

The system is the Ising chain in a transverse field,
:math:`H = -\\sum_i Z_i Z_{i+1} - g \\sum_i X_i`: 8 spins, all up at the start.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg

import randla

# %%
spins, g, dt, steps = 8, 0.5, 0.5, 20_000
X, Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])


def at(i, what):
    """Operator `what` on spin i, the identity on the others."""
    return np.kron(np.kron(np.eye(2**i), what), np.eye(2 ** (spins - 1 - i)))


H = -sum(at(i, Z) @ at(i + 1, Z) for i in range(spins - 1)) - g * sum(
    at(i, X) for i in range(spins)
)
magnetization = np.diag(sum(at(i, Z) for i in range(spins))) / spins

U = {
    "randla, skew": randla.expm(-1j * dt * H, assume="skew"),
    "randla": randla.expm(-1j * dt * H),
    "SciPy": scipy.linalg.expm(-1j * dt * H),
}
eye = np.eye(2**spins)
for name, u in U.items():
    print(f"{name:13} |U* U - I| = {np.linalg.norm(u.conj().T @ u - eye, 2):.1e}")

# %%
drift, mean = {}, {}
for name, u in U.items():
    psi = np.zeros(2**spins, complex)
    psi[0] = 1
    drift[name], mean[name] = np.empty(steps), np.empty(steps)
    for k in range(steps):
        psi = u @ psi
        weight = psi.real**2 + psi.imag**2
        drift[name][k] = abs(np.sqrt(weight.sum()) - 1)
        mean[name][k] = magnetization @ weight

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, (top, bottom) = plt.subplots(2, 1, figsize=(7, 6.6), layout="constrained")
first = 120
top.plot(dt * np.arange(first + 1), [1, *mean["randla, skew"][:first]], color="#0072B2", lw=1.6)
k = np.arange(1, steps + 1)
for (name, off), color in zip(drift.items(), ("#0072B2", "#009E73", "#D55E00"), strict=True):
    bottom.loglog(k, np.maximum(off, 5e-17), color=color, lw=1.4)
    bottom.annotate(name, (steps, off[-1]), (5, 0), textcoords="offset points", color=color)
    print(name, off[[0, 9, 99, 999, 9999, -1]])
plt.show()
