"""Searches schemes for fast matrix multiplication.

A walk in the flip graph over GF(2) (flips.c) along a path of sizes: each begins with the scheme
found for the size before, extended by the standard products of what is new (Arai, Ichikawa &
Hukushima 2024, arXiv 2312.16960).  What is found is lifted to the integers (Hensel; Kauers &
Moosbauer 2022, arXiv 2212.01175, section 5), made sparse by changes of basis, verified, and
written as a .def file.

    python search.py 2x2x2:7,2x2x3:11,2x3x3:15,3x3x3:23 --seed 1

The result depends on the arguments alone, and not on --seconds, if --checkpoint lets a run go on
where another ended.  Needs a C compiler (the variable CC, or cc).
"""

import argparse
import ctypes
import itertools
import os
import pickle
import random
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent
MOST = 256  # as in flips.c


class Walk(ctypes.Structure):
    """State of a walk, as in flips.c."""

    _fields_ = (
        ("random", ctypes.c_uint64),
        ("steps", ctypes.c_int64),
        ("idle", ctypes.c_int64),
        ("patience", ctypes.c_int64),
        ("rank", ctypes.c_int32),
        ("best", ctypes.c_int32),
        ("ones", ctypes.c_int32),
        ("margin", ctypes.c_int32),
        ("factor", ctypes.c_uint32 * MOST * 3),
        ("least", ctypes.c_uint32 * MOST * 3),
    )

    @classmethod
    def begin(cls, products, seed, patience, margin):
        """At `products`, triples of bit vectors."""
        walk = cls(random=seed, patience=patience, margin=margin)
        walk.rank = walk.best = len(products)
        walk.ones = sum(x.bit_count() for p in products for x in p)
        for r, product in enumerate(products):
            for f, x in enumerate(product):
                walk.factor[f][r] = walk.least[f][r] = x
        return walk

    def products(self):
        """The best scheme met."""
        return [tuple(self.least[f][r] for f in range(3)) for r in range(self.best)]


