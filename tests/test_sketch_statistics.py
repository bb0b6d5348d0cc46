"""Row sampling, leverage scores, and what all sketches are in the mean."""

import math

import numpy as np
import pytest
import scipy.stats
from sketch_gallery import MAKE, close, full, matrix, same_bits

from randla import Stream
from randla._cpu import core
from randla.sketch import (
    SRHT,
    CountSketch,
    Gaussian,
    Rademacher,
    RowSampling,
    SparseSign,
    leverage_scores,
)
from randla.sketch._srht import subset


@pytest.fixture(params=list(MAKE))
def name(request):
    return request.param


# ---- row sampling and leverage scores ------------------------------------------------------------


def test_row_sampling_is_a_gather():
    A = matrix(50, 4)
    S = RowSampling(20, 50, rng=3)
    assert (np.diff(S.indices) > 0).all()
    assert np.array_equal(S.weights, np.full(20, math.sqrt(50 / 20)))
    assert same_bits(S @ A, A[S.indices] * S.weights[:, None])
    p = np.zeros(50)
    p[[3, 9]] = 0.25, 0.75
    S = RowSampling(30, 50, p=p, rng=3)
    assert set(S.indices) == {3, 9}
    assert np.allclose(S.weights, 1 / np.sqrt(30 * p[S.indices]), rtol=1e-9)
    assert same_bits(S @ A, A[S.indices] * S.weights[:, None])
    assert close(S.T @ matrix(30, 2), full(S).T @ matrix(30, 2), "d", 50)
    everything = RowSampling(50, 50, rng=1)
    assert np.array_equal(everything.indices, np.arange(50))
    assert np.array_equal(everything.toarray(), np.eye(50))


def test_probabilities_may_be_lists_and_single_precision():
    S = RowSampling(7, 4, p=[0.25] * 4, rng=1)
    assert RowSampling(7, 4, p=np.full(4, 0.25, "f"), rng=1) == S
    assert RowSampling(7, 4, p=[0.25, 0.25, 0.5, 0], rng=1) != S
    tiny = np.array([1.0 - 2**-60, 2**-60])  # below the grid: counts as one unit
    assert RowSampling(4, 2, p=tiny, rng=1).shape == (4, 2)


def test_bad_probabilities():
    for p, error, text in [
        ([0.5, 0.5], ValueError, r"p must have shape \(3,\), got \(2,\)"),
        ([[1.0, 0, 0]], ValueError, r"p must have shape \(3,\), got \(1, 3\)"),
        ([0.5, 0.7, -0.2], ValueError, r"p must be nonnegative, got -0\.2"),
        ([np.nan, 0.5, 0.5], ValueError, "p must be finite, got nan"),
        ([np.inf, 0.5, 0.5], ValueError, "p must be finite, got inf"),
        ([0, 0, 0], ValueError, "p must have a positive entry, got zeros alone"),
        ([0.5, 0.5, 0.5], ValueError, r"p must have the sum 1, got 1\.5"),
        ([1j, 0, 0], TypeError, "p must have real numbers, got dtype complex128"),
    ]:
        with pytest.raises(error, match=text):
            RowSampling(2, 3, p=p)


def gram_scores(A):
    Q = np.linalg.qr(A).Q
    return (np.abs(Q) ** 2).sum(axis=1)


@pytest.mark.parametrize("char", "fdFD")
def test_exact_leverage_scores(char):
    A = matrix(60, 7, char)
    got = leverage_scores(A, exact=True)
    assert got.dtype == np.dtype(char).char.lower()
    assert np.allclose(got, gram_scores(A), atol=50 * np.finfo(char).eps)
    assert got.sum() == pytest.approx(7, rel=1e-5)
    assert ((got >= 0) & (got <= 1 + 1e-5)).all()
    lacking = np.concatenate([A, A[:, :2]], axis=1)  # of rank 7
    assert leverage_scores(lacking, exact=True).sum() == pytest.approx(7, rel=1e-4)
    assert not leverage_scores(np.zeros((5, 2), char), exact=True).any()


