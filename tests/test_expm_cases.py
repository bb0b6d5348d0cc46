"""Inputs on which a known library once failed, each from a public report, told again.

The numbers are in data/expm_cases.json; expected values there are from 150-digit arithmetic.
"""

import json
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import exp_oracle, relative_error, unit
from test_expm import codon_like, same_bits

import randla
from randla import expm

CASES = {
    case["name"]: case
    for case in json.loads((Path(__file__).parent / "data" / "expm_cases.json").read_text())
}


def number(x):
    """A decimal string as hi + lo, two doubles; a pair is a complex number."""
    if isinstance(x, list):
        (a, b), (c, d) = number(x[0]), number(x[1])
        return complex(a, c), complex(b, d)
    hi = float(x)
    if not np.isfinite(hi):
        return hi, 0.0
    return hi, float(Fraction(x) - Fraction(hi))


def matrix(rows):
    """Matrices hi, lo from rows of decimal strings."""
    pairs = [[number(x) for x in row] for row in rows]
    hi, lo = (np.array([[pair[k] for pair in row] for row in pairs]) for k in (0, 1))
    return hi, lo


def case(name):
    """A, and exp(A) = hi + lo where the case lists it."""
    listed = CASES[name]
    A = matrix(listed["A"])[0]
    A = A.astype(listed.get("dtype", A.dtype))
    return (A, *matrix(listed["expected"])) if "expected" in listed else A


def everywhere(A):
    """exp(A) alone, in a batch of ten, and with each kind of stride."""
    E = expm(A)
    assert same_bits(expm(np.stack([A] * 10)), np.stack([E] * 10))
    assert same_bits(expm(np.asfortranarray(A)), E)
    return E


def test_every_case_is_told():
    told = {name for name in CASES if f'"{name}"' in Path(__file__).read_text()}
    assert told == set(CASES)


def test_ill_conditioned_pair():
    """scipy#21803: exp(A) exp(-A) was far from the identity, and that looked like a bug.

    Its condition is 1e21: each of the two is right, and their product cannot be.
    """
    A, *expected = case("ill-conditioned pair")
    E, inverse = everywhere(A), everywhere(-A)
    assert relative_error(E, *expected) <= 20 * unit("d")
    assert relative_error(inverse, *exp_oracle(-A)) <= 20 * unit("d")
    assert np.abs(E @ inverse - np.eye(2)).max() > 1


def test_norm_of_rows_not_columns():
    """scipy#25864: one large column; a norm of rows instead of columns chose the scaling."""
    A, *expected = case("norm of rows, not columns")
    E = everywhere(A)
    assert relative_error(E, *expected) <= 50 * unit("d")
    assert (E[:, 1:] == np.eye(5)[:, 1:]).all()
    assert relative_error(everywhere(A.T), expected[0].T, expected[1].T) <= 50 * unit("d")


def test_lower_triangular_with_large_decay():
    """scipy#19584: a lower triangular matrix of large decay gave garbage below the diagonal."""
    A, hi, _ = case("lower triangular 2x2 with large decay")
    for assume in (None, "triangular"):
        E = expm(A, assume=assume)
        assert np.isfinite(E).all()
        assert E[0, 1] == 0
        assert (np.abs(E - hi) <= 1e-10 * np.abs(hi)).all()
        assert (np.abs(expm(A.T, assume=assume) - hi.T) <= 1e-10 * np.abs(hi.T)).all()


def test_small_complex64():
    """scipy#21584: complex64 of small norm lost the unit diagonal."""
    A, *expected = case("small complex64")
    E = everywhere(A)
    assert E.dtype == np.complex64
    assert relative_error(E, *expected) <= 4 * unit("f")
    assert (np.abs(np.diag(E) - 1) < 1.2e-3).all()


def test_imaginary_multiple_of_a_real_matrix():
    """pytorch#48299: exp(i A) for a real A was wrong."""
    A, *expected = case("imaginary multiple of a real matrix")
    assert relative_error(everywhere(A), *expected) <= 10 * unit("d")


