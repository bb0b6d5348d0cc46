"""Inputs on which a known library once failed; `data/topk_cases.json` has what must hold."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from oracles import topk_oracle

import randla
from randla import kth_value, topk, topk_indices

CASES = {
    c["name"]: c for c in json.loads((Path(__file__).parent / "data/topk_cases.json").read_text())
}


def test_every_case_is_told():
    told = {name for name in CASES if f'"{name}"' in Path(__file__).read_text()}
    assert told == set(CASES)


@pytest.mark.parametrize("n", [5, 3000, 50000])
@pytest.mark.parametrize("char", "efd")
def test_inf_and_nan_together(char, n):
    """pytorch#16762: with infinities beside a NaN the index was one past the end."""
    assert CASES["inf and NaN together"]["A"].startswith("[nan, inf, inf, 3, inf")
    x = np.full(n, np.inf, char)
    x[0], x[3] = np.nan, 3
    for nan, largest, wanted in [
        ("greatest", True, 0),
        ("greatest", False, 3),
        ("least", True, 1),
        ("least", False, 0),
    ]:
        values, indices = topk(x, 1, largest=largest, nan=nan)
        assert indices.tolist() == [wanted]
        assert values.tobytes() == x[[wanted]].tobytes()
        assert kth_value(x, 1, largest=largest, nan=nan).tobytes() == x[[wanted]].tobytes()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_negative_nan(isa, dtype):
    """pytorch#117617: NaN with the sign set came out as the smallest number."""
    assert "both signs" in CASES["negative NaN"]["A"]
    rng = np.random.default_rng(117617)
    for n in (20, 2000, 20000):
        x = rng.standard_normal(n).astype(dtype)
        where = rng.choice(n, 8, replace=False)
        x[where] = np.array([np.nan, -np.nan] * 4, dtype)
        for nan, largest in (("greatest", True), ("least", False)):
            # the sign does not matter: the lowest index comes first
            assert np.array_equal(topk_indices(x, 8, nan=nan, largest=largest), np.sort(where))
        for nan, largest in (("greatest", False), ("least", True)):
            assert not np.isnan(topk(x, n - 8, nan=nan, largest=largest).values).any()
            assert np.array_equal(topk_indices(x, n, nan=nan, largest=largest)[-8:], np.sort(where))


def test_row_full_of_nan_in_bfloat16():
    """torch-xpu-ops#4839: a row of NaN gave the index -1: the last element, in silence."""
    assert "512 x 32 bfloat16" in CASES["row full of NaN in bfloat16"]["A"]
    x = np.random.default_rng(4839).standard_normal((512, 32)).astype(ml_dtypes.bfloat16)
    clean = topk(x, 4)
    x[0] = np.nan
    values, indices = topk(x, 4)
    assert indices[0].tolist() == [0, 1, 2, 3]
    assert np.isnan(values[0]).all()
    assert np.array_equal(indices[1:], clean.indices[1:])
    assert values[1:].tobytes() == clean.values[1:].tobytes()


def test_many_long_rows():
    """pytorch#95455: of many rows of 500000 some had indices out of range."""
    assert "2120 x 500000" in CASES["many long rows"]["A"]
    n, rng = 500000, np.random.default_rng(95455)
    base = rng.standard_normal(n + 2120).astype("f")
    rows = np.lib.stride_tricks.as_strided(base, (2120, n), (4, 4), writeable=False)
    with randla.num_threads(2):  # 2120 windows of one array: all the rows, in two megabytes
        indices = topk_indices(rows[::8], 20)
    assert ((indices >= 0) & (indices < n)).all()
    for i in (0, 1, 130, 264):
        assert np.array_equal(indices[i], topk_indices(rows[8 * i], 20))
        assert np.array_equal(indices[i], np.argsort(-rows[8 * i], kind="stable")[:20])


def test_equal_values():
    """pytorch#4935: other indices from call to call where values are equal."""
    assert "constant rows, two values" in CASES["equal values"]["A"]
    rng = np.random.default_rng(4935)
    for n in (10, 1000, 5000, 100000):
        two = rng.integers(0, 2, n).astype("f")
        for x in (np.zeros(n, "f"), two):
            for k in (1, n // 20, n // 2, n):
                for largest in (True, False):
                    first = topk_indices(x, k, largest=largest)
                    order = topk_oracle(x, k, largest) if n <= 5000 else None
                    if order is None:
                        order = np.argsort(-x if largest else x, kind="stable")[:k]
                    assert np.array_equal(first, order)
                    for _ in range(5):
                        assert np.array_equal(topk_indices(x, k, largest=largest), first)


@pytest.mark.parametrize("char", "efd")
def test_indices_fit_to_gather(char):
    """pytorch#37278, cutorch#377: indices that gather refused, out of range or twice the same."""
    assert "k = n" in CASES["indices fit to gather"]["A"]
    rng = np.random.default_rng(37278)
    tiny = float(np.finfo(char).smallest_subnormal)
    for n in (7, 64, 1500, 30000):
        x = rng.choice([np.inf, -np.inf, np.nan, tiny, -tiny, 0.0, 1.0], n).astype(char)
        for is_sorted in (True, False):
            values, indices = topk(x, n, sorted=is_sorted)
            assert np.array_equal(np.sort(indices), np.arange(n))
            assert np.take(x, indices).tobytes() == values.tobytes()
