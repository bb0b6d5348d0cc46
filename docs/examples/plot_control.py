"""
Discretising a batch of control systems
=======================================

A digital controller holds its output u constant for a time dt.  A linear plant
:math:`x' = A x + B u` then moves by :math:`x_{k+1} = F x_k + G u_k` exactly, and one exponential
gives both matrices:

.. math:: \\exp\\left(\\begin{bmatrix} A & B \\\\ 0 & 0 \\end{bmatrix} dt\\right)
          = \\begin{bmatrix} F & G \\\\ 0 & I \\end{bmatrix}

A family of plants, for a design that must be robust or for a sweep of a parameter, is a batch.
"""

import matplotlib.pyplot as plt
import numpy as np

import randla

# %%
# The plants are oscillators :math:`q'' + 2 z q' + q = u` with damping ratios z from 0.05 to 2.

damping = np.array([0.05, 0.2, 0.5, 1.0, 2.0])
dt, steps = 0.8, 26

system = np.zeros((len(damping), 3, 3))
system[:, 0, 1] = 1  # q' is the velocity
system[:, 1, 0] = -1
system[:, 1, 1] = -2 * damping
system[:, 1, 2] = 1  # the input is a force
E = randla.expm(system * dt)
F, G = E[:, :2, :2], E[:, :2, 2]

# %%
# Responses to a unit step, all plants at once.

x = np.zeros((steps + 1, len(damping), 2))
for k in range(steps):
    x[k + 1] = (F @ x[k][..., None])[..., 0] + G
time = dt * np.arange(steps + 1)

# %%
# The solution in closed form, for comparison: the samples lie on it, however long dt is.


def closed_form(t, z):
    """Step response of the oscillator."""
    if z == 1:
        return 1 - (1 + t) * np.exp(-t)
    w = np.sqrt(complex(1 - z * z))
    return (1 - np.exp(-z * t) * (np.cos(w * t) + z / w * np.sin(w * t))).real


largest = max(np.abs(x[:, i, 0] - closed_form(time, z)).max() for i, z in enumerate(damping))
print(f"largest difference from the closed form: {largest:.1e}")

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
fine = np.linspace(0, time[-1], 800)
colors = plt.get_cmap("viridis")(np.linspace(0, 0.8, len(damping)))
for i, (z, color) in enumerate(zip(damping, colors, strict=True)):
    ax.plot(fine, closed_form(fine, z), color=color, lw=1)
    ax.plot(time, x[:, i, 0], "o", color=color, ms=4)
    if z < 1:  # above the first peak
        at, shift = np.pi / np.sqrt(1 - z * z), (0, 6)
    else:
        at, shift = 2.0 if z == 1 else 3.2, (14, -10)
    name = f"z = {z:g}" if i == 0 else f"{z:g}"
    place = (at, closed_form(at, z))
    ax.annotate(name, place, shift, textcoords="offset points", color=color, ha="center")
ax.set(xlabel="time", ylabel="position q", xlim=(0, time[-1]), ylim=(0, 2.05))
ax.set_title("Step responses: samples (dots), continuous plants (lines)", loc="left", fontsize=12)
plt.show()
