"""The schemes and their error series, recomputed from the tables in 80-digit arithmetic."""

import re
from pathlib import Path

import mpmath
import numpy as np
import pytest

import randla
from randla._cpu import expm as binding

DEVICE = Path(randla.get_include()) / "randla" / "device"
SOURCES = Path(__file__).parent.parent / "native" / "include" / "randla" / "device"
ORDERS = (1, 2, 4, 8, 15, 21)
PRODUCTS = {1: 0, 2: 1, 4: 2, 8: 3, 15: 4, 21: 5}
TERMS = 64  # of every series below


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(80):
        yield


def coefficients(letter="C"):
    """{8: [c0, c1, ...], 15: ..., 21: ...} of expm_coefficients.def, with all their digits."""
    text = (SOURCES / "expm_coefficients.def").read_text()
    table = {}
    line = rf"^{letter}(\d+)\((\d+), ([-+.e\d]+)\)"
    for order, index, value in re.findall(line, text, re.MULTILINE):
        row = table.setdefault(int(order), [])
        assert int(index) == len(row)
        row.append(mpmath.mpf(value))
    return table


def series_table():
    """{m: (R, [|c_(m+1)|, ...])} of expm_series.def."""
    text = (SOURCES / "expm_series.def").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    table = {}
    for body in re.findall(r"X\(([^)]*)\)", text):
        numbers = [mpmath.mpf(x.strip()) for x in body.split(",")]
        table[int(numbers[0])] = (numbers[1], numbers[2:])
    return table


# ---- polynomials and series: lists of coefficients -----------------------------------------------


def plus(*terms):
    """Sum of (factor, polynomial) pairs."""
    total = [mpmath.mpf(0)] * max(len(p) for _, p in terms)
    for factor, p in terms:
        for k, x in enumerate(p):
            total[k] += factor * x
    return total


def times(p, q):
    product = [mpmath.mpf(0)] * (len(p) + len(q) - 1)
    for i, x in enumerate(p):
        for j, y in enumerate(q):
            product[i + j] += x * y
    return product


ONE, A, A2, A3 = ([0] * k + [1] for k in range(4))
HALF = mpmath.mpf(1) / 2


def scheme(m):
    """The polynomial of order m, as expm_rule.h writes the schemes out."""
    if m == 1:
        return plus((1, ONE), (1, A))
    if m == 2:
        return plus((1, ONE), (1, A), (HALF, A2))
    if m == 4:
        inner = plus((mpmath.mpf(1) / 24, A2), (mpmath.mpf(1) / 6, A))
        return plus((1, times(A2, inner)), (HALF, A2), (1, A), (1, ONE))
    c = coefficients()[m]
    if m == 8:
        y0 = times(A2, plus((c[0], A2), (c[1], A)))
        left, right = plus((1, y0), (c[2], A2), (c[3], A)), plus((1, y0), (c[4], A2))
        return plus((1, times(left, right)), (c[5], y0), (HALF, A2), (1, A), (1, ONE))
    if m == 15:
        y0 = times(A2, plus((c[0], A2), (c[1], A)))
        left, right = plus((1, y0), (c[2], A2), (c[3], A)), plus((1, y0), (c[4], A2))
        y1 = plus((1, times(left, right)), (c[5], y0), (c[6], A2))
        left = plus((1, y1), (c[7], A2), (c[8], A))
        right = plus((1, y1), (c[9], y0), (c[10], A))
        rest = ((c[11], y1), (c[12], y0), (c[13], A2), (1, A), (1, ONE))
        return plus((1, times(left, right)), *rest)
    y0 = times(A3, plus((c[0], A3), (c[1], A2), (c[2], A)))
    left = plus((1, y0), (c[3], A3), (c[4], A2), (c[5], A))
    right = plus((1, y0), (c[6], A3), (c[7], A2))
    y1 = plus((1, times(left, right)), (c[8], y0), (c[9], A3), (c[10], A2))
    left = plus((1, y1), (c[11], A3), (c[12], A2), (c[13], A))
    right = plus((1, y1), (c[14], y0), (c[15], A))
    rest = ((c[16], y1), (c[17], y0), (c[18], A3), (c[19], A2), (1, A), (1, ONE))
    return plus((1, times(left, right)), *rest)


