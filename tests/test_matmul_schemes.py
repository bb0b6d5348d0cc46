"""Schemes: Brent equations, derived schemes, the plans that run them, the search for them."""

import dataclasses
import importlib.util
import itertools
import math
import random
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import randla

FOLDER = Path(__file__).parent.parent / "native" / "src" / "schemes"
SCHEMES = {s.name: s for s in randla.matmul_schemes()}


def tool(name):
    """A program of the folder of schemes, as a module."""
    spec = importlib.util.spec_from_file_location(f"schemes_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


plan, search = tool("plan"), tool("search")


@pytest.fixture(scope="module")
def flips():
    return search.library()


# ---- schemes -------------------------------------------------------------------------------------


def multiply(scheme, a, b):
    """A B by the definition of a scheme, in exact arithmetic."""
    d_u, d_v, d_w = scheme.denominators
    c = [Fraction(0)] * (scheme.m * scheme.n)
    for u, v, w in zip(scheme.u, scheme.v, scheme.w, strict=True):
        left = sum(Fraction(x, d_u) * y for x, y in zip(u, a, strict=True))
        right = sum(Fraction(x, d_v) * y for x, y in zip(v, b, strict=True))
        for i, x in enumerate(w):
            c[i] += Fraction(x, d_w) * left * right
    return c


def check_exact(scheme):
    assert scheme.is_exact()
    m, k, n = scheme.m, scheme.k, scheme.n
    assert len(scheme.u) == len(scheme.v) == len(scheme.w) == scheme.rank
    rng = random.Random(3)  # the definition once more, without the Brent equations
    a = [rng.randrange(-99, 100) for _ in range(m * k)]
    b = [rng.randrange(-99, 100) for _ in range(k * n)]
    product = np.array(a).reshape(m, k) @ np.array(b).reshape(k, n)
    assert multiply(scheme, a, b) == product.ravel().tolist()


def test_the_list():
    expected = {
        "strassen": (2, 2, 2, 7),
        "winograd": (2, 2, 2, 7),
        "even_power": (2, 2, 2, 7),
        "k3x3x3_23": (3, 3, 3, 23),
        "k3x3x4_29": (3, 3, 4, 29),
        "k3x4x4_38": (3, 4, 4, 38),
        "k3x4x5_47": (3, 4, 5, 47),
    }
    for name, size in expected.items():
        s = SCHEMES[name]
        assert (s.m, s.k, s.n, s.rank) == size
        assert s.field == ("Q" if name == "even_power" else "Z")
        assert s.origin
    stored = {f.stem for f in FOLDER.glob("*.def")} - {"plans"}
    assert set(SCHEMES) == stored
    sizes = [s.m * s.k * s.n for s in SCHEMES.values()]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("name", SCHEMES)
def test_stored_schemes_are_exact(name):
    check_exact(SCHEMES[name])


@pytest.mark.parametrize("name", SCHEMES)
def test_a_wrong_coefficient_is_noticed(name):
    scheme = SCHEMES[name]
    rng = random.Random(4)
    for _ in range(5):
        letter = rng.choice("uvw")
        rows = [list(row) for row in getattr(scheme, letter)]
        row = rng.choice(rows)
        row[rng.randrange(len(row))] += 1
        wrong = dataclasses.replace(scheme, **{letter: tuple(map(tuple, rows))})
        assert not wrong.is_exact()


@pytest.mark.parametrize("name", SCHEMES)
def test_rotations_and_transposes(name):
    s = SCHEMES[name]
    once, twice = s.rotated(), s.rotated().rotated()
    assert (once.m, once.k, once.n) == (s.k, s.n, s.m)
    assert (twice.m, twice.k, twice.n) == (s.n, s.m, s.k)
    other = s.transposed()
    assert (other.m, other.k, other.n) == (s.n, s.k, s.m)
    for derived in (once, twice, other, once.transposed()):
        check_exact(derived)
        assert derived.growth == pytest.approx(s.growth, rel=1e-14)
        assert derived.exponent == pytest.approx(s.exponent, rel=1e-14)
    for back in (twice.rotated(), other.transposed()):
        for field in ("u", "v", "w", "denominators", "sums"):
            assert getattr(back, field) == getattr(s, field)


PAIRS = list(itertools.combinations_with_replacement(list(SCHEMES)[:4], 2))


@pytest.mark.parametrize("pair", PAIRS)
def test_kronecker_products(pair):
    s, t = (SCHEMES[name] for name in pair)
    if s.rank * t.rank > 200:
        s = SCHEMES["strassen"]
    both = s.kron(t)
    assert (both.m, both.k, both.n, both.rank) == (s.m * t.m, s.k * t.k, s.n * t.n, s.rank * t.rank)
    check_exact(both)
    assert both.growth == pytest.approx(s.growth * t.growth, rel=1e-13)
    assert both.stability_factor == pytest.approx(s.stability_factor * t.stability_factor)
    # two levels: the outer sums on matrices of inner blocks, the inner ones once for each product
    sizes = (t.m * t.k, t.k * t.n, t.m * t.n)
    outer = sum(x * y for x, y in zip(s.sums, sizes, strict=True))
    assert both.additions == outer + s.rank * t.additions


def test_additions_of_rotations_are_those_of_transposed_programs():
    """Winograd's 4 + 4 + 7 become 4 + 4 + 7 again; Strassen's 5 + 5 + 8 likewise."""
    assert SCHEMES["winograd"].sums == SCHEMES["winograd"].rotated().sums == (4, 4, 7)
    assert SCHEMES["strassen"].sums == SCHEMES["strassen"].rotated().sums == (5, 5, 8)


def test_known_numbers():
    """Growth factors and stability factors, computed elsewhere."""
    strassen, winograd = SCHEMES["strassen"], SCHEMES["winograd"]
    assert strassen.growth == pytest.approx(12 + 2 * math.sqrt(2), rel=1e-14)
    assert strassen.stability_factor == 12
    assert winograd.growth == pytest.approx(17.853, abs=1e-3)
    assert winograd.stability_factor == 18
    assert SCHEMES["even_power"].growth == pytest.approx(12.2034, abs=1e-4)
    assert SCHEMES["even_power"].stability_factor == 13
    square = strassen.kron(strassen)
    assert square.growth == pytest.approx(219.9, abs=0.1)
    assert square.stability_factor == 144
    assert SCHEMES["k3x3x3_23"].growth < 118
    assert SCHEMES["k3x3x3_23"].stability_factor <= 139
    assert strassen.exponent == pytest.approx(math.log2(7))
    assert SCHEMES["k3x4x5_47"].exponent == pytest.approx(3 * math.log(47) / math.log(60))


@pytest.mark.parametrize("name", SCHEMES)
def test_growth_is_its_definition(name):
    s = SCHEMES[name]
    u, v, w = (np.array(x, float) for x in (s.u, s.v, s.w))
    norms = [np.linalg.norm(x, axis=1) for x in (u, v, w)]
    assert s.growth == pytest.approx(
        (norms[0] * norms[1] * norms[2]).sum() / math.prod(s.denominators)
    )
    weights = np.abs(u).sum(1) * np.abs(v).sum(1)
    assert s.stability_factor == pytest.approx(
        (weights @ np.abs(w)).max() / math.prod(s.denominators)
    )


# ---- plans ---------------------------------------------------------------------------------------


def committed():
    """{name: (record, arrays)} of plans.inc."""
    text = (FOLDER / "plans.inc").read_text()
    arrays = {}
    for kind, name, body in re.findall(
        r"static const (\w+) (\w+)\[\] = \{(.*?)\};", text, re.DOTALL
    ):
        if kind == "int8_t":
            arrays[name] = [int(x) for x in body.split(",")]
        elif kind in ("rl_plan_term", "rl_plan_step"):
            entries = re.findall(r"\{([^{}]*)\}", body)
            arrays[name] = [[x.strip() for x in entry.split(",")] for entry in entries]
    plans = {}
    table = text[text.index("rl_plans[]") :]
    pattern = (
        r'\{"(\w+)", "(\w)", "([^"]*)",\s*(\d+), (\d+), (\d+), (\d+), \w+, \w+, \w+,'
        r"\s*(\d+), (\d+), (\d+), \{(\d+), (\d+), (\d+)\}, ([-+.e\d]+), (\d+), (\w+), (\w+)\}"
    )
    for name, field, origin, *numbers, scale, count, steps, terms in re.findall(pattern, table):
        plans[name] = (
            field,
            origin,
            list(map(int, numbers)),
            Fraction(float(scale)),
            arrays[steps],
            arrays[terms],
        )
        assert len(arrays[steps]) == int(count)
    return plans, arrays


PLANS, ARRAYS = committed()


def run(name, a, b, add, times):
    """Runs a plan on blocks of any kind; `times(L, R)` is a product, `add(x, c, y)` is x + c y."""
    _, _, numbers, _, steps, terms = PLANS[name]
    m, k, n, _, _, _, _, *temporaries = numbers
    blocks = (m * k, k * n, m * n)
    sides = [dict(enumerate(a)), dict(enumerate(b)), {}]
    counted = 0

    def written(side, target):
        assert 0 <= target < blocks[side] + temporaries[side]
        assert side == 2 or target >= blocks[side]  # A and B are not ours

    for op, target, x, y in steps:
        target, x, y = int(target), int(x), int(y)
        if op.startswith("RL_PLAN_SUM_"):
            side = "ABC".index(op[-1])
            written(side, target)
            total = None
            for coefficient, block in terms[x : x + y]:
                total = add(total, int(coefficient), sides[side][int(block)])
            sides[side][target] = total
            counted += y - 1
        else:
            written(2, target)
            product = times(sides[0][x], sides[1][y])
            sign = {"RL_PLAN_PRODUCT": 1, "RL_PLAN_ADD": 1, "RL_PLAN_SUBTRACT": -1}[op]
            before = None if op == "RL_PLAN_PRODUCT" else sides[2][target]
            sides[2][target] = add(before, sign, product)
            counted += op != "RL_PLAN_PRODUCT"
    return [sides[2][i] for i in range(blocks[2])], counted


def add(x, c, y):
    return c * y if x is None else x + c * y


@pytest.mark.parametrize("name", SCHEMES)
def test_plans_hold_the_schemes(name):
    s = SCHEMES[name]
    assert list(PLANS) == list(SCHEMES)
    field, origin, numbers, scale, _, _ = PLANS[name]
    assert (field, origin) == (s.field, s.origin)
    assert numbers[:7] == [s.m, s.k, s.n, s.rank, *s.denominators]
    assert scale == Fraction(1, math.prod(s.denominators))
    for letter in "uvw":
        rows = getattr(s, letter)
        assert ARRAYS[f"{name}_{letter}"] == [x for row in rows for x in row]
        assert max(abs(x) for row in rows for x in row) < 128


@pytest.mark.parametrize("name", SCHEMES)
def test_plans_compute_the_product_exactly(name):
    """With linear forms for blocks: a proof, not a sample."""
    s = SCHEMES[name]
    scale = PLANS[name][3]
    a = list(np.eye(s.m * s.k, dtype=np.int64))
    b = list(np.eye(s.k * s.n, dtype=np.int64))
    c, counted = run(name, a, b, add, np.outer)
    assert counted == s.additions == sum(s.sums)
    for i, j in itertools.product(range(s.m), range(s.n)):
        wanted = np.zeros((s.m * s.k, s.k * s.n), dtype=np.int64)
        for h in range(s.k):
            wanted[i * s.k + h, h * s.n + j] = 1
        assert (c[i * s.n + j] == wanted / float(scale)).all()


@pytest.mark.parametrize("name", SCHEMES)
def test_plans_multiply_matrices(name):
    s = SCHEMES[name]
    scale = PLANS[name][3]
    rng = np.random.default_rng(5)
    a = rng.integers(-9, 10, (s.m, 2, s.k, 3))
    b = rng.integers(-9, 10, (s.k, 3, s.n, 4))
    blocks_a = [a[i, :, h] for i in range(s.m) for h in range(s.k)]
    blocks_b = [b[h, :, j] for h in range(s.k) for j in range(s.n)]
    c, _ = run(name, blocks_a, blocks_b, add, np.matmul)
    product = a.reshape(2 * s.m, 3 * s.k) @ b.reshape(3 * s.k, 4 * s.n)
    ours = np.array(c).reshape(s.m, s.n, 2, 4).transpose(0, 2, 1, 3).reshape(2 * s.m, 4 * s.n)
    assert (ours * float(scale) == product).all()


def test_additions():
    assert SCHEMES["strassen"].additions == 18
    assert SCHEMES["winograd"].additions == 15
    assert SCHEMES["winograd"].plain_additions == 24
    for s in SCHEMES.values():
        assert s.additions <= s.plain_additions
    assert SCHEMES["k3x3x3_23"].additions < SCHEMES["k3x3x3_23"].plain_additions


def test_winograd_needs_one_pass_over_each_matrix_and_no_memory_for_c():
    _, _, numbers, _, steps, _ = PLANS["winograd"]
    sums = [op for op, *_ in steps if op.startswith("RL_PLAN_SUM_")]
    assert (
        len(list(itertools.groupby(op for op, *_ in steps if op.startswith("RL_PLAN_SUM_")))) == 3
    )
    assert len(sums) == 12  # 3 of the 15 are done by BLAS
    assert numbers[-3:] == [4, 4, 0]


@pytest.mark.parametrize("name", SCHEMES)
def test_workspace_is_that_of_a_copy_of_each_matrix(name):
    s = SCHEMES[name]
    temporaries = PLANS[name][2][-3:]
    sizes = (s.m * s.k, s.k * s.n, s.m * s.n)
    assert sum(x / y for x, y in zip(temporaries, sizes, strict=True)) <= 3
    assert max(x + y for x, y in zip(temporaries, sizes, strict=True)) <= 128  # RL_PLAN_BLOCKS


@pytest.mark.parametrize("name", [name for name, s in SCHEMES.items() if s.rank <= 23])
def test_plans_are_those_of_the_program(name):
    """What plan.py writes now is what is committed; larger schemes would take a minute."""
    mine = plan.Plan(plan.schemes_module().read(FOLDER / f"{name}.def"))
    lines = plan.rendered([mine]).splitlines()
    committed = (FOLDER / "plans.inc").read_text().splitlines()
    assert set(lines) <= set(committed)
    assert mine.additions == SCHEMES[name].sums


# ---- the search ----------------------------------------------------------------------------------


def modulo_2(products, size):
    count = search.lengths(size)
    return [
        [[x >> i & 1 for i in range(c)] for x, c in zip(p, count, strict=True)] for p in products
    ]


@pytest.mark.parametrize("size", [(2, 2, 2), (2, 3, 4), (3, 3, 3)])
def test_every_step_of_a_walk_keeps_the_product(flips, size):
    """Flips, reductions and pluses (patience 50: one in fifty steps)."""
    walk = search.Walk.begin(search.standard(size), 7, 50, 3)
    ranks = set()
    for _ in range(200):
        flips.flips_walk(walk, 37, 0)
        products = [tuple(walk.factor[f][r] for f in range(3)) for r in range(walk.rank)]
        ranks.add(len(products))
        error = search.defect(modulo_2(products, size), size)
        assert all(x % 2 == 0 for x in error.values())
    assert len(ranks) > 1
    best = modulo_2(walk.products(), size)
    assert all(x % 2 == 0 for x in search.defect(best, size).values())


@pytest.mark.parametrize(("size", "rank", "seed"), [((2, 2, 2), 7, 1), ((3, 3, 3), 23, 1)])
def test_search_finds_what_is_known(flips, size, rank, seed):
    found = [search.Search([(size, rank)], seed).run(flips) for _ in range(2)]
    assert found[0] == found[1]
    assert len(found[0]) == rank
    assert search.defect(found[0], size) == {}
    assert all(x in (-1, 0, 1) for p in found[0] for f in p for x in f)


def test_a_file_is_what_its_head_says(tmp_path):
    """The command in it writes it."""
    file = FOLDER / "k3x3x3_23.def"
    (command,) = re.findall(r"python (search\.py .*) \*/$", file.read_text(), re.MULTILINE)
    again = tmp_path / file.name
    program, *arguments = command.split()
    subprocess.run(
        [sys.executable, FOLDER / program, *arguments, "--out", again],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert again.read_text() == file.read_text()


def test_search_goes_on_along_a_path(flips):
    path = search.read_path("2x2x2:7,2x2x3:11,2x3x3:15")
    scheme = search.Search(path, 1).run(flips)
    assert len(scheme) == 15
    assert search.defect(scheme, (2, 3, 3)) == {}


def test_path_must_not_shrink():
    with pytest.raises(ValueError, match="smaller"):
        search.read_path("2x2x3:11,2x2x2:7")


def test_extension_is_a_scheme():
    old, new = (2, 2, 2), (3, 2, 4)
    strassen = SCHEMES["strassen"]
    packed = search.packed(list(zip(strassen.u, strassen.v, strassen.w, strict=True)))
    products = search.extend(packed, old, new)
    assert len(products) == 7 + 24 - 8
    assert all(x % 2 == 0 for x in search.defect(modulo_2(products, new), new).values())


@pytest.mark.parametrize("name", ["strassen", "winograd", "k3x3x3_23", "k3x4x5_47"])
def test_lifting_from_gf_2(name):
    s = SCHEMES[name]
    products = list(zip(s.u, s.v, s.w, strict=True))
    lifted = search.lift(search.packed(products), (s.m, s.k, s.n))
    assert search.defect(lifted, (s.m, s.k, s.n)) == {}
    assert search.packed(lifted) == search.packed(products)


def test_what_is_no_scheme_does_not_lift():
    s = SCHEMES["strassen"]
    products = search.packed(list(zip(s.u, s.v, s.w, strict=True)))
    with pytest.raises(ValueError, match="GF"):
        search.lift(products[:-1], (2, 2, 2))


@pytest.mark.parametrize("name", ["k3x3x3_23", "k3x4x5_47"])
def test_thinner_is_still_exact(name):
    s = SCHEMES[name]
    size = (s.m, s.k, s.n)
    scheme = [[list(f) for f in p] for p in zip(s.u, s.v, s.w, strict=True)]
    columns = (s.k, s.n, s.n)
    rng = random.Random(6)
    for _ in range(3):  # a row of A added to another; C likewise
        i, j = rng.sample(range(s.m), 2)
        for p in scheme:
            for f, to, by, sign in ((0, i, j, 1), (2, j, i, -1)):
                for c in range(columns[f]):
                    p[f][to * columns[f] + c] += sign * p[f][by * columns[f] + c]
    assert search.defect(scheme, size) == {}
    thin = search.thin(scheme, size)
    assert search.defect(thin, size) == {}
    assert search.ones(thin) < search.ones(scheme)


# ---- the history ---------------------------------------------------------------------------------


def test_history():
    rows = randla.omega_history()
    assert len(rows) == 15
    assert rows[0] == (1969, 2.8074, "Strassen")
    assert rows[-1].bound == 2.371339
    years, bounds, _ = zip(*rows, strict=True)
    assert list(years) == sorted(years)
    assert list(bounds) == sorted(set(bounds), reverse=True)


def test_installed_files_are_those_of_the_sources():
    installed = Path(randla.__file__).parent / "schemes"
    for file in installed.glob("*.def"):  # none in a source tree
        assert file.read_bytes() == (FOLDER / file.name).read_bytes()


# ---- the page ------------------------------------------------------------------------------------


def test_table_of_the_guide():
    page = (FOLDER.parents[2] / "docs" / "guide" / "matmul_schemes.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    assert [name for name, _ in rows] == list(SCHEMES)
    for name, row in rows:
        s = SCHEMES[name]
        size, rank, _, saved, exponent, plain, shared, growth, e = row.split(" | ")
        assert size == f"{s.m}, {s.k}, {s.n}"
        assert int(rank) == s.rank
        assert saved == f"{100 * (1 - s.rank / (s.m * s.k * s.n)):.1f} %"
        assert exponent == f"{s.exponent:.4f}"
        assert (int(plain), int(shared)) == (s.plain_additions, s.additions)
        assert (growth, e) == (f"{s.growth:.2f}", f"{s.stability_factor:g}")
