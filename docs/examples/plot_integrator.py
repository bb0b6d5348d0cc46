r"""
An exponential integrator for a stiff equation
==============================================

Where :math:`u' = L u + N(u)` is stiff because of its linear part, phi-functions of :math:`hL` take
that part exactly, and an explicit scheme for :math:`N` does the rest: no Newton iteration, no step
that stability dictates.  `randla.phi` gives the functions, also for matrices whose norm times h is
in the thousands, where :math:`L^{-1}(e^{hL} - I)` would cancel or not exist.

The equation is that of Allen and Cahn, :math:`u_t = \varepsilon u_{xx} + u - u^3` on
:math:`[-1, 1]` with :math:`u(\pm 1) = \pm 1`, in Chebyshev points: a dense, non-normal matrix with
eigenvalues down to -8000.  Three fronts form, and drift towards each other.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import randla

# %%
# The problem
# -----------
n, epsilon, T = 64, 0.01, 20.0
points = np.cos(np.pi * np.arange(n + 1) / n)
c = np.ones(n + 1)
c[[0, -1]] = 2
c *= (-1.0) ** np.arange(n + 1)
D = np.outer(c, 1 / c) / (points[:, None] - points + np.eye(n + 1))
D -= np.diag(D.sum(axis=1))
L = epsilon * (D @ D)[1:-1, 1:-1]
x = points[1:-1]
u0 = 0.53 * x + 0.47 * np.sin(-1.5 * np.pi * x)


def nonlinear(w):
    """What is not linear in w = u - x, which vanishes at both ends."""
    u = w + x
    return u - u**3


def slope(_, w):
    return L @ w + nonlinear(w)


def jacobian(_, w):
    return L + np.diag(1 - 3 * (w + x) ** 2)


# %%
# The integrator
# --------------
# The method of fourth order of Cox and Matthews (J. Comput. Phys. 176, 2002).  Its six matrices
# depend on h alone and are computed once: :math:`e^{hL}` and :math:`\varphi_1` for h and h/2 in one
# call each.


def etdrk4(h, steps):
    """w at time h steps."""
    both = np.stack([h * L, h / 2 * L])
    E, E2 = randla.expm(both)
    f1, half = randla.phi(both, 1)
    f2, f3 = randla.phi(h * L, 2), randla.phi(h * L, 3)
    half = h / 2 * half
    first, middle, last = h * (f1 - 3 * f2 + 4 * f3), 2 * h * (f2 - 2 * f3), h * (4 * f3 - f2)
    w = u0 - x
    for _ in range(steps):
        N = nonlinear(w)
        start = E2 @ w
        a = start + half @ N
        Na = nonlinear(a)
        b = start + half @ Na
        Nb = nonlinear(b)
        Nc = nonlinear(E2 @ a + half @ (2 * Nb - N))
        w = E @ w + first @ N + middle @ (Na + Nb) + last @ Nc
    return w


# %%
# Work against error
# ------------------
# SciPy's BDF, with the Jacobian given, at ten tolerances; the exponential integrator at nine steps.
# The reference is an implicit Runge-Kutta method at a tolerance of 1e-12.

reference = solve_ivp(
    slope, (0, T), u0 - x, method="Radau", jac=jacobian, rtol=1e-12, atol=1e-13
).y[:, -1]


def measure(run, *arguments):
    """Largest error at the end, and the best of three times."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        w = run(*arguments)
        times.append(time.perf_counter() - began)
    return np.abs(w - reference).max(), min(times)


def bdf(rtol):
    return solve_ivp(
        slope, (0, T), u0 - x, method="BDF", jac=jacobian, rtol=rtol, atol=rtol / 10
    ).y[:, -1]


tolerances = 10.0 ** -np.arange(2, 12)
counts = 20 * 2 ** np.arange(9)
results = {
    "exponential integrator": np.array([measure(etdrk4, T / m, m) for m in counts]),
    "SciPy, BDF": np.array([measure(bdf, rtol) for rtol in tolerances]),
}
for name, values in results.items():
    print(name)
    for error, seconds in values:
        print(f"  error {error:.1e} in {1e3 * seconds:7.1f} ms")

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for name, color in zip(results, ("#0072B2", "#D55E00"), strict=True):
    error, seconds = results[name].T
    left.loglog(error, seconds, "o-", color=color, lw=1.6, ms=4)
    place, align = ((-6, 8), "right") if "BDF" in name else ((6, -12), "left")
    left.annotate(
        name, (error[4], seconds[4]), place, textcoords="offset points", color=color, ha=align
    )
left.set_title("Time against error, both per run", loc="left", fontsize=12)
left.set(xlabel="largest error at the end", ylabel="seconds")
left.invert_xaxis()
left.grid(color="0.9")

for t, shade in zip((0, 2, 20, 40, 50), ("0.8", "0.65", "0.5", "0.3", "0"), strict=True):
    u = etdrk4(t / 400, 400) + x
    right.plot(x, u, color=shade, lw=1.6, label=f"t = {t}")
right.legend(frameon=False, loc="lower right")
right.set_title("The solution: two of the fronts vanish later", loc="left", fontsize=12)
right.set(xlabel="x", xticks=[-1, -0.5, 0, 0.5, 1])
plt.show()