def shared_scheme(m, C, linear=1):
    """The one formula for all orders, with the 20 numbers that kernels and reference use."""
    X = A3 if m == 21 else A2
    third = A3 if m == 21 else [0]
    y0 = times(X, plus((C[14], third), (C[0], A2), (C[1], A))) if m >= 4 else [0]
    y1 = plus((C[5], y0), (C[17], third), (C[6], A2))
    if m >= 8:
        left = plus((1, y0), (C[15], third), (C[2], A2), (C[3], A))
        y1 = plus((1, times(left, plus((1, y0), (C[16], third), (C[4], A2)))), (1, y1))
    p = plus((C[11], y1), (C[12], y0), (C[19], third), (C[13], A2), (linear, A), (1, ONE))
    if m >= 15:
        left = plus((1, y1), (C[18], third), (C[7], A2), (C[8], A))
        p = plus((1, times(left, plus((1, y1), (C[9], y0), (C[10], A)))), (1, p))
    return p


def backward_error(m, terms=TERMS):
    """Coefficients 0 ... terms - 1 of log(exp(-x) p_m(x)) = log p_m(x) - x."""
    p = scheme(m)
    p = p + [mpmath.mpf(0)] * terms
    log = [mpmath.mpf(0)] * terms
    for k in range(1, terms):  # k p_k = sum_j j log_j p_(k - j), p_0 = 1
        log[k] = p[k] - sum(j * log[j] * p[k - j] for j in range(1, k)) / k
    log[1] -= 1
    return log


# ---- tests ---------------------------------------------------------------------------------------


def test_installed_tables_are_those_of_the_sources():
    for name in ("expm_coefficients.def", "expm_series.def", "expm_rule.h", "expm_phi_rule.h"):
        assert (DEVICE / name).read_bytes() == (SOURCES / name).read_bytes()


@pytest.mark.parametrize("m", ORDERS)
def test_scheme_is_taylor_to_its_order(m):
    p = scheme(m)
    for k in range(m + 1):
        wanted = 1 / mpmath.factorial(k)
        # 40 digits are given; sums of products of them keep 35
        assert abs(p[k] - wanted) <= mpmath.mpf("1e-35") * wanted, k
    after = p[m + 1] if len(p) > m + 1 else 0
    assert abs(after * mpmath.factorial(m + 1) - 1) > 1e-3  # and no further


@pytest.mark.parametrize("m", [15, 21])
def test_plus_schemes_go_a_little_beyond(m):
    """The "+" of T15+ and T21+: the next term is there, with not quite the coefficient of exp."""
    ratio = scheme(m)[m + 1] * mpmath.factorial(m + 1)
    assert 0.4 < ratio < 1.1


@pytest.mark.parametrize("m", ORDERS)
def test_shared_table_is_the_scheme(m):
    C, products = binding.SCHEMES[m]
    assert products == PRODUCTS[m]
    assert len(C) == 20
    exact = scheme(m)
    for k, x in enumerate(shared_scheme(m, [mpmath.mpf(c) for c in C])):
        wanted = exact[k] if k < len(exact) else mpmath.mpf(0)
        # doubles keep 2^-53 of each coefficient; a sum of a dozen products cancels by less than 100
        assert abs(x - wanted) <= 100 * mpmath.mpf(2) ** -53 * abs(wanted), k


@pytest.mark.parametrize("m", [8, 15, 21])
def test_shared_table_holds_every_coefficient_of_its_scheme(m):
    listed = {float(c) for c in coefficients()[m]}
    assert listed <= set(binding.SCHEMES[m][0])
    assert set(binding.SCHEMES) == set(ORDERS)


@pytest.mark.parametrize("m", ORDERS)
def test_series_table_is_the_backward_error(m):
    exact = backward_error(m)
    radius, table = series_table()[m]
    assert len(table) == 30
    for k in range(m + 1):  # nothing below the order, but for the 40 digits
        assert abs(exact[k]) < mpmath.mpf("1e-35")
    for j, listed in enumerate(table):
        # 17 digits are listed; some terms vanish, and are rounding of the 40 digits
        wanted = abs(exact[m + 1 + j])
        assert abs(listed - wanted) <= mpmath.mpf("1e-15") * wanted + mpmath.mpf("1e-35") * table[0]
    roots = mpmath.polyroots(scheme(m)[::-1], maxsteps=1000, extraprec=1000)
    assert abs(min(abs(r) for r in roots) / radius - 1) < mpmath.mpf("1e-14")


