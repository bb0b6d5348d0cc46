"""Action of the matrix exponential: randla.expm_multiply beside SciPy, torch, and forming exp(A).

Usage:
    python bench_action_peers.py                                # all sections
    python bench_action_peers.py small --norms 1 --dtypes float32 float64
    python bench_action_peers.py sparse --cases laplacian:316:10 spins:16:1
    python bench_action_peers.py times --json times.json
Sections: small (batches of dense matrices, one vector each), sparse (one sparse matrix, one
vector), form (the same where exp(A) can be formed), times (100 times over [0, t], and the last one
alone).  Cases are KIND:SIZE:T, of laplacian and convection (2-d grids, SIZE a side), spins and
xyspins (chains of SIZE spins; A = -1j H).
"""

import timing  # first: it sets the thread variables, which NumPy reads when imported

# isort: split

import math
from functools import partial

import numpy as np
import scipy.sparse as sp
from bench_expm_peers import matrices

SMALL = [(16384, 6), (4096, 12), (1024, 24)]
CASES = {
    "sparse": [
        *(f"laplacian:316:{t}" for t in (1, 10, 100)),
        *(f"convection:316:{t}" for t in (1, 10)),
        "spins:16:1",
        "spins:14:10",
        "xyspins:14:1",
    ],
    "form": ["laplacian:32:10", "spins:10:1"],
    "times": ["laplacian:316:10", "laplacian:316:100", "convection:316:10", "spins:14:10"],
}


# ---- matrices -------------------------------------------------------------------------------


def line(kind: str, m: int):
    """Second differences on m points, with a drift for convection."""
    drift = 0.5 if kind == "convection" else 0.0
    return sp.diags_array([1.0 + drift, -2.0, 1.0 - drift], offsets=[-1, 0, 1], shape=(m, m))


def grid(kind: str, m: int):
    """The same on m x m points: a Kronecker sum."""
    eye, one = sp.eye_array(m), line(kind, m)
    return (sp.kron(eye, one) + sp.kron(one, eye)).tocsr()


def chain(kind: str, count: int):
    """-1j times the Hamiltonian of a spin chain.

    spins: Ising in a transverse field, a real matrix. xyspins: with a Dzyaloshinskii-Moriya term,
    which is imaginary.
    """
    x, z = sp.csr_array([[0.0, 1.0], [1.0, 0.0]]), sp.csr_array([[1.0, 0.0], [0.0, -1.0]])
    y = sp.csr_array([[0.0, -1j], [1j, 0.0]])

    def at(site, matrix):
        left, right = sp.eye_array(2**site), sp.eye_array(2 ** (count - site - 1))
        return sp.kron(sp.kron(left, matrix), right, format="csr")

    terms = [at(i, z) @ at(i + 1, z) for i in range(count - 1)] + [at(i, x) for i in range(count)]
    if kind == "xyspins":
        terms += [
            0.5 * (at(i, x) @ at(i + 1, y) - at(i, y) @ at(i + 1, x)) for i in range(count - 1)
        ]
    return (-1j * sum(terms)).tocsr()


def problem(case: str):
    """A, a vector, the last time."""
    kind, size, t = case.split(":")
    rng = np.random.default_rng(0)
    if kind.endswith("spins"):
        a = chain(kind, int(size))
        b = rng.standard_normal(a.shape[0]) + 1j * rng.standard_normal(a.shape[0])
        return a, b / np.linalg.norm(b), float(t)
    a = grid(kind, int(size))
    return a, rng.standard_normal(a.shape[0]), float(t)


# ---- exact answers --------------------------------------------------------------------------


def exact(case: str) -> np.ndarray:
    """exp(t A) b in the longest float: by the factors of a Kronecker sum, or by short steps."""
    kind, size, _ = case.split(":")
    a, b, t = problem(case)
    if not kind.endswith("spins"):
        x = line(kind, int(size)).toarray().astype(np.longdouble) * t
        e = long_exp(x)
        return (e @ b.reshape(int(size), -1) @ e.T).ravel().astype(float)
    counts = np.diff(a.indptr)
    rows = np.repeat(np.arange(len(b)), counts)
    place = np.arange(a.nnz) - np.repeat(a.indptr[:-1], counts)
    index = np.zeros((counts.max(), len(b)), int)
    value = np.zeros(index.shape, np.clongdouble)
    index[place, rows], value[place, rows] = a.indices, a.data
    steps = max(1, math.ceil(float(abs(a).sum(axis=0).max()) * t / 4))
    y = b.astype(np.clongdouble)
    for _ in range(steps):
        term = y
        for k in range(1, 40):  # 4^40 / 40! is 1e-24
            product = np.zeros_like(term)
            for i, v in zip(index, value, strict=True):
                product += v * term[i]
            term = product * (np.longdouble(t) / steps / k)
            y = y + term
    return y.astype(complex)


def long_exp(x: np.ndarray) -> np.ndarray:
    """Scale, sum and square in the longest float."""
    squarings = max(0, math.ceil(math.log2(max(float(np.abs(x).sum(1).max()), 0.25))) + 1)
    x = x / np.longdouble(2) ** squarings
    total = np.eye(len(x), dtype=x.dtype)
    term = total
    for k in range(1, 21):  # norm <= 1/2
        term = term @ x / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total


def checker(reference):
    """Relative error of the last time."""

    def check(answer):
        y = np.asarray(answer)
        y = y[-1] if y.ndim == 2 else y
        return {"error": float(np.linalg.norm(y - reference) / np.linalg.norm(reference))}

    return check


