"""QR factorisations: every sentence of the docstrings, on NumPy."""

import ctypes
import json
import math
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import qr_gallery

import randla
from randla._cpu import _blas, blas, core

CASES = {
    case["name"]: case
    for case in json.loads((Path(__file__).parent / "data" / "qr_cases.json").read_text())
}
DTYPES = ["float32", "float64", "complex64", "complex128"]


def random_matrix(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal(shape)
    return A.astype(dtype)


def check(A, result, columns=None):
    """Right factors of one matrix; `columns` of them, or all."""
    m, n = A.shape
    p = min(m, n)
    columns = p if columns is None else columns
    assert result.Q.shape == (m, columns)
    assert result.R.shape == (columns, n)
    assert result.Q.dtype == result.R.dtype == A.dtype
    assert not np.tril(result.R, -1).any()
    diagonal = np.diag(result.R)
    assert (diagonal.imag == 0).all()
    assert (diagonal.real >= 0).all()
    if len(result) == 3:
        assert result.P.dtype == np.int64
        assert sorted(result.P.tolist()) == list(range(n))
    if not A.size:
        return
    orth, off = qr_gallery.figures(A, result)
    assert orth <= 50
    if columns == p:
        assert off <= 50


# ---- shapes, dtypes, layouts ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F", "strided", "read-only", "negative"])
@pytest.mark.parametrize(
    "shape", [(300, 20), (90, 40), (40, 40), (7, 30), (130, 200), (1, 1), (5, 1), (1, 5)]
)
def test_every_method_layout_and_dtype(shape, order, dtype):
    A = random_matrix(shape, dtype)
    if order in "CF":
        A = np.asarray(A, order=order)
    elif order == "strided":
        A = np.repeat(np.repeat(A, 2, axis=0), 3, axis=1)[::2, ::3]
    elif order == "negative":
        A = A[::-1, ::-1]
    else:
        A.flags.writeable = False
    before = A.copy()
    tall = shape[0] >= shape[1]
    for pivoting, methods in (
        (True, ["auto", "bqrrp", "householder", *(["cqrrpt"] if tall else [])]),
        (False, ["auto", "householder", *(["cqrrt"] if tall else [])]),
    ):
        for method in methods:
            result = randla.qr(A, pivoting=pivoting, method=method, rng=3)
            check(A, result)
            assert result.rank == min(shape)
    if tall:
        for method in ("auto", "cholqr2", "cholqr3"):
            check(A, randla.cholesky_qr(A, method=method))
    assert (before == A).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (4, 0)])
@pytest.mark.parametrize("pivoting", [False, True])
def test_empty_matrices_have_empty_factors(shape, pivoting):
    result = randla.qr(np.zeros(shape), pivoting=pivoting)
    m, n = shape
    assert result.Q.shape == (m, 0)
    assert result.R.shape == (0, n)
    assert result.rank == 0
    if pivoting:
        assert result.P.tolist() == list(range(n))
    assert randla.cholesky_qr(np.zeros((4, 0))).R.shape == (0, 0)


def test_lists_integers_and_half_precision():
    result = randla.qr([[3, 0], [4, 5]])
    assert result.R.dtype == np.float64
    np.testing.assert_allclose(result.R, [[5, 4], [0, 3]], atol=1e-14)
    half = randla.qr(random_matrix((50, 4)).astype(np.float16), pivoting=True)
    assert half.Q.dtype == half.R.dtype == np.float16


def test_one_column_is_its_norm():
    A = np.array([[3.0], [-4.0]])
    for result in (randla.qr(A), randla.qr(A, pivoting=True), randla.cholesky_qr(A)):
        np.testing.assert_allclose(result.R, [[5.0]])


