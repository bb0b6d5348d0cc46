"""Inputs on which a known library once failed; `data/sketch_cases.json` has what must hold."""

import hashlib
import io
import json
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import randla
from randla import sketch
from randla.sklearn import RandomProjection

CASES = {
    c["name"]: c for c in json.loads((Path(__file__).parent / "data/sketch_cases.json").read_text())
}
MAKE = {
    "Gaussian": lambda d, m, rng: sketch.Gaussian(d, m, rng=rng),
    "Gaussian float32": lambda d, m, rng: sketch.Gaussian(d, m, np.float32, rng=rng),
    "Rademacher": lambda d, m, rng: sketch.Rademacher(d, m, rng=rng),
    "SparseSign": lambda d, m, rng: sketch.SparseSign(d, m, rng=rng),
    "CountSketch": lambda d, m, rng: sketch.CountSketch(d, m, rng=rng),
    "SRHT": lambda d, m, rng: sketch.SRHT(d, m, rng=rng),
    "RowSampling": lambda d, m, rng: sketch.RowSampling(d, m, rng=rng),
}


def test_every_case_is_told():
    told = {name for name in CASES if f'"{name}"' in Path(__file__).read_text()}
    assert told == set(CASES)


def test_same_seed_same_sketch():
    """scipy#9884: clarkson_woodruff_transform drew from the global state, whatever the seed."""
    assert "rng=7" in CASES["same seed, same sketch"]["holds"]
    for make in MAKE.values():
        state = np.random.mtrand._rand.get_state()[1].copy()
        A, B = make(20, 50, 7).toarray(), make(20, 50, 7).toarray()
        assert A.tobytes() == B.tobytes()
        make(20, 50, None)
        assert np.array_equal(np.random.mtrand._rand.get_state()[1], state)
    code = (
        "import hashlib, numpy, randla.sketch; numpy.random.seed(1)\n"
        "S = randla.sketch.CountSketch(20, 50, rng=7)\n"
        "print(hashlib.sha256(S.toarray().tobytes()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(randla.__file__).parents[1],
    )
    mine = hashlib.sha256(sketch.CountSketch(20, 50, rng=7).toarray().tobytes()).hexdigest()
    assert other.stdout.strip() == mine


@pytest.mark.parametrize("name", list(MAKE))
def test_integer_sparse_matrix(name):
    """libskylark#24: the product with an integer matrix was zero."""
    assert "10000 nodes" in CASES["integer sparse matrix"]["A"]
    nodes, edges = 10000, 30000
    rng = np.random.default_rng(24)
    i, j = rng.integers(0, nodes, (2, edges))
    coo = sp.coo_array((np.ones(edges, np.int64), (i, j)), shape=(nodes, nodes))  # with duplicates
    part = sp.coo_array(coo.tocsc()[:, :40])
    S = MAKE[name](60, nodes, 1)
    wanted = S.toarray(np.float64) @ part.toarray()
    csr, csc = coo.tocsr()[:, :40], coo.tocsc()[:, :40]
    order = np.concatenate(
        [np.arange(a, b)[::-1] for a, b in zip(csr.indptr, csr.indptr[1:], strict=False)]
    )
    backwards = sp.csr_array((csr.data[order], csr.indices[order], csr.indptr), shape=csr.shape)
    for X in (part, csr, csc, backwards, sp.csr_matrix(csr), sp.csc_matrix(csc)):
        kept = [X.data] if X.format == "coo" else [X.data, X.indices, X.indptr]
        before = [x.copy() for x in kept]
        got = S @ X
        assert isinstance(got, np.ndarray)
        assert got.dtype == np.float64
        assert np.allclose(got, wanted, atol=1e-10)
        assert got.any()
        assert all(np.array_equal(x, y) for x, y in zip(before, kept, strict=True))


@pytest.mark.parametrize("name", list(MAKE))
def test_the_stream_moves_on(name):
    """RandBLAS#57: the next state was that of the operator itself."""
    assert "uncorrelated" in CASES["the stream moves on"]["holds"]
    stream = randla.Stream(57)
    S = MAKE[name](60, 100, stream)
    T = MAKE[name](60, 100, S.next_stream)
    S @ np.ones(100)
    assert stream == randla.Stream(57) == S.stream
    assert S.next_stream == stream.advance() != stream
    a, b = S.toarray().ravel(), T.toarray().ravel()
    if name == "RowSampling":  # ascending rows resemble each other: count those that both have
        common = len(np.intersect1d(S.indices, T.indices))
        assert abs(common - 36) < 5 * (60 * 0.6 * 0.4 * 40 / 99) ** 0.5
        return
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(a.size)
    rng = np.random.default_rng(1)
    MAKE[name](60, 100, rng)
    used = rng.bit_generator.state
    fresh = np.random.default_rng(1)
    fresh.integers(0, 2**64, dtype=np.uint64)
    assert used == fresh.bit_generator.state  # one draw, by the constructor alone


