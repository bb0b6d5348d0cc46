"""
Kernel features for a sparse classification
===========================================

Which package of Python's standard library does a function come from?  A support vector machine
with a polynomial kernel looks at pairs of words, but its cost grows with the square of the number
of functions.  A sketch of the kernel's features lets a linear machine do the same:
`randla.sklearn.TensorSketch`, against `sklearn.kernel_approximation.PolynomialCountSketch` and
against the exact kernel.
"""

import ast
import sysconfig
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_approximation import PolynomialCountSketch
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import randla
from randla.sklearn import TensorSketch

# %%
# Real texts, without a network
# -----------------------------
# Functions of ten packages that every Python has, up to 80 of each, as the words in their source.

PACKAGES = [
    "asyncio", "email", "http", "importlib", "logging", "multiprocessing", "tkinter", "unittest",
    "urllib", "xml",
]  # fmt: skip
MOST = 80
library = Path(sysconfig.get_paths()["stdlib"])
texts, labels = [], []
for package in PACKAGES:
    found = []
    for path in sorted((library / package).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        found += [
            "\n".join(lines[node.lineno - 1 : node.end_lineno])
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.end_lineno - node.lineno > 5
        ]
    order = np.random.default_rng(0).permutation(len(found))[:MOST]
    texts += [found[i] for i in order]
    labels += [package] * len(order)

train, test, y, z = train_test_split(texts, labels, test_size=0.4, random_state=0, stratify=labels)
words = TfidfVectorizer(
    token_pattern=r"[A-Za-z_]\w+", sublinear_tf=True, min_df=3, dtype=np.float32
)
A, B = words.fit_transform(train), words.transform(test)
print(
    f"{A.shape[0]} + {B.shape[0]} functions, {A.shape[1]} words, {A.nnz / A.shape[0]:.0f} in each"
)

# %%
# Three ways
# ----------
# Times are those of features, or of the kernel machine, for training and test together, on one
# thread.  The linear machine behind the features takes as long for both sketches.

KERNEL = {"gamma": 1.0, "coef0": 0.5, "degree": 2}
COMPONENTS = [256, 512, 1024]


def timed(call):
    """Seconds, and the result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def with_features(cls, components):
    """Seconds for the features of all functions, and the accuracy with them."""
    t = cls(n_components=components, random_state=0, **KERNEL)
    seconds, (F, G) = timed(lambda: (t.fit_transform(A), t.transform(B)))
    return seconds, RidgeClassifier(alpha=0.3).fit(F, y).score(G, z)


with randla.num_threads(1):
    exact = timed(lambda: SVC(kernel="poly", C=10, **KERNEL).fit(A, y).score(B, z))
    linear = RidgeClassifier(alpha=0.3).fit(A, y).score(B, z)
    ours = [with_features(TensorSketch, d) for d in COMPONENTS]
    theirs = [with_features(PolynomialCountSketch, d) for d in COMPONENTS]

print(f"exact kernel: {exact[0]:.2f} s, accuracy {exact[1]:.3f}; linear machine {linear:.3f}")
for d, (t, a), (s, b) in zip(COMPONENTS, ours, theirs, strict=True):
    print(f"d = {d}: randla {1e3 * t:.0f} ms, {a:.3f}; scikit-learn {1e3 * s:.0f} ms, {b:.3f}")

# %%
# Both sketches are as accurate, for the same number of features; they differ by their draws.

assert abs(ours[-1][1] - theirs[-1][1]) < 0.06
assert ours[-1][1] > exact[1] - 0.08

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
ax.set_title("Which package is a function from?", loc="left", fontsize=12)
ax.grid(axis="y", color="0.9")
ax.margins(y=0.15)
plt.show()