def test_what_unpacks_and_what_does_not():
    A = random_matrix((600, 40))
    _Q, _R = randla.qr(A, rng=0)
    Q2, _R2, P = pivoted = randla.qr(A, pivoting=True, rng=0, method="cqrrpt")
    assert isinstance(pivoted, randla.PivotedQRResult)
    assert pivoted.Q is Q2
    assert pivoted.info.method == "cqrrpt"
    assert pivoted.info.attempts == 1
    assert isinstance(pivoted.rank, int)
    assert 1 <= pivoted.info.cond_estimate <= 20 * 40
    assert 0 < pivoted.info.orth_estimate <= 40 * np.finfo(float).eps
    assert 0 < pivoted.info.residual_estimate <= 50 * np.finfo(float).eps
    again = pickle.loads(pickle.dumps(pivoted))
    assert (again.P == P).all()
    assert again.info == pivoted.info
    assert isinstance(randla.qr(A), randla.QRResult)
    assert math.isnan(randla.qr(A, method="householder").info.orth_estimate)


def test_modes():
    A = (
        random_matrix((400, 30))
        @ np.diag([1.0] * 20 + [0.0] * 10)
        @ random_matrix((30, 30), seed=1)
    )
    for method in ("cqrrpt", "householder"):
        economic = randla.qr(A, pivoting=True, method=method, rng=0)
        check(A, economic)
        assert economic.rank == 20
        r = randla.qr(A, pivoting=True, method=method, rng=0, mode="r")
        assert r.Q is None
        assert (r.R == economic.R).all()
        truncated = randla.qr(A, pivoting=True, method=method, rng=0, mode="truncated")
        check(A, truncated, 20)
        assert qr_gallery.figures(A, truncated)[1] <= 50 * 30
        few = randla.qr(A, pivoting=True, method=method, rng=0, k=5)
        check(A, few, 5)
        left = np.linalg.norm(A[:, few.P] - few.Q @ few.R) / np.linalg.norm(A)
        assert left / 3 < few.info.residual_estimate < 3 * left
        # R is Q^H A[:, P], not what the sketch says of it
        np.testing.assert_allclose(few.R, few.Q.T @ A[:, few.P], atol=1e-12)
        assert randla.qr(A, pivoting=True, method=method, rng=0, k=25).Q.shape == (400, 20)


def test_the_rank_is_relative_to_rtol():
    A = random_matrix((400, 30)) * np.logspace(0, -10, 30)
    full = randla.qr(A, pivoting=True, method="cqrrpt", rng=0)
    assert full.rank == 30
    cut = randla.qr(A, pivoting=True, method="cqrrpt", rng=0, rtol=1e-5, mode="truncated")
    assert 13 <= cut.rank <= 17
    assert cut.R.shape == (cut.rank, 30)
    assert randla.qr(A, pivoting=True, rtol=0.0).rank == 30


def test_the_same_seed_gives_the_same_bits_and_another_one_others():
    A = random_matrix((800, 40))
    one, two, three = (randla.qr(A, pivoting=True, method="cqrrpt", rng=s) for s in (1, 1, 2))
    assert (one.Q == two.Q).all()
    assert (one.Q != three.Q).any()


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cqrrpt", "householder"])
def test_batches(method):
    A = random_matrix((2, 3, 200, 12))
    A[1, 2, :, 4] = A[1, 2, :, 3]
    result = randla.qr(A, pivoting=True, method=method, rng=0)
    assert result.Q.shape == (2, 3, 200, 12)
    assert result.P.shape == (2, 3, 12)
    assert result.rank.tolist() == [[12, 12, 12], [12, 12, 11]]
    assert result.info.attempts.shape == (2, 3)
    for i in np.ndindex(2, 3):
        one = randla.PivotedQRResult(result.Q[i], result.R[i], result.P[i])
        check(A[i], one)
    first = randla.qr(A[0, 0], pivoting=True, method=method, rng=0)
    assert (result.Q[0, 0] == first.Q).all()
    few = randla.qr(A, pivoting=True, method=method, rng=0, k=12)
    assert few.Q.shape == (2, 3, 200, 12)  # exactly k, also where the rank is less
    assert randla.qr(A, pivoting=True, method=method, k=7).R.shape == (2, 3, 7, 12)
    plain = randla.qr(A)
    np.testing.assert_allclose(plain.Q @ plain.R, A, atol=1e-12)
    cholesky = randla.cholesky_qr(A)
    np.testing.assert_allclose(cholesky.Q @ cholesky.R, A, atol=1e-12)
    assert randla.qr(A[:0]).Q.shape == (0, 3, 200, 12)


