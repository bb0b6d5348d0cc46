"""
Random projection of real data
==============================

How many dimensions does a random projection need?  Squared distances between the rows of three
real matrices, before and after: a text matrix of term frequencies, images of handwritten digits,
and patches of a photo.  They come with scikit-learn and with SciPy; nothing is downloaded.
"""

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse
from sklearn.datasets import load_digits, load_sample_image
from sklearn.feature_extraction.text import TfidfVectorizer

import randla
from randla.sklearn import RandomProjection

# %%
# Three matrices
# --------------
# The text: what SciPy's functions say of themselves, one row for each.


MODULES = ("fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse",
           "spatial", "special", "stats")  # fmt: skip


def docstrings():
    """Texts of the public functions and classes of SciPy."""
    found = []
    for name in MODULES:
        module = importlib.import_module(f"scipy.{name}")
        for one in module.__all__:
            text = inspect.getdoc(getattr(module, one))
            if text and len(text) > 400:
                found.append(text)
    return list(dict.fromkeys(found))


texts = docstrings()
tfidf = TfidfVectorizer(dtype=np.float32).fit_transform(texts)
digits = load_digits().data
photo = load_sample_image("china.jpg").astype(float)
patches = np.lib.stride_tricks.sliding_window_view(photo, (16, 16, 3))[::24, ::24, 0]
patches = patches.reshape(-1, 16 * 16 * 3)
matrices = {"texts, tf-idf": tfidf, "digits": digits, "patches of a photo": patches}
for name, X in matrices.items():
    print(f"{name}: {X.shape[0]} x {X.shape[1]}")

# %%
# Distortion
# ----------
# The largest relative error of the squared distance of 2000 pairs of rows.

kinds = {
    "gaussian": ("Gaussian", "#0072B2", "s"),
    "rademacher": ("Rademacher", "#56B4E9", "v"),
    "srht": ("SRHT", "#009E73", "^"),
    "sparse_sign": ("SparseSign", "#D55E00", "o"),
    "count_sketch": ("CountSketch", "#CC79A7", "D"),
}
sizes = [8, 16, 32, 64, 128, 256, 512]


def differences(X, count=2000):
    """Differences of pairs of rows, of length one."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, X.shape[0], (2, count))
    D = X[first] - X[second]
    D = D.toarray() if scipy.sparse.issparse(D) else D
    length = np.linalg.norm(D, axis=1)
    return D[length > 0] / length[length > 0, None]


def distortion(D, kind, d, seeds=3):
    """Median over some draws of the largest error."""
    found = []
    for seed in range(seeds):
        Y = RandomProjection(d, kind=kind, random_state=seed).fit_transform(D)
        found.append(np.abs((Y**2).sum(axis=1) - 1).max())
    return np.median(found)


curves = {}
for name, X in matrices.items():
    D = differences(X)
    for kind in kinds:
        some = [d for d in sizes if kind != "srht" or d < D.shape[1]]
        curves[name, kind] = some, [distortion(D, kind, d) for d in some]

# %%
# The error falls as 1 / sqrt(d), so that times sqrt(d) it hardly changes: for all operators and all
# three matrices it is 4 to 7 (where an SRHT has as many rows as features it would be exact, and is
# left out).  CountSketch may lose where few features carry a distance: two of them that meet in a
# row are added for good.

plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
fig, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharey=True, layout="constrained")
for ax, name in zip(axes, matrices, strict=True):
    for kind, (label, colour, marker) in kinds.items():
        x, y = curves[name, kind]
        scaled = np.multiply(y, np.sqrt(x))
        ax.semilogx(x, scaled, marker=marker, color=colour, ms=4, label=label)
    ax.set_ylim(0, 10)
    ax.set_title(name, loc="left", fontsize=11)
    ax.set_xlabel("d")
    ax.grid(axis="y", color="0.9")
axes[0].set_ylabel("largest error of a squared distance, times sqrt(d)")
axes[-1].legend(frameon=False, fontsize=9)
plt.show()

# %%
# The transformer chooses d by itself, takes sparse input, and never stores a matrix.

projection = RandomProjection(eps=0.5, random_state=0).fit(tfidf)
print(projection.n_components_, "dimensions for", tfidf.shape, "at eps = 0.5")
S = randla.sketch.SparseSign(100, tfidf.shape[1], rng=0)
assert np.allclose((tfidf @ S.T)[:5], tfidf[:5].toarray() @ S.toarray("f").T, atol=1e-4)
