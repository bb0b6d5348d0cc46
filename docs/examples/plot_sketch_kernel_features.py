"""
Kernel features for pictures of clothes
=======================================

A support vector machine with a polynomial kernel looks at products of pixels, but its cost grows
with the square of the number of images.  Random features of the kernel let a linear machine do the
same: `randla.sklearn.TensorSketch`, against
`sklearn.kernel_approximation.PolynomialCountSketch` and against the exact kernel.
"""

import time

import _data
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import PolynomialCountSketch
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import randla
from randla.sklearn import TensorSketch

# %%
# Ten kinds of clothes
# --------------------
# Images of Fashion-MNIST have 784 pixels, half of them empty.  Where the data set cannot be had,
# this page takes the digits that come with scikit-learn, 64 pixels each.

data = _data.fashion_mnist()
if data is not None:
    train, y, test, z = data[0][:9000], data[1][:9000], data[2][:3000], data[3][:3000]
else:
    print("Fashion-MNIST is not there: digits of scikit-learn instead")
    train, test, y, z = train_test_split(
        *load_digits(return_X_y=True), test_size=0.3, random_state=0
    )


def rows(x):
    """Images as vectors of norm 1."""
    x = x.astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


A, B = rows(train), rows(test)

# %%
# Three ways
# ----------
# Times are those of features, or of the kernel machine, for training and test together, on one
# thread.  The linear machine behind the features takes as long for both sketches.

KERNEL = {"gamma": 1.0, "coef0": 0.0, "degree": 2}
COMPONENTS = [512, 1024, 2048, 4096]


def timed(call):
    """Seconds, and the result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def linear(F, G):
    """Accuracy of a linear machine; its normal equations need double precision."""
    F, G = F.astype(np.float64), G.astype(np.float64)
    return RidgeClassifier(alpha=0.1).fit(F, y).score(G, z)


def with_features(cls, components):
    """Seconds for the features of all images, and the accuracy with them."""
    t = cls(n_components=components, random_state=0, **KERNEL)
    seconds, (F, G) = timed(lambda: (t.fit_transform(A), t.transform(B)))
    return seconds, linear(F, G)


with randla.num_threads(1):
    exact = timed(lambda: SVC(kernel="poly", C=10, **KERNEL).fit(A, y).score(B, z))
    ours = [with_features(TensorSketch, d) for d in COMPONENTS]
    theirs = [with_features(PolynomialCountSketch, d) for d in COMPONENTS]

print(f"exact kernel: {exact[0]:.2f} s, accuracy {exact[1]:.3f}; pixels alone {linear(A, B):.3f}")
for d, (t, a), (s, b) in zip(COMPONENTS, ours, theirs, strict=True):
    print(f"d = {d}: randla {1e3 * t:.0f} ms, {a:.3f}; scikit-learn {1e3 * s:.0f} ms, {b:.3f}")

# %%
# With enough features a linear machine is as accurate as the kernel.  Both sketches are so for the
# same number of features; they differ by their draws.

assert abs(ours[-1][1] - theirs[-1][1]) < 0.02
assert ours[-1][1] > exact[1] - 0.01

# %%

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, ax = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
for name, points, color in [
    ("randla", ours, "#D55E00"),
    ("scikit-learn", theirs, "#0072B2"),
]:
    seconds, accuracy = np.array(points).T
    ax.semilogx(1e3 * seconds, accuracy, "o-", color=color, lw=2, ms=5)
    ax.annotate(name, (1e3 * seconds[-1], accuracy[-1]), (0, 8), textcoords="offset points",
                color=color, ha="right")  # fmt: skip
for (seconds, accuracy), d in zip(ours, COMPONENTS, strict=True):
    ax.annotate(f"d = {d}", (1e3 * seconds, accuracy), (8, -10), textcoords="offset points",
                color="0.4", fontsize=9)  # fmt: skip
ax.plot(1e3 * exact[0], exact[1], "s", color="0.2", ms=7)
ax.annotate("exact kernel", (1e3 * exact[0], exact[1]), (0, 8), textcoords="offset points",
            color="0.2", ha="center")  # fmt: skip
ax.set(xlabel="ms", ylabel="accuracy")
ax.set_title("Clothes by products of two pixels", loc="left", fontsize=12)
ax.grid(axis="y", color="0.9")
ax.margins(y=0.15)
plt.show()
