"""
Kernel features for handwritten digits
======================================

A support vector machine with a polynomial kernel looks at products of pixels, but its cost grows
with the square of the number of images.  Random features of the kernel let a linear machine do the
same: `randla.sklearn.TensorSketch`, against
`sklearn.kernel_approximation.PolynomialCountSketch` and against the exact kernel.
"""

import time

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
# Images that come with scikit-learn
# ----------------------------------
# Each image of the training set is taken as it is, and shifted by one pixel to four sides.

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8).astype(np.float32)
train, test, y, z = train_test_split(images, labels, test_size=0.3, random_state=0, stratify=labels)
shifts = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
train = np.concatenate([np.roll(train, by, axis=(1, 2)) for by in shifts])
y = np.tile(y, len(shifts))


def rows(x):
    """Images as vectors of norm 1."""
    x = x.reshape(len(x), -1)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


A, B = rows(train), rows(test)

# %%
# Three ways
# ----------
# Times are those of features, or of the kernel machine, for training and test together, on one
# thread.  The linear machine behind the features takes as long for both sketches.

KERNEL = {"gamma": 1.0, "coef0": 0.0, "degree": 3}
COMPONENTS = [256, 512, 1024]


def timed(call):
    """Seconds, and the result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def with_features(cls, components):
    """Seconds for the features of all images, and the accuracy with them."""
    t = cls(n_components=components, random_state=0, **KERNEL)
    seconds, (F, G) = timed(lambda: (t.fit_transform(A), t.transform(B)))
    return seconds, RidgeClassifier(alpha=0.1).fit(F, y).score(G, z)


with randla.num_threads(1):
    exact = timed(lambda: SVC(kernel="poly", C=10, **KERNEL).fit(A, y).score(B, z))
    linear = RidgeClassifier(alpha=0.1).fit(A, y).score(B, z)
    ours = [with_features(TensorSketch, d) for d in COMPONENTS]
    theirs = [with_features(PolynomialCountSketch, d) for d in COMPONENTS]

print(f"exact kernel: {exact[0]:.2f} s, accuracy {exact[1]:.3f}; linear machine {linear:.3f}")
for d, (t, a), (s, b) in zip(COMPONENTS, ours, theirs, strict=True):
    print(f"d = {d}: randla {1e3 * t:.0f} ms, {a:.3f}; scikit-learn {1e3 * s:.0f} ms, {b:.3f}")

# %%
# Both sketches are as accurate, for the same number of features; they differ by their draws.

assert abs(ours[-1][1] - theirs[-1][1]) < 0.03
assert ours[-1][1] > linear

# %%

plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
for name, points, color in [
    ("randla", ours, "#D55E00"),
    ("scikit-learn", theirs, "#0072B2"),
]:
    seconds, accuracy = np.array(points).T
    ax.semilogx(1e3 * seconds, accuracy, "o-", color=color, lw=2, ms=5)
    ax.annotate(name, (1e3 * seconds[-1], accuracy[-1]), (0, 8), textcoords="offset points",
                color=color, ha="center")  # fmt: skip
for (seconds, accuracy), d in zip(ours, COMPONENTS, strict=True):
    ax.annotate(f"d = {d}", (1e3 * seconds, accuracy), (8, -10), textcoords="offset points",
                color="0.4", fontsize=9)  # fmt: skip
ax.plot(1e3 * exact[0], exact[1], "s", color="0.2", ms=7)
ax.annotate("exact kernel", (1e3 * exact[0], exact[1]), (0, 8), textcoords="offset points",
            color="0.2", ha="center")  # fmt: skip
ax.set(xlabel="ms", ylabel="accuracy")
ax.set_title("Handwritten digits", loc="left", fontsize=12)
ax.grid(axis="y", color="0.9")
ax.margins(y=0.15)
plt.show()
