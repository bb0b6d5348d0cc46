"""
Kernel ridge regression from some columns of the kernel
=======================================================

A kernel between 10000 images has a hundred million entries, and ridge regression with it solves a
system with as many.  Nyström's features take some columns of it, those of *landmarks*, and make
the regression linear.  How many landmarks are enough, and what do they cost?  Where Fashion-MNIST
cannot be had, the digits that come with scikit-learn take its place.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from _data import fashion_mnist
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import Nystroem as Peer
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics.pairwise import rbf_kernel

import randla
from randla.sklearn import Nystroem

found = fashion_mnist()
if found is None:
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels, split = images[order] / 16, labels[order], 1200
    counts, gamma = (50, 100, 200, 400, 800), 0.05
else:
    split = 10000
    images = np.concatenate([found[0][:split], found[2][:3000]]) / 255
    labels = np.concatenate([found[1][:split], found[3][:3000]])
    counts, gamma = (50, 100, 200, 400, 800), 0.01
X, y, test, truth = images[:split], labels[:split], images[split:], labels[split:]
print("digits of scikit-learn" if found is None else "Fashion-MNIST", X.shape, test.shape)

# %%
# Beside scikit-learn
# -------------------
# Landmarks are drawn uniformly, as scikit-learn has them, or by what the others leave of the
# kernel's diagonal (``landmarks="pivots"``).  That pays where some kinds of samples are rare; here
# all classes are equally frequent, and it buys nothing.  ``error_`` says what share of the trace of
# the kernel the features lack; beside it stands what they lack for images not seen.  One thread.

makers = {
    "scikit-learn": lambda k: Peer(gamma=gamma, n_components=k, random_state=0),
    "randla, uniform": lambda k: Nystroem(gamma=gamma, n_components=k, random_state=0),
    "randla, pivots": lambda k: Nystroem(
        gamma=gamma, n_components=k, landmarks="pivots", random_state=0
    ),
}
rows = {name: [] for name in makers}
for k in counts:
    for name, make in makers.items():
        with randla.num_threads(1):
            features = make(k)
            begin = time.process_time()
            features.fit(X)
            spent = time.process_time() - begin
            F, G = features.transform(X), features.transform(test)
            right = RidgeClassifier(1e-2).fit(F, y).score(G, truth)
        missing = float(1 - (G**2).sum() / len(G))  # kernel(x, x) is 1
        rows[name].append((spent, missing, 1 - right))
        told = getattr(features, "error_", float("nan"))
        print(
            f"{k:4d} {name:16s} fit {1e3 * spent:6.0f} ms   missing {missing:.4f} "
            f"(error_ {told:.4f})   wrong {1 - right:.4f}"
        )
for mine, peer in zip(rows["randla, uniform"], rows["scikit-learn"], strict=True):
    assert mine[1] < 1.25 * peer[1]

plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
colours = {"scikit-learn": "0.5", "randla, uniform": "#0072B2", "randla, pivots": "#D55E00"}
titles = ("seconds of fit", "share of the trace that is missing", "share of wrong classes")
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for ax, title, column in zip(axes, titles, range(3), strict=True):
    for name, values in rows.items():
        ax.loglog(counts, [v[column] for v in values], "o-", ms=4, color=colours[name], label=name)
    ax.set_title(title, loc="left", fontsize=11)
    ax.set_xlabel("landmarks")
    ax.set_xticks(counts, [str(k) for k in counts])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y", color="0.9")
for ax in axes[1:]:
    ax.yaxis.set_minor_formatter("{x:.2g}")
    ax.yaxis.set_major_formatter("{x:.2g}")
axes[0].legend(frameon=False)
plt.show()

# %%
# As many landmarks as an error asks for
# --------------------------------------
# With ``tol`` they are drawn until what is left of the trace is small enough, for the candidates
# that they are drawn from, four for each landmark; for other images it is a little more.

for tol in (0.3, 0.2, 0.1):
    features = Nystroem(
        gamma=gamma, n_components=1000, landmarks="pivots", tol=tol, random_state=0
    ).fit(X)
    print(f"tol {tol}: {features.n_components_:4d} landmarks, error_ {features.error_:.3f}")

# %%
# Eigenvalues of the kernel
# -------------------------
# How far a kernel can be cut short, its eigenvalues say.  `randla.randomized_eigh` finds the
# largest ones of a kernel between 3000 images.

K = rbf_kernel(X[:3000], gamma=gamma)
w, V = randla.randomized_eigh(K, 50, psd=True, rng=0)
print("share of the trace in 50 eigenvalues:", round(float(w.sum() / np.trace(K)), 4))
assert np.allclose(K @ V, V * w, atol=1e-3 * w[0])