def test_a_result_does_not_depend_on_its_neighbours():
    A = random_matrix((4, 300, 10))
    B = A.copy()
    B[[0, 2, 3]] = 0
    one, two = (randla.qr(x, pivoting=True, method="cqrrpt", rng=5) for x in (A, B))
    assert (one.Q[1] == two.Q[1]).all()
    assert (one.R[1] == two.R[1]).all()


# ---- threads -------------------------------------------------------------------------------------

_BITS = """
import hashlib, sys
import numpy as np, randla
A = np.random.default_rng(0).standard_normal((9000, 70))
C = np.random.default_rng(0).standard_normal((9, 700, 40))
digest = hashlib.sha256()
for result in (
    randla.qr(A, pivoting=True, method="cqrrpt", rng=1),
    randla.qr(np.asfortranarray(A), method="cqrrt", rng=1),
    randla.cholesky_qr(A, method="cholqr3"),
    randla.qr(C, pivoting=True, method="cqrrpt", rng=2),
):
    for x in result:
        digest.update(np.ascontiguousarray(x).tobytes())
sys.stdout.write(digest.hexdigest())
"""


def test_the_bits_do_not_depend_on_the_number_of_threads(tmp_path):
    found = set()
    for threads in "123":
        env = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        env |= {"PYTHONPATH": str(Path(randla.__file__).parents[1]), "OMP_WAIT_POLICY": "passive"}
        run = subprocess.run(
            [sys.executable, "-c", _BITS], env=env, cwd=tmp_path, text=True, capture_output=True,
            check=True,
        )  # fmt: skip
        found.add(run.stdout)
    assert len(found) == 1


def test_the_core_can_hold_the_blas_at_one_thread():
    """Without a switch the loops over rows would stay on one thread."""
    if blas.name == "OpenBLAS":
        library = ctypes.CDLL(blas.path)
        switch = _blas._thread_switch(library, blas.prefix, blas.suffix.removeprefix("_"))
        assert all(switch)
        get = ctypes.CFUNCTYPE(ctypes.c_int)(switch[0])
        set_ = ctypes.CFUNCTYPE(None, ctypes.c_int)(switch[1])
        before = get()
        set_(2)
        randla.qr(random_matrix((3000, 40)), pivoting=True, method="cqrrpt", rng=0)
        assert get() == 2  # given back
        set_(before)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"mode": "full"}, "economic"),
        ({"mode": "complete"}, "economic"),
        ({"mode": "raw"}, "mode must be one of"),
        ({"method": "bqr"}, "method must be one of"),
        ({"method": "cqrrpt"}, "method must be one of"),
        ({"method": "cqrrt", "pivoting": True}, "method must be one of"),
        ({"k": 3}, "k needs pivoting=True"),
        ({"mode": "truncated"}, "needs pivoting=True"),
        ({"k": 0, "pivoting": True}, r"k must be in \[1, 8\]"),
        ({"k": 9, "pivoting": True}, r"k must be in \[1, 8\].*got 9"),
        ({"rtol": -0.1}, r"rtol must be in \[0, 1\), got -0.1"),
        ({"rtol": 1.0}, r"rtol must be in \[0, 1\)"),
        ({"rtol": float("nan")}, r"rtol must be in \[0, 1\)"),
    ],
)
def test_arguments_that_are_out_of_range(kwargs, message):
    with pytest.raises(ValueError, match=message):
        randla.qr(random_matrix((20, 8)), **kwargs)


