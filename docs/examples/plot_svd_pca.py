"""
Principal components of images
==============================

Fashion-MNIST has 60000 images of 784 pixels.  How many components are enough, what do images look
like that are rebuilt from them, and what does it cost?  Where the data set cannot be had, the
digits that come with scikit-learn take its place.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from _data import fashion_mnist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import randla
from randla.sklearn import RandomizedPCA

found = fashion_mnist()
images = load_digits().data if found is None else found[0]
images = images.astype(np.float32)
side = int(images.shape[1] ** 0.5)
k = min(50, side * side // 2 - 1)
print("Fashion-MNIST" if found else "digits of scikit-learn", images.shape)

# %%
# Beside scikit-learn
# -------------------
# With fewer than 1500 columns and many rows, one product gives the matrix of covariances, whose
# eigenvectors are the components: exact, and faster than iterations.  One thread each.

estimators = {
    "randla": RandomizedPCA(k, random_state=0),
    "scikit-learn, randomized": PCA(k, svd_solver="randomized", random_state=0),
    "scikit-learn, covariances": PCA(k, svd_solver="covariance_eigh"),
}
for name, estimator in estimators.items():
    with randla.num_threads(1):
        begin = time.process_time()
        estimator.fit(images)
        print(f"{name:26s} {time.process_time() - begin:6.2f} s of processor time")
ours = estimators["randla"]
print("randla's method:", ours.info_.method)
exact = estimators["scikit-learn, covariances"].explained_variance_
for name, estimator in estimators.items():
    off = np.abs(estimator.explained_variance_ / exact - 1).max()
    print(f"{name:26s} largest relative difference of a variance: {off:.1e}")
assert np.allclose(ours.explained_variance_, exact, rtol=1e-3)

# %%
# How many components
# -------------------
# ``n_components=0.9`` asks for a share of the variance.

shares = (0.8, 0.9, 0.95)
needed = {share: RandomizedPCA(share, random_state=0).fit(images).n_components_ for share in shares}
print({share: int(count) for share, count in needed.items()})

plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
numbers = np.arange(1, k + 1)
axes[0].semilogy(numbers, ours.explained_variance_ratio_, "o", ms=4, color="#0072B2")
axes[0].set_title("share of the variance", loc="left", fontsize=11)
axes[1].plot(numbers, ours.explained_variance_ratio_.cumsum(), color="#0072B2", lw=2)
for share, count in needed.items():
    if count <= k:
        axes[1].plot([count], [share], "o", color="#D55E00")
        axes[1].annotate(
            f"{share:.0%}: {count}", (count, share), (8, -12), textcoords="offset points"
        )
axes[1].set_title("share of the first components together", loc="left", fontsize=11)
axes[1].set_ylim(0, 1)
for ax in axes:
    ax.set_xlabel("component")
    ax.grid(axis="y", color="0.9")
plt.show()

# %%
# Images from few numbers
# -----------------------
# The first row are images, the others what ``inverse_transform`` makes of 2, 10 and 50 of their
# coordinates.

chosen = images[np.linspace(0, len(images) - 1, 8).astype(int)]
counts = [count for count in (2, 10, 50) if count <= k]
fig, axes = plt.subplots(
    len(counts) + 1, 8, figsize=(9, 1.2 * len(counts) + 1.3), layout="constrained"
)
rows = {"image": chosen}
for count in counts:
    scores = ours.transform(chosen)
    scores[:, count:] = 0
    rows[f"{count}"] = ours.inverse_transform(scores)
for line, (name, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(line, pictures, strict=True):
        ax.imshow(picture.reshape(side, side), cmap="gray_r", vmin=0, vmax=images.max())
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_visible(False)
    line[0].set_ylabel(name)
plt.show()