@pytest.mark.parametrize("char", "fdFD")
@pytest.mark.parametrize("n", [3, 16, 40])
def test_approximate_leverage_scores(char, n):
    A = matrix(2000, n, char)
    A[:n] *= 1000
    A[50] = 0
    wanted, got = gram_scores(A), leverage_scores(A, rng=1)
    assert got.dtype == np.dtype(char).char.lower()
    assert got[50] == 0
    ratio = np.delete(got / np.where(wanted > 0, wanted, 1), 50)
    assert np.mean((ratio > 1 / 3) & (ratio < 3)) > 0.99
    assert np.median(ratio) == pytest.approx(1, abs=0.5)
    assert same_bits(got, leverage_scores(A, rng=1))


def test_leverage_scores_make_row_sampling_embed():
    """Spiked rows: uniform sampling misses them, leverage scores do not."""
    A = matrix(4000, 20)
    A[:20] *= 1e5
    Q = np.linalg.qr(A).Q
    for scores in (leverage_scores(A, exact=True), leverage_scores(A, rng=0)):
        S = RowSampling(400, 4000, p=scores / scores.sum(), rng=2)
        assert np.linalg.cond(S @ Q) < 4
    assert np.linalg.cond(RowSampling(400, 4000, rng=2) @ Q) > 100


def test_bad_leverage_scores():
    with pytest.raises(ValueError, match=r"A must have shape \(m, n\) with m >= n, got \(2, 3\)"):
        leverage_scores(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"A must have shape \(m, n\) with m >= n, got \(3,\)"):
        leverage_scores(np.zeros(3))
    with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
        leverage_scores(np.full((3, 2), np.nan))
    with pytest.raises(TypeError, match="A has dtype <U1; expected numbers"):
        leverage_scores(np.array([["a"]]))
    assert leverage_scores(np.zeros((4, 0))).tolist() == [0] * 4
    assert leverage_scores([[1, 0], [0, 1], [0, 0]]).tolist() == [1, 1, 0]


# ---- statistics, with fixed seeds ----------------------------------------------------------------


def test_mean_of_the_gram_matrix_is_the_identity(name):
    d, m, draws = 4, 6, 2000
    grams = []
    stream = Stream(99)
    for _ in range(draws):
        S = MAKE[name](d, m, stream)
        A = S.toarray()
        grams.append(A.conj().T @ A)
        stream = S.next_stream
    grams = np.array(grams)
    error = np.abs(grams.mean(axis=0) - np.eye(m))
    deviation = grams.std(axis=0) / math.sqrt(draws)
    assert (error <= 4.5 * deviation + 1e-12).all()


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_normals_are_normal(dtype):
    S = Gaussian(200, 500, dtype, rng=8)
    x = S.toarray().ravel() / S.scale
    assert scipy.stats.kstest(x, "norm").pvalue > 1e-3
    for moment, wanted, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x.astype("d") ** moment).mean() - wanted) < 5 * math.sqrt(variance / x.size)
    # neighbours in both directions, and members of a pair
    Z = S.toarray().astype("d") / S.scale
    for a, b in ((Z[1:], Z[:-1]), (Z[:, 1:], Z[:, :-1]), (Z[::2], Z[1::2])):
        assert abs((a * b).mean()) < 5 / math.sqrt(a.size)
    C = Gaussian(200, 500, dtype, complex=True, rng=8).toarray() / S.scale
    assert scipy.stats.kstest(math.sqrt(2) * C.real.ravel(), "norm").pvalue > 1e-3
    assert scipy.stats.kstest(math.sqrt(2) * C.imag.ravel(), "norm").pvalue > 1e-3
    assert abs((C.real * C.imag).mean()) < 5 / math.sqrt(C.size)