def test_large_negative_semidefinite():
    """jax#13985: -1e6 times a Laplacian gave NaN; the result is 0 to any double."""
    A, hi, _ = case("large negative semidefinite")
    assert not hi.any()
    for assume in (None, "hermitian", "metzler"):
        E = expm(A, assume=assume)
        assert np.isfinite(E).all()
        assert (np.abs(E) <= 1e-300).all()
    single = expm(A.astype("f"))
    assert np.isfinite(single).all()
    assert (np.abs(single) <= 1e-37).all()


def test_nan_is_not_garbage():
    """pytorch#82282: NaN in, numbers out."""
    A = case("NaN is not garbage")
    assert np.isnan(everywhere(A)).all()
    rng = np.random.default_rng(82282)
    for char in "fd":
        batch = rng.standard_normal((9, 3, 3)).astype(char)
        alone = np.stack([expm(a) for a in batch])
        batch[4] = A
        E = expm(batch)
        assert np.isnan(E[4]).all()
        rest = np.arange(9) != 4
        assert same_bits(E[rest], alone[rest])


def test_two_batch_dimensions_permuted_strides():
    """pytorch#85001: a permuted batch raised an error, or warned."""
    assert "(7, 3, 5, 5)" in CASES["two batch dimensions, permuted strides"]["A"]
    x = np.random.default_rng(85001).standard_normal((3, 5, 5, 7))
    A = x.transpose(3, 0, 1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        E = expm(A)
    assert E.shape == (7, 3, 5, 5)
    for i, j in np.ndindex(7, 3):
        assert same_bits(E[i, j], expm(A[i, j].copy()))
    tensor = torch.from_numpy(x).permute(3, 0, 1, 2).requires_grad_()
    result = expm(tensor)
    assert result.shape == (7, 3, 5, 5)
    (gradient,) = torch.autograd.grad(result.sum(), tensor)
    assert gradient.shape == tensor.shape
    assert torch.isfinite(gradient).all()


def test_batch_neighbours():
    """scipy#25924: in a batch the scaling of one matrix leaked into the next."""
    assert "5.7 and 2.6" in CASES["batch neighbours"]["A"]
    rng = np.random.default_rng(25924)
    A = rng.standard_normal((2, 6, 6))
    A = A + A.swapaxes(-1, -2)
    A *= (np.array([5.7, 2.6]) / np.abs(A).sum(axis=1).max(axis=1))[:, None, None]
    for order in ([0, 1], [1, 0]):
        E = expm(A[order])
        for k, i in enumerate(order):
            assert same_bits(E[k], expm(A[i]))
            assert relative_error(E[k], *exp_oracle(A[i])) <= 30 * unit("d")


@pytest.mark.parametrize("assume", [None, "hermitian"])
def test_same_bits_every_run(assume):
    """scipy#18086: a 500x500 symmetric matrix gave other bits from run to run."""
    assert "500x500" in CASES["same bits every run"]["A"]
    rng = np.random.default_rng(18086)
    A = rng.standard_normal((500, 500)) * 10.0 ** rng.uniform(-8, 0, (500, 500))
    A = (A + A.T) / np.abs(A + A.T).sum(axis=0).max() * 1e-3
    with randla.num_threads(1):
        E = expm(A, assume=assume, tol=1e-8)
        for _ in range(99):
            assert same_bits(expm(A, assume=assume, tol=1e-8), E)
        exact = expm(A, assume=assume)
    with randla.num_threads(2):
        assert relative_error(expm(A, assume=assume), exact) <= 10 * unit("d")


@pytest.mark.parametrize("t", [1e-12, 1e-6, 1.0, 1e3, 1e6])
def test_negative_probabilities(t):
    """libpll#125: transition probabilities of a codon model came out negative, likelihoods NaN."""
    assert "61-state" in CASES["negative probabilities"]["A"]
    Q = codon_like(61, np.random.default_rng(125)) * t
    P = expm(Q, assume="metzler")
    assert (P >= 0).all()
    assert np.abs(P.sum(axis=1) - 1).max() <= 4 * unit("d") * np.sqrt(61)
    hi, lo = exp_oracle(Q, entrywise=True, conserved="rows")
    seen = hi > 1e-300
    assert (np.abs((P - hi) - lo)[seen] <= 1e-12 * hi[seen]).all()
    assert (P[hi == 0] == 0).all()
