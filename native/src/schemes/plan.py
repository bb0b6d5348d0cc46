"""Turns the schemes of this folder into plans (plan.h): plans.inc; plans.def has the additions.

    python plan.py            # write both
    python plan.py --check    # exit with 1 if they are not what would be written

Three steps for each scheme:
1. Common sub-expressions of the sums of A, of B and of C: a greedy search with random ties, the
   best of many.
2. The products in batches such that few temporaries live at a time, by annealing.  Each batch is
   one pass over A, one over B, its products, and one pass over C: the fewest batches whose
   workspace is at most that of one copy of A, B and C each.
3. Storage: sums and products of C are computed where a block of C is not needed yet, if possible.
"""

import argparse
import importlib.util
import itertools
import math
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
WORKSPACE = 3.0  # blocks of each side, in units of the matrix, that may live at a time
TRIES = 200  # of the search for common sub-expressions
ANNEALING = 4000  # steps
OPS = {
    "A": "RL_PLAN_SUM_A",
    "B": "RL_PLAN_SUM_B",
    "C": "RL_PLAN_SUM_C",
    "=": "RL_PLAN_PRODUCT",
    "+": "RL_PLAN_ADD",
    "-": "RL_PLAN_SUBTRACT",
}


def schemes_module():
    """randla/_matmul_schemes.py, without the package around it."""
    spec = importlib.util.spec_from_file_location(
        "matmul_schemes", ROOT / "randla" / "_matmul_schemes.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# ---- sums with common sub-expressions ------------------------------------------------------------
# A form is {symbol: coefficient}.  A program is {symbol: form}: first the symbols that it is asked
# for, then those that it introduces, ("s", i).


def additions(program):
    """Additions of a program."""
    return sum(len(form) - 1 for form in program.values())


def pairs_of(form):
    """Each pair of terms up to a common factor: ((s, t), (x, y)), x > 0."""
    for (s, x), (t, y) in itertools.combinations(sorted(form.items()), 2):
        g = math.gcd(x, y) * (1 if x > 0 else -1)
        yield (s, t), (x // g, y // g)


def differences(forms, rng):
    """Some forms are written as others with few terms added, where that is shorter."""
    full = {name: dict(form) for name, form in forms.items()}
    program, needs = dict(forms), defaultdict(set)
    while True:
        gains = []
        for name, form in program.items():
            if any(s in full for s in form):
                continue  # has been rewritten
            for other, theirs in full.items():
                if other == name or name in needs[other]:
                    continue
                for q in (1, -1):
                    rest = {
                        s: form.get(s, 0) - q * theirs.get(s, 0)
                        for s in sorted(form.keys() | theirs.keys())
                    }
                    rest = {s: x for s, x in rest.items() if x}
                    if len(rest) + 1 < len(form):
                        gains.append(
                            (len(form) - len(rest) - 1, rng.random(), name, other, q, rest)
                        )
        if not gains:
            return program
        _, _, name, other, q, rest = max(gains, key=lambda g: g[:2])
        program[name] = {**rest, other: q}
        below = needs[other] | {other}
        needs[name] |= below
        for mine in needs.values():
            if name in mine:
                mine |= below


def shared_pairs(program, rng):
    """Pairs of terms that occur more than once become symbols, the most frequent first."""
    program = {name: dict(form) for name, form in program.items()}
    counts = Counter(key for form in program.values() for key in pairs_of(form))
    while counts:
        most = max(counts.values())
        if most < 2:
            break
        (s, t), (x, y) = rng.choice(sorted(key for key, c in counts.items() if c == most))
        new = ("s", sum(name[0] == "s" for name in program))
        for form in program.values():
            if s in form and t in form and form[s] * y == form[t] * x:
                counts.subtract(pairs_of(form))
                form[new] = form[s] // x
                del form[s], form[t]
                counts.update(pairs_of(form))
        program[new] = {s: x, t: y}
    return program


def share(forms, seed, tries):
    """A program for `forms` with few additions."""
    rng = random.Random(seed)
    best = None
    for attempt in range(tries):
        program = differences(forms, rng) if attempt % 2 else forms
        program = shared_pairs(program, rng)
        if best is None or additions(program) < additions(best):
            best = program
    return best


def sorted_program(program):
    """The names of a program, each after those that it needs."""
    done, order = set(), []

    def visit(name):
        if name in program and name not in done:
            done.add(name)
            for s in sorted(program[name]):
                visit(s)
            order.append(name)

    for name in sorted(program):
        visit(name)
    return order


class Sums:
    """The sums of a scheme as three programs.

    Blocks are ("a", i), ("b", i) and ("c", i), products ("p", r).  `operands[side][r]`: the symbol
    that product r takes; products with proportional sums share one.
    """

    def __init__(self, scheme, tries):
        factor = [1] * scheme.rank  # what is taken out of sums of A and B goes into those of C
        self.programs, self.operands = [], []
        for letter, rows in (("a", scheme.u), ("b", scheme.v)):
            forms, operands, known = {}, [], {}
            for r, row in enumerate(rows):
                g = math.gcd(*row)
                if next(x for x in row if x) < 0:
                    g = -g
                form = {(letter, i): x // g for i, x in enumerate(row) if x}
                factor[r] *= g
                key = tuple(sorted(form.items()))
                if len(form) == 1:
                    operands.append(next(iter(form)))
                    continue
                if key not in known:
                    known[key] = ("f", r)
                    forms[known[key]] = form
                operands.append(known[key])
            program = share(forms, scheme.name, tries)
            self.programs.append(program)
            self.operands.append(operands)
            for name in [name for name, form in program.items() if len(form) == 1]:
                ((same, x),) = program.pop(
                    name
                ).items()  # a multiple of something that others share
                for r in range(scheme.rank):
                    if operands[r] == name:
                        operands[r] = same
                        factor[r] *= x
                for form in program.values():
                    if name in form:
                        form[same] = form.get(same, 0) + form.pop(name) * x
        blocks = scheme.m * scheme.n
        forms = {
            ("c", i): {("p", r): w[i] * factor[r] for r, w in enumerate(scheme.w) if w[i]}
            for i in range(blocks)
        }
        program = share(forms, scheme.name, tries)
        for name in forms:  # a block of C that others need is a sum of its own
            if any(name in form for form in program.values()):
                new = ("s", sum(s[0] == "s" for s in program))
                for form in program.values():
                    if name in form:
                        form[new] = form.pop(name)
                program[new] = program[name]
                program[name] = {new: 1}
        self.programs.append(program)
        self.rank, self.blocks = scheme.rank, (scheme.m * scheme.k, scheme.k * scheme.n, blocks)
        self._choose_signs()

    def _choose_signs(self):
        """Change signs of sums, so that few coefficients on side C are negative.

        BLAS adds a product for nothing, where it can begin a sum.
        """
        results = self.programs[2]

        def flip(side, name):
            program = self.programs[side]
            program[name] = {s: -x for s, x in program[name].items()}
            for form in program.values():
                if name in form:
                    form[name] = -form[name]
            for r in range(self.rank):
                if side < 2 and self.operands[side][r] == name:
                    for form in results.values():
                        if ("p", r) in form:
                            form["p", r] = -form["p", r]

        def negative():
            return sum(x < 0 for form in results.values() for x in form.values())

        choices = [(side, name) for side in range(2) for name in self.programs[side]]
        choices += [(2, name) for name in results if name[0] == "s"]
        improved = True
        while improved:
            improved = False
            for choice in choices:
                before = negative()
                flip(*choice)
                if negative() < before:
                    improved = True
                else:
                    flip(*choice)

    def additions(self):
        """Additions on each side."""
        return tuple(map(additions, self.programs))


# ---- batches -------------------------------------------------------------------------------------


def spans(sums, batch):
    """(first, last) batch in which temporaries live, by side; and when those of C are complete."""
    found = []
    for side in range(2):
        program, span = sums.programs[side], {}

        def touch(name, t, program=program, span=span):
            if name not in program:
                return
            old = span.get(name)
            span[name] = (t, t) if old is None else (min(old[0], t), max(old[1], t))
            if old is None or t < old[0]:  # its terms are needed when it is computed
                for s in program[name]:
                    touch(s, t)

        for r, name in enumerate(sums.operands[side]):
            touch(name, batch[r])
        found.append(span)
    program, ready, span = sums.programs[2], {}, {}
    for name in sorted_program(program):
        times = [ready[s] if s in ready else batch[s[1]] for s in program[name]]
        ready[name] = max(times)
        if name[0] == "s":
            span[name] = (min(times), max(times))
    found.append(span)
    return found, ready


def load(sums, batch, count):
    """About the most temporaries that live in a batch, and a little of all; in matrices."""
    live = [0.0] * count
    found, _ = spans(sums, batch)
    for side, span in enumerate(found):
        for first, last in span.values():
            for t in range(first, last + 1):
                live[t] += 1 / sums.blocks[side]
    users = Counter(s for form in sums.programs[2].values() for s in form if s[0] == "p")
    for r, t in enumerate(batch):
        if users["p", r] > 1:
            live[t] += 1 / sums.blocks[2]
    return max(live) + sum(live) / 100


def batches(sums, count, seed, steps):
    """Products in `count` batches of about the same size, by annealing: the batch of each."""
    rng = random.Random(f"{seed} {count}")
    batch = [r * count // sums.rank for r in range(sums.rank)]
    if count == 1:
        return batch
    now = best = load(sums, batch, count)
    kept = list(batch)
    for step in range(steps):
        r, q = rng.randrange(sums.rank), rng.randrange(sums.rank)
        if batch[r] == batch[q]:
            continue
        batch[r], batch[q] = batch[q], batch[r]
        then = load(sums, batch, count)
        if then <= now or rng.random() < math.exp((now - then) / (0.1 * (1 - step / steps) + 1e-9)):
            now = then
            if now < best:
                best, kept = now, list(batch)
        else:
            batch[r], batch[q] = batch[q], batch[r]
    return kept


# ---- a plan --------------------------------------------------------------------------------------
# Steps with symbols: ("A" | "B" | "C", target, {symbol: coefficient}), or
# ("=" | "+" | "-", target, left, right).


class Conflict(Exception):
    """A value may not live where it was to live."""


def side_steps(sums, side, batch, count):
    """Sums of A or B by the batch in which they are computed."""
    program = sums.programs[side]
    span = spans(sums, batch)[0][side]
    steps = [[] for _ in range(count)]
    for name in sorted_program(program):
        steps[span[name][0]].append(("AB"[side], name, program[name]))
    return steps


def result_steps(sums, batch, count, homeless=()):
    """[[steps of a batch]] on side C: products, a pass, products that are added to what there is.

    Where a product or a sum, `x`, is all that a block of C has yet, it lives there: home[x].
    Raises Conflict(x) if that cannot be.
    """
    program = {name: dict(form) for name, form in sums.programs[2].items()}
    _, ready = spans(sums, batch)
    users = defaultdict(list)
    for name, form in program.items():
        for s in form:
            users[s].append(name)

    def time(s):
        return batch[s[1]] if s[0] == "p" else ready[s]

    started, home, taken = set(), {}, {}  # blocks and sums that hold something; x: block; block: x
    result = []

    def settle(x, begin):
        """A block of C for x to live in, from batch `begin` until it is used up."""
        if x in homeless:
            return
        for z in sorted(users[x]):
            if z[0] != "c" or program[z][x] != 1 or z in started or z in taken:
                continue
            if all(time(s) >= time(x) for s in program[z]) and begin <= time(x):
                home[x], taken[z] = z, x
                return

    for t in range(count):
        before, after, late, inputs = [], [], [], defaultdict(dict)
        products = [("p", r) for r in range(sums.rank) if batch[r] == t]

        def product(op, target, p):
            return (op, target, sums.operands[0][p[1]], sums.operands[1][p[1]])

        # products of one use, with coefficient 1 or -1, first those that can begin a sum
        for p in sorted(products, key=lambda p: (-program[users[p][0]][p], p)):
            z = users[p][0]
            x = program[z][p]
            if len(users[p]) > 1 or abs(x) != 1:
                continue
            if z[0] == "c":
                late.append(p)
            elif z in started:
                before.append(product("+" if x > 0 else "-", z, p))
            elif x > 0:
                settle(z, t)
                started.add(z)
                before.append(product("=", z, p))
            else:
                continue
            products.remove(p)
        # what is complete in this batch is handed on
        for name in sorted_program(program):
            if name[0] == "s" and ready[name] == t:
                for z in users[name]:
                    inputs[z][name] = program[z][name]
        for p in products:
            for z in users[p]:
                inputs[z][p] = program[z][p]
        for p in late[:]:  # nothing to be subtracted from
            z = users[p][0]
            begins = any(users[q][0] == z and program[z][q] > 0 for q in late)
            if program[z][p] < 0 and z not in started and z not in inputs and not begins:
                late.remove(p)
                products.append(p)
                inputs[z][p] = -1
        for p in products:
            settle(p, t)
            before.append(product("=", p, p))
        for z in sorted(inputs):
            if z[0] == "s" and z not in started and not any(home.get(x) == z for x in inputs[z]):
                settle(z, t)
        # the pass: a sum after its terms, and after all that read what lives where it is written
        needed = {z: {x for x in inputs[z] if x in inputs} for z in inputs}
        for z in inputs:
            place = home.get(z, z)
            x = taken.get(place)
            if place == z and x is not None:  # z is written over x
                readers = {y for y in inputs if y != z and x in inputs[y]}
                needed[z] |= readers
        done = []
        while len(done) < len(inputs):
            free = [z for z in sorted(inputs) if z not in done and needed[z] <= set(done)]
            if not free:
                stuck = [taken[z] for z in sorted(inputs) if z not in done and z in taken]
                raise Conflict(stuck[0])
            done.append(free[0])
        for z in done:
            form = dict(inputs[z])
            if z in started:
                form[z] = 1
            started.add(z)
            if len(form) > 1 or home.get(next(iter(form))) != z:
                after.append(("C", z, form))
            taken.pop(z, None)  # what lived there has been used
        for p in late:
            z = users[p][0]
            if z in taken:  # lives there until a later batch
                raise Conflict(taken[z])
            op = "=" if z not in started else "+" if program[z][p] > 0 else "-"
            started.add(z)
            after.append(product(op, z, p))
        result.append((before, after))
    return result, home


def steps_of(sums, count, seed, annealing):
    """The whole plan, with symbols; and where symbols of C live."""
    batch = batches(sums, count, seed, annealing)
    homeless = []
    while True:
        try:
            results, home = result_steps(sums, batch, count, homeless)
            break
        except Conflict as conflict:
            homeless.append(conflict.args[0])
    a, b = (side_steps(sums, side, batch, count) for side in range(2))
    steps = []
    for t in range(count):
        before, after = results[t]
        steps += [*a[t], *b[t], *before, *after]
    return steps, home


def numbered(steps, home, blocks):
    """Steps with numbers of blocks, reused as soon as they can be; and how many temporaries."""
    side_of = {"A": 0, "B": 1, "C": 2}

    def uses(step):  # (side, symbol) read, then the one written
        if step[0] in side_of:
            side = side_of[step[0]]
            return [(side, s) for s in step[2]], (side, step[1])
        read = [(0, step[2]), (1, step[3])]
        return read + ([(2, step[1])] if step[0] != "=" else []), (2, step[1])

    def own(side, s):  # a block of the matrix
        return s[1] if s[0] == "abc"[side] else None

    def place(side, s):
        return home.get(s, s) if side == 2 else s

    last = {}
    for at, step in enumerate(steps):
        read, written = uses(step)
        for side, s in [*read, written]:
            last[side, place(side, s)] = at
    number, free, most = {}, [[], [], []], list(blocks)

    def block(side, s):
        s = place(side, s)
        return own(side, s) if own(side, s) is not None else number[side, s]

    def release(at, terms, kept=None):
        """Temporaries that are read for the last time can be used again."""
        for side, s, index in terms:
            key = side, place(side, s)
            used_up = own(*key) is None and last[key] == at
            if used_up and key != kept and index not in free[side]:
                free[side].append(index)

    out = []
    for at, step in enumerate(steps):
        read, (side, target) = uses(step)
        terms = [(side_, s, block(side_, s)) for side_, s in read]
        key = (side, place(side, target))
        if step[0] in side_of:  # a sum may be written over one of its terms
            release(at, terms)
        if own(*key) is None and key not in number:
            if free[side]:
                number[key] = min(free[side])
                free[side].remove(number[key])
            else:
                number[key] = most[side]
                most[side] += 1
        if step[0] in side_of:
            form = [(step[2][s], index) for _, s, index in terms]
            out.append((step[0], block(side, target), form))
        else:
            out.append((step[0], block(side, target), terms[0][2], terms[1][2]))
            release(at, terms, key)
    return out, tuple(x - y for x, y in zip(most, blocks, strict=True))


class Plan:
    """The plan of a scheme, with numbers of blocks."""

    def __init__(self, scheme):
        sums = Sums(scheme, TRIES)
        self.scheme, self.additions = scheme, sums.additions()
        for count in range(1, scheme.rank + 1):
            steps, home = steps_of(sums, count, scheme.name, ANNEALING)
            self.steps, self.temporaries = numbered(steps, home, sums.blocks)
            self.batches = count
            if self.workspace() <= WORKSPACE:
                break

    def workspace(self):
        """Temporaries in units of A, B and C."""
        s = self.scheme
        blocks = (s.m * s.k, s.k * s.n, s.m * s.n)
        return sum(x / y for x, y in zip(self.temporaries, blocks, strict=True))

    def passes(self):
        """Passes over memory: runs of sums of one side."""
        return sum(op in "ABC" for op, _ in itertools.groupby(step[0] for step in self.steps))


def wrapped(begin, parts, end, width=100):
    """Lines `begin` part, part, ... `end`."""
    lines, line = [], begin
    for i, part in enumerate(parts):
        part += "," if i + 1 < len(parts) else end
        if len(line) + len(part) + 1 > width:
            lines.append(line.rstrip())
            line = "    "
        line += part + " "
    return [*lines, line.rstrip()]


def array(kind, name, parts):
    """A constant array in C."""
    return wrapped(f"static const {kind} {name}[] = {{", parts, "};")


def rendered(plans):
    """The text of plans.inc."""
    lines = [
        "/* Written by plan.py from the .def files: plans as plan.h describes them. */",
        "// clang-format off",
    ]
    table = []
    for plan in plans:
        s, terms, steps = plan.scheme, [], []
        for op, target, *rest in plan.steps:
            if op in "ABC":
                steps.append(f"{{{OPS[op]}, {target}, {len(terms)}, {len(rest[0])}}}")
                terms += [f"{{{x}, {block}}}" for x, block in rest[0]]
            else:
                steps.append(f"{{{OPS[op]}, {target}, {rest[0]}, {rest[1]}}}")
        for letter, rows in (("u", s.u), ("v", s.v), ("w", s.w)):
            lines += array("int8_t", f"{s.name}_{letter}", [str(x) for row in rows for x in row])
        lines += array("rl_plan_term", f"{s.name}_terms", terms)
        lines += array("rl_plan_step", f"{s.name}_steps", steps)
        below, temporaries = (", ".join(map(str, x)) for x in (s.denominators, plan.temporaries))
        scale = 1 / math.prod(s.denominators)
        table += [
            f'    {{"{s.name}", "{s.field}", "{s.origin}",',
            f"     {s.m}, {s.k}, {s.n}, {s.rank}, {s.name}_u, {s.name}_v, {s.name}_w,",
            f"     {below}, {{{temporaries}}}, {scale!r}, {len(steps)}, {s.name}_steps,"
            f" {s.name}_terms}},",
        ]
    return "\n".join([*lines, "static const rl_plan rl_plans[] = {", *table, "};", ""])


def listed(plans):
    """The text of plans.def."""
    lines = [
        "/* Written by plan.py: the schemes in the order of plans.inc, with the additions of",
        " * blocks of A, of B and of C that their plans do. */",
    ]
    for plan in plans:
        lines.append(f"ADDITIONS({plan.scheme.name}, {', '.join(map(str, plan.additions))})")
    return "\n".join([*lines, ""])


def all_plans():
    """A plan for each scheme of the folder, the smallest first."""
    read = schemes_module().read
    schemes = [read(file) for file in HERE.glob("*.def") if file.name != "plans.def"]
    schemes.sort(key=lambda s: (s.m * s.k * s.n, s.field != "Z", s.name))
    return [Plan(s) for s in schemes]


def main():
    """The command."""
    parser = argparse.ArgumentParser(description="write plans.inc and plans.def")
    parser.add_argument("--check", action="store_true", help="only tell whether they are current")
    options = parser.parse_args()
    plans = all_plans()
    for plan in plans:
        print(
            f"{plan.scheme.name}: {plan.scheme.plain_additions} additions,"
            f" {sum(plan.additions)} after sharing; {plan.batches} batches, {plan.passes()} passes,"
            f" temporaries {plan.temporaries} (workspace {plan.workspace():.2f})"
        )
    texts = {"plans.inc": rendered(plans), "plans.def": listed(plans)}
    stale = [name for name, text in texts.items() if _old(name) != text]
    if not options.check:
        for name in stale:
            (HERE / name).write_text(texts[name])
        return 0
    return int(bool(stale))


def _old(name):
    file = HERE / name
    return file.read_text() if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