def small_checker(a, b):
    """Worst relative error over some of a batch, in rounding units."""
    some = slice(0, 16)
    unit = np.finfo(a.dtype).eps / 2
    reference = np.stack(
        [long_exp(x.astype(np.longdouble)) @ y for x, y in zip(a[some], b[some], strict=True)]
    )
    size = np.linalg.norm(reference.astype(float), axis=(1, 2))

    def check(answer):
        off = np.asarray(answer)[some].astype(np.longdouble) - reference
        return {
            "worst err/u": float(
                (np.linalg.norm(off.astype(float), axis=(1, 2)) / size).max() / unit
            )
        }

    return check


# ---- sections -------------------------------------------------------------------------------


def small(bench, args, randla, expm):
    """Batches of small dense matrices, one vector each."""
    linalg, torch = bench.optional("scipy.linalg"), bench.optional("torch")
    rng = np.random.default_rng(0)
    for dtype in args.dtypes:
        for batch, n in SMALL:
            for norm in args.norms:
                a = matrices(batch, n, norm, dtype, rng)
                b = rng.standard_normal((batch, n, 1)).astype(a.dtype)
                rows = [
                    timing.Contender("scipy.linalg.expm(A) @ b", lambda: linalg.expm(a) @ b),  # noqa: B023
                ]
                if torch:
                    x, y = torch.from_numpy(a), torch.from_numpy(b)
                    rows.append(
                        timing.Contender(
                            "torch.matrix_exp(A) @ b",
                            lambda: torch.matrix_exp(x) @ y,  # noqa: B023
                        )
                    )
                if randla:
                    rows.append(timing.Contender("randla", partial(randla, a, b), "randla"))
                    own = timing.Contender("randla.expm(A) @ b", lambda: expm(a) @ b, "context")  # noqa: B023
                    rows.append(own)
                rows.append(timing.read_floor(a, name="one read of A"))
                title = f"action {dtype} {batch} x {n} norm {norm}"
                bench.table(title, rows, small_checker(a, b))


def sparse_rows(scipy_action, randla, a, b, t):
    """SciPy's function has no tolerance; randla's is timed at full accuracy and at eight digits."""
    scaled = a if t == 1 else (a * t).tocsr()
    rows = [timing.Contender("scipy expm_multiply", lambda: scipy_action(scaled, b))]
    if randla:
        rows.append(timing.Contender("randla", lambda: randla(a, b, t=t), "randla"))
        rows.append(
            timing.Contender("randla tol=1e-8", lambda: randla(a, b, t=t, tol=1e-8), "randla")
        )
    return rows


def sparse(bench, args, randla, expm):
    """One sparse matrix, one vector, one time."""
    action = bench.optional("scipy.sparse.linalg").expm_multiply
    for case in args.cases or CASES["sparse"]:
        a, b, t = problem(case)
        rows = sparse_rows(action, randla, a, b, t)
        bench.table(f"sparse {case}, n = {len(b)}", rows, checker(exact(case)))


def form(bench, args, randla, expm):
    """Beside exp(A) itself, where it fits."""
    action = bench.optional("scipy.sparse.linalg").expm_multiply
    linalg = bench.optional("scipy.linalg")
    for case in args.cases or CASES["form"]:
        a, b, t = problem(case)
        dense = a.toarray() * t
        rows = sparse_rows(action, randla, a, b, t)
        rows.append(timing.Contender("scipy.linalg.expm(A) @ b", lambda: linalg.expm(dense) @ b))  # noqa: B023
        if expm:
            own = timing.Contender("randla.expm(A) @ b", lambda: expm(dense) @ b, "context")  # noqa: B023
            rows.append(own)
        bench.table(f"form {case}, n = {len(b)}", rows, checker(exact(case)))


def times(bench, args, randla, expm):
    """100 times over [0, t] beside the last one alone."""
    action = bench.optional("scipy.sparse.linalg").expm_multiply
    for case in args.cases or CASES["times"]:
        a, b, t = problem(case)
        grid_of_times = np.linspace(0, t, 100)
        rows = [
            timing.Contender(
                "scipy, 100 times",
                lambda: action(a, b, start=0, stop=t, num=100, endpoint=True),  # noqa: B023
            )
        ]
        if randla:
            rows.append(
                timing.Contender(
                    "randla, 100 times", partial(randla, a, b, t=grid_of_times), "randla"
                )
            )
            last = partial(randla, a, b, t=t)
            rows.append(timing.Contender("randla, the last alone", last, "context"))
        rows.append(timing.copy_floor((100, len(b)), b.dtype, "one write of the results"))
        bench.table(f"times {case}, n = {len(b)}", rows, checker(exact(case)))


SECTIONS = {"small": small, "sparse": sparse, "form": form, "times": times}


def main():
    """Run the sections asked for."""
    parser = timing.parser(__doc__)
    parser.add_argument("sections", nargs="*", default=[], help=" ".join(SECTIONS))
    parser.add_argument("--dtypes", nargs="+", default=["float32"], help="of section small")
    parser.add_argument("--norms", nargs="+", default=["0.1", "1", "8"], help="of section small")
    parser.add_argument("--cases", nargs="+", metavar="KIND:SIZE:T", help="of the other sections")
    args = parser.parse_args()
    sections = args.sections or list(SECTIONS)
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    bench = timing.Bench("action", args)
    for peer in ("scipy.sparse.linalg", "torch" if "small" in sections else "scipy.linalg"):
        bench.optional(peer)
    randla, expm = bench.randla("expm_multiply"), bench.randla("expm")
    bench.versions["numpy"] = np.__version__
    bench.header()
    for name in sections:
        SECTIONS[name](bench, args, randla, expm)


if __name__ == "__main__":
    main()