# ---- phi -----------------------------------------------------------------------------------------


def phi_polynomial(k, m):
    """The polynomial for chi_k = k! phi_k of degree m, from what the core holds."""
    if k > 1:
        return [mpmath.factorial(k) / mpmath.factorial(i + k) for i in range(m + 1)]
    return shared_scheme(m, [mpmath.mpf(c) for c in binding.PHI1_SCHEMES[m]], HALF)


@pytest.mark.parametrize("m", [1, 2, 4, 8, 15])
def test_phi_1_scheme_is_taylor_to_its_order(m):
    p = phi_polynomial(1, m)
    for i in range(m + 1):
        wanted = 1 / mpmath.factorial(i + 1)
        assert abs(p[i] - wanted) <= 300 * mpmath.mpf(2) ** -53 * wanted, i
    if m in (8, 15):
        exact = [mpmath.mpf(c) for c in coefficients("P")[m]]
        assert {float(c) for c in exact} <= set(binding.PHI1_SCHEMES[m])
    if m == 15:  # between 0 and Taylor's: what the bound in expm_phi_rule.h asks for
        assert 0 < p[16] * mpmath.factorial(17) < 1


def test_published_sign_of_a_coefficient_is_not_ours():
    """The paper's code has number 9 of phi_1's scheme of order 15 with the other sign."""
    wrong = list(binding.PHI1_SCHEMES[15])
    assert wrong[9] < 0
    wrong[9] = -wrong[9]
    p = shared_scheme(15, [mpmath.mpf(c) for c in wrong], HALF)
    off = [abs(p[i] * mpmath.factorial(i + 1) - 1) for i in range(16)]
    assert max(off) > 1


@pytest.mark.parametrize("k", [1, 2, 3, 8])
@pytest.mark.parametrize("tol", [2.0**-53, 1e-8, 1e-3])
def test_phi_bound_is_true(k, tol):
    """error_bound against the series of h = log(e^-x p) in exact arithmetic, for a scalar x."""
    b1 = np.logspace(-6, 2, 25)
    info = np.zeros(b1.size, dtype=binding.INFO)
    binding.phi_select(b1, b1**2, k, tol, False, info)
    assert (info["error_bound"] <= tol * (1 + 1e-6)).all()
    for b, row in zip(b1, info, strict=True):
        m, s = int(row["order"]), int(row["scaling"])
        q = phi_polynomial(k, m)
        if k == 1 and m in (8, 15):  # the numbers of the table are rounded: Taylor's instead
            q = [1 / mpmath.factorial(i + 1) for i in range(m + 1)] + (q[16:17] if m == 15 else [])
        p = [1 / mpmath.factorial(j) for j in range(k)] + [c / mpmath.factorial(k) for c in q]
        p += [mpmath.mpf(0)] * TERMS
        log = [mpmath.mpf(0)] * TERMS
        for i in range(1, TERMS):
            log[i] = p[i] - sum(j * log[j] * p[i - j] for j in range(1, i)) / i
        log[1] -= 1
        x = mpmath.mpf(float(b)) / 2**s
        h = [abs(c) for c in log[m + k + 1 :]]

        def size(j, h=h, x=x, m=m):  # sum |h_i| x^(i - j)
            return sum(c * x ** (m + k + 1 + i - j) for i, c in enumerate(h))

        backward = size(0) / max(x, mpmath.mpf(2) ** -s)
        source = sum(
            mpmath.factorial(k) / mpmath.factorial(k - j + 1) * size(j) / 2 ** (s * (j - 1))
            for j in range(1, k + 1)
        )
        assert max(backward, source) <= row["error_bound"] * (1 + 1e-9)


# ---- the rule ------------------------------------------------------------------------------------

TOLERANCES = (1e-16, 2.0**-53, 1e-14, 1e-12, 0.99e-11, 1e-11, 1e-8, 2.0**-24, 1e-6, 1e-3, 0.1, 0.9)


def select(b1, b2, tol, single=False):
    b1, b2 = (np.ascontiguousarray(b, dtype=float) for b in (b1, b2))
    info = np.zeros(b1.size, dtype=binding.INFO)
    binding.select(b1, b2, tol, single, info)
    return info