def library():
    """flips.c, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "flips.so"
        compiler = shlex.split(os.environ.get("CC", "cc"))
        source = str(HERE / "flips.c")
        subprocess.run([*compiler, "-O2", "-shared", "-fPIC", "-o", str(file), source], check=True)
        lib = ctypes.CDLL(str(file))
    at = ctypes.POINTER(Walk)
    lib.flips_walk.argtypes = [at, ctypes.c_int64, ctypes.c_int]
    lib.flips_thin.argtypes = [at, ctypes.c_int64, ctypes.c_int64]
    lib.flips_wander.argtypes = [at, ctypes.c_int64]
    return lib


# ---- schemes over GF(2) --------------------------------------------------------------------------


def standard(size, without=(0, 0, 0)):
    """The m k n products of the definition, but for those of a smaller size."""
    m, k, n = size
    return [
        (1 << (i * k + h), 1 << (h * n + j), 1 << (i * n + j))
        for i, h, j in itertools.product(range(m), range(k), range(n))
        if not (i < without[0] and h < without[1] and j < without[2])
    ]


def extend(products, old, new):
    """A scheme of size `old` and standard products: a scheme of size `new`."""

    def spread(x, columns, wider):  # bits of a matrix with more columns
        return sum(1 << (b // columns * wider + b % columns) for b in bits(x))

    columns = [(old[1], new[1]), (old[2], new[2]), (old[2], new[2])]
    moved = [tuple(spread(x, *c) for x, c in zip(p, columns, strict=True)) for p in products]
    return moved + standard(new, old)


def bits(x):
    """Positions of the ones."""
    return [b for b in range(x.bit_length()) if x >> b & 1]


# ---- schemes over the integers: lists of (u, v, w), lists of integers ----------------------------


def lengths(size):
    """Entries of A, of B and of C."""
    m, k, n = size
    return m * k, k * n, m * n


def defect(scheme, size):
    """What is left of the Brent equations: {(a, b, c): right side - left side}, without zeros."""
    m, k, n = size
    left = {
        (i * k + h, h * n + j, i * n + j): 1
        for i, h, j in itertools.product(range(m), range(k), range(n))
    }
    for product in scheme:
        u, v, w = ([(i, x) for i, x in enumerate(f) if x] for f in product)
        for (a, x), (b, y), (c, z) in itertools.product(u, v, w):
            left[a, b, c] = left.get((a, b, c), 0) - x * y * z
    return {at: x for at, x in left.items() if x}


def solve(equations, known, support, rng):
    """x with equations x = known over GF(2), from bit vectors; None without.

    Unknowns of low number are determined first.  Free ones are 0, but those below `support` random
    if there is `rng`.
    """
    width = max(map(int.bit_length, equations))
    rows = {}
    for equation, value in zip(equations, known, strict=True):
        row = equation | value << width
        while row:
            pivot = (row & -row).bit_length() - 1
            if pivot == width:
                return None
            if pivot not in rows:
                rows[pivot] = row
                break
            row ^= rows[pivot]
    x = 1 << width  # meets the right sides
    for at in range(width - 1, -1, -1):
        if at in rows:
            bit = (rows[at] & x).bit_count() & 1
        else:
            bit = rng.getrandbits(1) if rng and at < support else 0
        x |= bit << at
    return x


def lift(products, size, tries=8, seed=0):
    """A scheme over the integers that is `products` modulo 2; None if none is found.

    Where x solves the Brent equations modulo 2^t, x + 2^t x' does modulo 2^(t + 1) if x' solves
    linear equations over GF(2).  Solutions that only change signs come first: then all is -1, 0 or
    1.
    """
    count = lengths(size)
    scheme = [
        [[x >> i & 1 for i in range(c)] for x, c in zip(p, count, strict=True)] for p in products
    ]
    places = [(r, f, i) for r in range(len(products)) for f in range(3) for i in range(count[f])]
    places.sort(key=lambda at: scheme[at[0]][at[1]][at[2]] == 0)  # the ones first
    number = {at: i for i, at in enumerate(places)}
    support = sum(x.bit_count() for p in products for x in p)
    equation = dict.fromkeys(itertools.product(*map(range, count)), 0)
    for r, product in enumerate(products):
        ones = [bits(x) for x in product]
        for f in range(3):
            where = [range(count[g]) if g == f else ones[g] for g in range(3)]
            for at in itertools.product(*where):
                equation[at] ^= 1 << number[r, f, at[f]]
    rng = random.Random(seed)
    for attempt in range(tries):
        lifted = [[list(f) for f in p] for p in scheme]
        for t in range(1, 6):
            error = defect(lifted, size)
            if not error:
                return lifted
            if t == 1 and any(x % 2 for x in error.values()):
                raise ValueError("products must be a scheme over GF(2)")
            if t == 5:
                break
            known = [error.get(at, 0) >> t & 1 for at in equation]  # a multiple of 2^t
            x = solve(list(equation.values()), known, support, rng if attempt else None)
            if x is None and t == 1:
                return None
            if x is None:
                break
            for i in bits(x)[:-1]:
                r, f, at = places[i]
                value = lifted[r][f][at] + 2**t
                lifted[r][f][at] = value - 2 ** (t + 1) if value > 2**t else value
    return None


def ones(scheme):
    """Sum of the moduli of all entries."""
    return sum(abs(x) for p in scheme for f in p for x in f)


def thin(scheme, size, modulus=0):
    """The scheme (modulo `modulus`, if not 0) in bases where its entries have fewer ones.

    C = A B is also P C R^-1 = (P A Q^-1) (Q B R^-1): for elementary P, Q, R, two factors of each
    product have a multiple of one row or column added to another.  The best such step is taken
    until none helps.
    """
    m, k, n = size
    # (factor, whether its row index) that change together: i of A and C, l of A and B, j of B and C
    pairs = [((0, 1), (2, 1), m), ((0, 0), (1, 1), k), ((1, 0), (2, 0), n)]
    columns = (k, n, n)

    def added(f, x, rows, to, by, sign):  # row (column) `to` += sign row `by`
        x, width = list(x), columns[f]
        for other in range(width if rows else len(x) // width):
            at = (
                (to * width + other, by * width + other)
                if rows
                else (other * width + to, other * width + by)
            )
            x[at[0]] += sign * x[at[1]]
            if modulus:
                x[at[0]] %= modulus
        return x

    while True:
        best, step = ones(scheme), None
        for (f, f_rows), (g, g_rows), length in pairs:
            for to, by, sign in itertools.product(range(length), range(length), (1, -1)):
                if to == by:
                    continue
                moved = [list(p) for p in scheme]
                for p in moved:
                    p[f] = added(f, p[f], f_rows, to, by, sign)
                    p[g] = added(g, p[g], g_rows, by, to, -sign)
                if ones(moved) < best:
                    best, step = ones(moved), moved
        if step is None:
            return scheme
        scheme = step


def definition(name, size, scheme, origin, comment):
    """The text of the .def file."""
    lines = ["/* " + "\n * ".join(comment) + " */"]
    sizes = ", ".join(map(str, (*size, len(scheme))))
    lines.append(f'SCHEME({name}, {sizes}, "Z", "{origin}")')
    for p in scheme:
        factors = ", ".join(f"{f}({', '.join(map(str, x))})" for f, x in zip("UVW", p, strict=True))
        lines.append(f"PRODUCT({factors})")
    return "\n".join(lines) + "\n"


# ---- the search ----------------------------------------------------------------------------------


class Search:
    """A walk along a path of (size, rank).

    A scheme found on the way must lift to the integers: those that do lead to more that do.  A
    walk that has taken `budget` steps without a reduction, or whose schemes do not lift, is given
    up, and the walk before it goes on until it has another scheme to begin from.  `start`: (size,
    scheme) before the path, instead of the definition of the product.
    """

    def __init__(
        self, path, seed, patience=50_000, margin=2, budget=200_000_000, report=None, start=None
    ):
        self.path, self.patience, self.margin, self.budget = path, patience, margin, budget
        self.seed, self.report = seed, report
        self.spent = 0  # steps of the walks that were given up
        self.start = standard(path[0][0])
        if start is not None:
            self.start = extend(packed(start[1]), start[0], path[0][0])
        self.walks, self.schemes = [], []
        self._begin(self.start)

    def run(self, lib, until=None, chunk=1_000_000, tries=4):
        """The scheme at the end of the path, over the integers; None if the time ends before."""
        while until is None or time.monotonic() < until:
            stage = len(self.walks) - 1
            rank = self.path[stage][1]
            walk = self.walks[-1]
            best = walk.best
            if best > rank:
                lib.flips_walk(walk, chunk, rank)
            if walk.best < best:
                self.begun = walk.steps
                self._tell(f"rank {walk.best}")
            if walk.best <= rank:
                scheme = self.lifted(lib, tries)
                if scheme is None:
                    self._give_up(lib, chunk)
                elif stage + 1 == len(self.path):
                    return scheme
                else:
                    self.schemes.append(scheme)
                    self._begin(self._next_start())
            elif walk.steps - self.begun > self.budget:
                self._give_up(lib, chunk)
        return None

    def best(self, lib, scheme, count, cost):
        """Of `scheme` and further ones of its rank, `count` in all, the one of least cost."""
        least = cost(scheme)
        for _ in range(count - 1):
            lib.flips_wander(self.walks[-1], 1_000_000)
            other = self.lifted(lib, 1)
            if other is not None and cost(other) < least:
                scheme, least = other, cost(other)
                self._tell(f"cost {least}")
        return scheme

    def lifted(self, lib, tries, wander=1_000_000):
        """The scheme of the last walk, or another that lifts; None if `tries` do not."""
        size, walk = self.path[len(self.walks) - 1][0], self.walks[-1]
        count = lengths(size)
        for attempt in range(tries):
            if attempt:
                lib.flips_wander(walk, wander)
            binary = [
                [[x >> i & 1 for i in range(c)] for x, c in zip(p, count, strict=True)]
                for p in walk.products()
            ]
            binary = thin(binary, size, 2)
            scheme = lift(packed(binary), size)
            self._tell(f"{ones(binary)} ones, {'lifted' if scheme else 'not lifted'}")
            if scheme is not None:
                assert not defect(scheme, size)
                return thin(scheme, size)
        return None

    def _begin(self, products):
        self.seed += 1
        self.walks.append(Walk.begin(products, self.seed << 32, self.patience, self.margin))
        self.begun = 0  # steps of the last walk at its last reduction
        self._tell(f"rank {len(products)}")

    def _next_start(self):
        stage = len(self.schemes) - 1
        return extend(packed(self.schemes[-1]), self.path[stage][0], self.path[stage + 1][0])

    def _give_up(self, lib, chunk):
        self.spent += self.walks.pop().steps
        if not self.walks:
            self._begin(self.start)
            return
        lib.flips_wander(self.walks[-1], 10 * chunk)
        scheme = self.lifted(lib, 4)
        if scheme is not None:  # else the last will do
            self.schemes[-1] = scheme
        self._begin(self._next_start())

    def _tell(self, what):
        if self.report:
            size = "x".join(map(str, self.path[len(self.walks) - 1][0]))
            steps = self.spent + sum(w.steps for w in self.walks)
            self.report(f"{size}: {what} after {steps / 1e6:.0f} million steps")


def packed(scheme):
    """Modulo 2, as bit vectors."""
    return [tuple(sum((x & 1) << i for i, x in enumerate(f)) for f in p) for p in scheme]


def read_path(text):
    """[((m, k, n), rank), ...] of "2x2x2:7,2x2x3:11"."""
    path = []
    for part in text.split(","):
        size, rank = part.split(":")
        m, k, n = map(int, size.split("x"))
        path.append(((m, k, n), int(rank)))
    for (old, _), (new, _) in itertools.pairwise(path):
        if any(a > b for a, b in zip(old, new, strict=True)):
            raise ValueError(f"path must not lead to smaller sizes, got {old} before {new}")
    return path


def main():
    """The command."""
    parser = argparse.ArgumentParser(description="search schemes for fast matrix multiplication")
    parser.add_argument("path", help="sizes and ranks on the way, as 2x2x2:7,2x2x3:11")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=int, default=50_000, help="idle steps before a plus")
    parser.add_argument("--margin", type=int, default=2, help="of ranks above the best")
    parser.add_argument("--budget", type=int, default=200_000_000, help="steps for one reduction")
    parser.add_argument("--start", help="name of a scheme of this folder to begin with")
    parser.add_argument(
        "--best", type=int, default=1, help="of so many schemes, the one with fewest additions"
    )
    parser.add_argument("--seconds", type=float, help="to stop after")
    parser.add_argument("--checkpoint", type=Path, help="file to go on from")
    parser.add_argument("--out", type=Path, help=".def file to write")
    options = parser.parse_args()
    from plan import Sums, schemes_module  # beside this file, which is run as a program

    until = None if options.seconds is None else time.monotonic() + options.seconds
    lib = library()

    def report(line):
        print(line, flush=True)

    if options.checkpoint and options.checkpoint.exists():
        with options.checkpoint.open("rb") as file:
            state = pickle.load(file)
        search = Search(read_path(options.path), options.seed)
        walks = [Walk.from_buffer_copy(w) for w in state.pop("walks")]
        search.__dict__.update(state, walks=walks, report=report)
    else:
        start = None
        if options.start:
            s = schemes_module().read(HERE / f"{options.start}.def")
            start = (s.m, s.k, s.n), list(zip(s.u, s.v, s.w, strict=True))
        numbers = (options.patience, options.margin, options.budget)
        search = Search(read_path(options.path), options.seed, *numbers, report, start)
    scheme = search.run(lib, until)
    if scheme is None and options.checkpoint:
        state = {key: x for key, x in search.__dict__.items() if key != "report"}
        state["walks"] = [bytes(w) for w in search.walks]
        with options.checkpoint.open("wb") as file:
            pickle.dump(state, file)
    if scheme is None:
        report("not yet")
        return 1
    size = search.path[-1][0]

    def cost(scheme):
        u, v, w = zip(*scheme, strict=True)
        m, k, n = size
        record = SimpleNamespace(name="", m=m, k=k, n=n, rank=len(u), u=u, v=v, w=w)
        return sum(Sums(record, 10).additions())

    scheme = search.best(lib, scheme, options.best, cost)
    report(f"<{','.join(map(str, size))}:{len(scheme)}> with {ones(scheme)} ones")
    if options.out:
        words = sys.argv[1:]
        for name in ("--seconds", "--checkpoint", "--out"):
            if name in words:
                at = words.index(name)
                del words[at : at + 2]
        comment = [
            "Found by search.py, a walk in the flip graph over GF(2), and lifted to the integers:",
            f"    python search.py {shlex.join(words)}",
        ]
        origin = "randla, flip-graph search (native/src/schemes/search.py)"
        options.out.write_text(definition(options.out.stem, size, scheme, origin, comment))
    return 0


if __name__ == "__main__":
    sys.exit(main())