def test_arguments_of_the_wrong_type():
    A = random_matrix((20, 8))
    with pytest.raises(TypeError, match="k must be an integer"):
        randla.qr(A, pivoting=True, k=2.0)
    with pytest.raises(TypeError, match="rtol must be a real number"):
        randla.qr(A, rtol="small")
    with pytest.raises(TypeError, match="rng must be"):
        randla.qr(A, rng="seed")
    with pytest.raises(TypeError, match="subclass of ndarray"):
        randla.qr(np.ma.masked_array(A))
    with pytest.raises(TypeError, match="dtype"):
        randla.qr(A.astype(np.longdouble))
    with pytest.raises(ValueError, match="at least two dimensions"):
        randla.qr(A[0])


@pytest.mark.parametrize("call", ["cqrrpt", "cqrrt", "cholqr2", "cholqr3"])
def test_methods_for_tall_matrices_refuse_wide_ones(call):
    A = random_matrix((8, 20))
    function = randla.cholesky_qr if call.startswith("chol") else randla.qr
    options = {"pivoting": True} if call == "cqrrpt" else {}
    with pytest.raises(ValueError, match=f"{call}.*m >= n.*8, 20"):
        function(A, method=call, **options)


def test_a_truncated_batch_would_be_ragged():
    with pytest.raises(ValueError, match="different sizes"):
        randla.qr(random_matrix((3, 20, 8)), pivoting=True, mode="truncated")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", list(qr_gallery.METHODS))
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_not_finite_is_named(value, method, order):
    for at in ((0, 0), (299, 19), (150, 7)):
        A = np.asarray(random_matrix((300, 20)), order=order)
        A[at] = value
        with pytest.raises(np.linalg.LinAlgError, match="A has a NaN or an infinity"):
            qr_gallery.METHODS[method](A, 0)


def test_the_matrix_of_a_batch_is_named():
    A = random_matrix((2, 3, 30, 4))
    A[1, 0, 5, 2] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1, 0\) of A has a NaN"):
        randla.qr(A)


def test_an_r_beyond_the_range_is_an_error():
    A = np.full((50, 3), 1.7e308)
    for method in ("cqrrpt", "householder"):
        with pytest.raises(np.linalg.LinAlgError, match="beyond the range"):
            randla.qr(A, pivoting=True, method=method)


# ---- the gallery ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", list(qr_gallery.MATRICES))
@pytest.mark.parametrize("method", list(qr_gallery.METHODS))
def test_gallery(method, name, dtype):
    if dtype == "float32" and name in qr_gallery.DOUBLE_ONLY:
        return  # no such numbers
    for seed, order in ((0, "C"), (1, "F"), (2, "C")):
        A = qr_gallery.build(name, dtype, order, 900, 80, seed)
        ranks = qr_gallery.allowed_ranks(name, A)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            wrong = qr_gallery.defects(name, A, method, seed, ranks)[0]
        assert not wrong, (seed, order)