def test_signs_are_fair():
    for S in (Rademacher(200, 500, rng=8), SparseSign(200, 9000, rng=8), SRHT(1, 4096, rng=8)):
        x = np.sign(S.toarray())
        plus, minus = (x > 0).sum(), (x < 0).sum()
        assert scipy.stats.chisquare([plus, minus]).pvalue > 1e-3
    bits = (Rademacher(128, 2000, rng=8).toarray() > 0).reshape(16, 8, 2000)
    values = (bits * (1 << np.arange(8))[:, None]).sum(axis=1).ravel()
    assert scipy.stats.chisquare(np.bincount(values, minlength=256)).pvalue > 1e-3


@pytest.mark.parametrize("d", [24, 29, 100])
def test_indices_are_uniform(d):
    A = SparseSign(d, 40000, 8, rng=4).toarray()
    counts, each, longer = (A != 0).sum(axis=1), d // 8, d % 8
    first = 0
    for t in range(8):
        length = each + (t < longer)
        assert scipy.stats.chisquare(counts[first : first + length]).pvalue > 1e-4
        # a row and its sign are independent
        table = [
            (A[first : first + length] > 0).sum(axis=1),
            (A[first : first + length] < 0).sum(axis=1),
        ]
        assert scipy.stats.chi2_contingency(table).pvalue > 1e-4
        first += length


def test_samples_are_uniform():
    counts, weights = np.zeros(20), np.zeros(6)
    p = np.array([0.3, 0.0, 0.1, 0.2, 0.15, 0.25])
    rows = np.zeros(32)
    for seed in range(3000):
        counts[RowSampling(7, 20, rng=seed).indices] += 1
        np.add.at(weights, RowSampling(5, 6, p=p, rng=seed).indices, 1)
    for seed in range(1000):
        kept = subset(Stream(seed), core.kinds()["SRHT"], 1, 9, 32)
        assert len(set(kept)) == 9
        rows[kept] += 1
    # without replacement the counts vary less than multinomial ones: the test is conservative
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    assert scipy.stats.chisquare(rows).pvalue > 1e-3
    assert weights[1] == 0
    assert scipy.stats.chisquare(weights[p > 0], 15000 * p[p > 0]).pvalue > 1e-3


def kahan(n, angle=1.2, perturbation=1e3):
    """Kahan's matrix, whose columns hide its rank from pivoting."""
    c, s = math.cos(angle), math.sin(angle)
    K = np.diag(s ** np.arange(n)) @ (np.eye(n) - c * np.triu(np.ones((n, n)), 1))
    return K + perturbation * np.finfo(float).eps * np.diag(np.arange(n, 0, -1.0))


def coherent(what, m, n):
    rng = np.random.default_rng(5)
    A = rng.standard_normal((m, n))
    if what == "unit":
        A = np.eye(m, n)
    elif what == "spiked":
        A[rng.choice(m, n, replace=False)] *= 1e6
    elif what == "kahan":
        A = np.zeros((m, n))
        A[:: m // n] = kahan(n)
    return np.linalg.qr(A).Q


@pytest.mark.parametrize("what", ["gaussian", "unit", "spiked", "kahan"])
def test_embedding_of_coherent_subspaces(what):
    """The condition of S Q at d = 2n: 5.4 to 5.8 for nnz = 8 as for Gaussian entries."""
    m, n = 4000, 200
    Q = coherent(what, m, n)
    mine = [np.linalg.cond(SparseSign(2 * n, m, rng=seed) @ Q) for seed in range(5)]
    normal = [np.linalg.cond(Gaussian(2 * n, m, rng=seed) @ Q) for seed in range(3)]
    assert max(mine) < 7
    assert np.median(mine) == pytest.approx(np.median(normal), rel=0.15)
    if what in ("unit", "spiked"):  # one nonzero is not enough
        assert np.linalg.cond(CountSketch(2 * n, m, rng=0) @ Q) > 1e3


def test_distances_are_kept(name):
    """Johnson and Lindenstrauss: lengths within 25 % at d = 200 (samples: of normal vectors)."""
    A = matrix(2000, 50)
    S = MAKE[name](200, 2000, 1)
    ratio = np.linalg.norm(S @ A, axis=0) / np.linalg.norm(A, axis=0)
    assert np.abs(ratio - 1).max() < 0.25