@pytest.mark.parametrize("name", list(MAKE))
def test_half_of_an_operator(name):
    """RandBLAS#58: half of an operator of one column was not half of the whole."""
    assert "(50, 1).rows(25, 50)" in CASES["half of an operator"]["function"]
    if name not in ("SRHT", "RowSampling"):
        S = MAKE[name](50, 1, 58)
        assert S.rows(25, 50).toarray().tobytes() == S.toarray()[25:].tobytes()
    for d, m in ((49, 51), (131, 200), (33, 127)):
        S = MAKE[name](d, m, 58)
        whole = S.toarray()
        for i, j, k, q in ((1, d, 3, m), (d // 2, d, 1, 2), (5, 7, m // 2 + 1, m), (3, 32, 0, 99)):
            got = S.rows(i, j).cols(k, min(q, m)).toarray()
            assert np.ascontiguousarray(got).tobytes() == whole[i:j, k:q].copy().tobytes()


@pytest.mark.parametrize("kind", ["gaussian", "rademacher", "sparse_sign", "count_sketch", "srht"])
def test_pickle_and_clone(kind):
    """cuml#7119: an estimator could not be cloned or unpickled."""
    assert "joblib" in CASES["pickle and clone"]["holds"]
    X = np.random.default_rng(0).standard_normal((20, 70))
    projection = RandomProjection(11, kind=kind, random_state=7119).fit(X)
    Y = projection.transform(X)
    file = io.BytesIO()
    joblib.dump(projection, file)
    file.seek(0)
    for again in (pickle.loads(pickle.dumps(projection)), joblib.load(file)):
        assert again.transform(X).tobytes() == Y.tobytes()
    assert clone(projection).fit(X).transform(X).tobytes() == Y.tobytes()


def test_float32_stays_float32():
    """scikit-learn#22114: float32 came back as float64."""
    assert "float32 in, float32 out" in CASES["float32 stays float32"]["holds"]
    X = np.random.default_rng(0).standard_normal((300, 4000), dtype=np.float32)
    for kind in ("gaussian", "sparse_sign", "srht"):
        projection = RandomProjection(1000, kind=kind, random_state=0)
        tracemalloc.start()
        projection.fit(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4000 * 1000 * 8 / 4
        assert peak < X.nbytes
        for given in (X, sp.csr_array(X), sp.csc_array(X)):
            assert projection.transform(given).dtype == np.float32


def test_back_to_the_data():
    """scikit-learn#21701: projections had no inverse_transform."""
    assert "compute_inverse_components" in CASES["back to the data"]["holds"]
    X = np.random.default_rng(0).standard_normal((20, 70))
    projection = RandomProjection(11, compute_inverse_components=True, random_state=1).fit(X)
    Y = projection.transform(X)
    assert np.allclose(projection.transform(projection.inverse_transform(Y)), Y, atol=1e-12)
    assert "O(n_features * n_components**2)" in RandomProjection.__doc__


DENSE = pytest.mark.xfail(
    strict=False, reason="products of dense operators use the BLAS's threads, which change the bits"
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=DENSE if name.startswith(("Gaussian", "Rademacher")) else ())
        for name in MAKE
    ],
)
def test_the_same_on_any_number_of_threads(name):
    A = np.random.default_rng(0).standard_normal((6000, 30))
    S, results = MAKE[name](200, 6000, 1), set()
    for threads in (1, 2, 3):
        with randla.num_threads(threads):
            results.add((S @ A).tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("name", list(MAKE))
def test_the_same_every_run(name):
    """cuml#7129: atomic additions gave other sums from run to run."""
    assert "equal bits" in CASES["the same every run"]["holds"]
    A = np.random.default_rng(0).standard_normal((6000, 30))
    X = sp.random_array((6000, 30), density=0.1, rng=1, format="csr")
    S = MAKE[name](200, 6000, 1)
    for threads in (1, 2):
        with randla.num_threads(threads):
            assert len({(S @ A).tobytes() for _ in range(3)}) == 1
            assert len({(S @ X).tobytes() for _ in range(3)}) == 1


@pytest.mark.parametrize("name", list(MAKE))
def test_views_with_a_stride(name):
    """julia#21122: a product with a strided view read other elements."""
    assert "M[0, ::3]" in CASES["views with a stride"]["A"]
    M = np.random.default_rng(0).standard_normal((80, 120))
    S = MAKE[name](11, 40, 1)
    for x in (M[0, ::3], M[::-2, 1]):
        assert (S @ x).tobytes() == (S @ np.ascontiguousarray(x)).tobytes()