@pytest.mark.parametrize(
    "name",
    [
        "gaussian",
        "kappa 1e6",
        "graded columns 1e14",
        "Kahan",
        "low rank + 1e-11",
        "spiked rows",
        "duplicate columns",
    ],
)
def test_pivots_are_nearly_those_of_geqp3(name):
    A = qr_gallery.build(name, "float64", "F", 5000, 200, 0)
    result = randla.qr(A, pivoting=True, method="cqrrpt", rng=0)
    reference = randla.qr(A, pivoting=True, method="householder", mode="r").R
    k = min(result.rank, qr_gallery.allowed_ranks(name, A)[0])
    ratio = np.diag(result.R)[:k] / np.diag(reference)[:k]
    assert ratio.min() >= 0.75
    assert ratio.max() <= 1.4
    # Columns that are nearly as good as each other are what Kahan's matrix is made of: the tails of
    # geqp3 itself, of A or of Q^T A, differ by as much, and those of sketches of 10 n rows.
    tail = 4 if name == "Kahan" else 1.2
    for cut in (k // 4, k // 2, 3 * k // 4):
        assert np.linalg.norm(result.R[cut:]) <= tail * np.linalg.norm(reference[cut:])


@pytest.mark.parametrize(
    "name",
    [
        "gaussian",
        "kappa 1e6",
        "graded columns 1e14",
        "low rank + 1e-11",
        "spiked rows",
        "duplicate columns",
    ],
)
def test_pivots_in_blocks_are_nearly_those_of_geqp3(name):
    A = qr_gallery.build(name, "float64", "F", 600, 300, 0)
    result = randla.qr(A, pivoting=True, rng=0)
    assert result.info.method == "bqrrp"
    reference = randla.qr(A, pivoting=True, method="householder", mode="r").R
    k = min(result.rank, qr_gallery.allowed_ranks(name, A)[0])
    ratio = np.diag(result.R)[:k] / np.diag(reference)[:k]
    assert ratio.min() >= 0.4
    assert ratio.max() <= 2.5
    for cut in (k // 4, k // 2, 3 * k // 4):
        assert np.linalg.norm(result.R[cut:]) <= 1.4 * np.linalg.norm(reference[cut:])


def test_a_bad_sketch_is_never_believed():
    """[I; 0] defeats sketches with one or two nonzeros a column: with other seeds a wrong rank."""
    for seed in range(20):
        A = qr_gallery.build("[I; 0]", "float64", "F", 500, 100, seed)
        result = randla.qr(A, pivoting=True, method="cqrrpt", rng=seed)
        assert result.rank == 100
        check(A, result)


# ---- cases from other people ---------------------------------------------------------------------


def test_tiny_entries_beside_exact_zeros():
    assert CASES["tiny entries beside exact zeros"]["function"] == "qr"
    rng = np.random.default_rng(0)
    A = np.zeros((6, 34))
    A[:, :4] = rng.uniform(0.1, 0.7, (6, 4))
    A[:, 10:13] = 1e-17 * rng.standard_normal((6, 3))
    A[:, 20:22] = 1e-11 * rng.standard_normal((6, 2))
    result = randla.qr(A, pivoting=True)
    check(A, result)
    assert result.rank == 6  # four columns of order 1, two of 1e-11; 1e-17 is rounding


def test_zero_matrices():
    assert CASES["zero matrix"]["function"] == "qr"
    for shape in ((7, 1), (3, 3), (200, 40)):
        for method in ("auto", "cqrrpt", "householder"):
            A = np.zeros(shape)
            economic = randla.qr(A, pivoting=True, method=method)
            check(A, economic)
            assert economic.rank == 0
            assert economic.P.tolist() == list(range(shape[1]))
            truncated = randla.qr(A, pivoting=True, method=method, mode="truncated")
            assert truncated.Q.shape == (shape[0], 0)
            assert truncated.R.shape == (0, shape[1])


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (300, 40), (20, 20)])
def test_the_rank_does_not_depend_on_the_scale(shape, scale):
    assert CASES["rank from a pivoted factorisation"]["function"] == "qr(pivoting=True).rank"
    A = random_matrix((shape[0], 3)) @ random_matrix((3, shape[1]), seed=1) * scale
    methods = ["auto", "bqrrp", "householder", *(["cqrrpt"] if shape[0] >= shape[1] else [])]
    for method in methods:
        result = randla.qr(A, pivoting=True, method=method)
        assert result.rank == 3, method
        check(A, result)


@pytest.mark.parametrize("isa", ["baseline"])
def test_other_instruction_sets(isa):
    core.set_isa(isa)
    try:
        A = random_matrix((700, 40))
        check(A, randla.qr(A, pivoting=True, method="cqrrpt"))
    finally:
        core.set_isa("auto")