def norms(count=400, seed=0):
    rng = np.random.default_rng(seed)
    b1 = 10.0 ** rng.uniform(-12, 4, count)
    b2 = b1**2 * np.where(rng.random(count) < 0.4, 1, 10.0 ** rng.uniform(-8, 0, count))
    b2[rng.random(count) < 0.05] = 0
    return b1, b2


_SERIES = {}


def tail(m, x1, x2):
    """Bound of ||h(X)|| with ||X|| <= x1, ||X^2|| <= x2, from all the terms there are."""
    if m not in _SERIES:
        _SERIES[m] = [abs(c) for c in backward_error(m)]
    x1, x2 = mpmath.mpf(x1), mpmath.mpf(x2)
    return sum(_SERIES[m][k] * x2 ** (k // 2) * (x1 if k % 2 else 1) for k in range(m + 1, TERMS))


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("tol", TOLERANCES)
def test_reported_bound_is_true(tol, single):
    b1, b2 = norms(80)
    info = select(b1, b2, tol, single)
    effective = max(tol, 2.0**-24 if single else 2.0**-53)
    for x, y, row in zip(b1, b2, info, strict=True):
        m, s = int(row["order"]), int(row["scaling"])
        assert row["products"] == PRODUCTS[m] + s
        x1 = mpmath.mpf(x) / 2**s
        x2 = x1**2 if m == 1 else mpmath.mpf(y) / 4**s  # T1 is judged before the square exists
        real = tail(m, x1, x2) * 2**s / max(1, mpmath.mpf(x))
        assert float(real) <= row["error_bound"] * (1 + 1e-12), (x, y, m, s)
        assert row["error_bound"] <= effective * (1 + 1e-12), (x, y, m, s)
        assert m <= (15 if effective >= 1e-11 else 21)


@pytest.mark.parametrize("single", [False, True])
def test_looser_tolerance_never_needs_more_products(single):
    b1, b2 = norms(2000, seed=1)
    before = None
    for tol in sorted({*TOLERANCES, *np.logspace(-16, -0.1, 60)}):
        products = select(b1, b2, tol, single)["products"]
        if before is not None:
            worse = np.flatnonzero(products > before)
            assert worse.size == 0, (tol, b1[worse[:3]], b2[worse[:3]])
        before = products


@pytest.mark.parametrize("single", [False, True])
def test_smaller_square_never_needs_more_products(single):
    """Non-normal matrices gain: the rule sees ||A^2||, not ||A||^2."""
    b1, _ = norms(1000, seed=2)
    before = None
    for ratio in (1, 0.3, 1e-1, 1e-3, 1e-6, 0):
        products = select(b1, b1**2 * ratio, 0.0, single)["products"]
        if before is not None:
            assert (products <= before).all()
        before = products


def test_tolerances_below_the_unit_roundoff_are_the_unit_roundoff():
    b1, b2 = norms(300, seed=3)
    for single, u in ((False, 2.0**-53), (True, 2.0**-24)):
        wanted = select(b1, b2, u, single)
        for tol in (0.0, 1e-300, u / 2):
            assert (select(b1, b2, tol, single) == wanted).all()


def test_rule_at_the_ends():
    info = select([0.0, np.inf, np.nan, 1e300], [0.0, np.inf, np.nan, np.inf], 0.0)
    assert (info["order"][0], info["scaling"][0], info["error_bound"][0]) == (1, 0, 0)
    assert np.isnan(info["error_bound"][1:3]).all()
    assert (info["scaling"] <= 1100).all()


def test_thresholds_reach_the_published_ones():
    """Norms up to which an order does without scaling, at least those from ||A|| alone."""
    published = {2: 2.58e-8, 4: 3.40e-4, 8: 4.99e-2, 15: 0.676, 21: 1.683}
    for m, theta in published.items():
        row = select([theta * 0.99], [(theta * 0.99) ** 2], 0.0)[0]
        assert (row["scaling"], row["order"] <= m) == (0, True), m


def test_select_refuses_a_tolerance_of_one():
    with pytest.raises(ValueError, match=r"tol must be inside \(0, 1\)"):
        select([1.0], [1.0], 1.0)
