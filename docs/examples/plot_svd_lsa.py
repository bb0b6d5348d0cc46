"""
Latent semantic analysis, and a matrix that does not fit
========================================================

A sparse matrix of texts: the glosses of WordNet, or, where these cannot be had, what SciPy's
functions say of themselves.  Then a matrix on disk, larger than the memory that a process may use.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _data import wordnet
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

import randla
from randla.sklearn import RandomizedSVD

found = wordnet()
if found is None:
    import inspect

    import scipy.linalg
    import scipy.special
    import scipy.stats

    modules = (scipy.linalg, scipy.special, scipy.stats)
    texts = [inspect.getdoc(getattr(m, name)) or "" for m in modules for name in m.__all__]
else:
    texts = found[0]
vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True, stop_words="english")
X = vectorizer.fit_transform(texts)
print(f"{X.shape[0]} texts, {X.shape[1]} words, {X.nnz} entries")

# %%
# Singular values that decay slowly
# ---------------------------------
# Subspace iteration, which randla and scikit-learn take by default, and block Krylov iteration,
# whose many narrow blocks take more time for vectors, and are far more accurate.  One thread each.

k = 60
calls = {
    "randla, Krylov": lambda: RandomizedSVD(k, method="krylov", random_state=0).fit(X),
    "randla, subspace": lambda: RandomizedSVD(k, n_iter=5, random_state=0).fit(X),
    "scikit-learn": lambda: TruncatedSVD(k, n_iter=5, random_state=0).fit(X),
}
fitted = {}
for name, call in calls.items():
    with randla.num_threads(1):
        begin = time.process_time()
        fitted[name] = call()
        print(f"{name:18s} {time.process_time() - begin:6.2f} s of processor time")
exact = randla.randomized_svd(X, k, method="krylov", n_iter=16, n_oversamples=6 * k, rng=1).S

plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
colours = {"randla, Krylov": "#0072B2", "randla, subspace": "#009E73", "scikit-learn": "#D55E00"}
for name, estimator in fitted.items():
    off = np.abs(estimator.singular_values_ / exact - 1)
    ax.semilogy(np.arange(1, k + 1), np.maximum(off, 1e-16), "o", ms=3.5, color=colours[name],
                label=name)  # fmt: skip
ax.set_xlabel("singular value")
ax.set_title("relative error", loc="left", fontsize=11)
ax.grid(axis="y", color="0.9")
ax.legend(frameon=False)
plt.show()

# %%
# Words of the first directions after the mean:

words = vectorizer.get_feature_names_out()
for direction in fitted["randla, Krylov"].components_[1:5]:
    largest = np.argsort(-np.abs(direction))[:7]
    print(", ".join(words[largest]))

# %%
# A matrix on disk
# ----------------
# The texts' first coordinates, repeated with noise, make a dense matrix of 400 MB, written a
# piece at a time.  A process whose data may take 250 MB decomposes it: what is memory-mapped is
# read a panel at a time, and the system may drop what has been read.

PROGRAM = """
import resource, sys
import numpy as np
import randla

A = np.memmap(sys.argv[1], np.float32, "r", shape=(int(sys.argv[2]), 500))
limit = 250 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.array(A)
except MemoryError:
    print(f"{A.nbytes / 2**20:.0f} MB do not fit into {limit / 2**20:.0f} MB")
result = randla.pca(A, 10, rng=0)
print(result.info.method, result.info.passes, "passes")
print((result.explained_variance_ratio * 100).round(1))
"""

with tempfile.TemporaryDirectory() as folder:
    path, rows = Path(folder) / "matrix", 200_000
    scores = fitted["randla, Krylov"].transform(X).astype(np.float32)[:, :30]
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((30, 500), dtype=np.float32)
    with path.open("wb") as file:
        for first in range(0, rows, 20_000):
            block = scores[(np.arange(20_000) + first) % len(scores)] @ mixing
            block += 0.01 * rng.standard_normal(block.shape, dtype=np.float32)
            block.tofile(file)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(rows)], capture_output=True, text=True
    )
print(done.stdout, done.stderr)
assert done.returncode == 0
