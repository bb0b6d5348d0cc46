"""The demo of `expm`: batches from flows, phylogenetics, control and quantum physics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import randla

from ._report import Demo, Panel, Progress, number, seconds, table, times
from ._timing import interleave, ratio

Array = np.ndarray[Any, np.dtype[Any]]

# Far above what rounding does to these inputs, far below what a wrong result would have.
WRONG = 1e5


@dataclass
class Case:
    """Matrices, what they are, and the promises about them that get a row of their own."""

    label: str
    matrices: Array
    promises: list[str] = field(default_factory=list)


def run(demo: Demo) -> Panel:
    """Print the table, and return the curve for the figure."""
    print("\nexpm: matrix exponentials\n")
    cases = _cases(demo.quick)
    sizes = (2, 8, 32, 128) if demo.quick else (2, 4, 8, 16, 32, 64, 128, 256)
    peers = _peers(demo)
    libraries = 1 + len(peers)
    steps = len(cases) * libraries + sum(len(case.promises) for case in cases)
    progress = Progress(steps + len(sizes) * libraries)

    rows: list[list[str]] = []
    slower: list[str] = []
    for case in cases:
        rows += _rows(demo, case, peers, progress, slower)
    panel = _curve(sizes, demo, peers, progress)
    progress.close()

    names = list(peers)
    table(
        [("", 1), ("time", 1), ("speed over", len(names)), ("error / u", len(names) + 1), ("", 1)],
        ["input", "randla", *names, "randla", *names, "products"],
        rows,
    )
    print(
        "\nspeed over: time of that library over randla's, on the same input, in turns, each on one"
        "\nthread.  error: the largest on a sample of the batch, relative to the norm of"
        "\nthe result, against a sum in extended precision, in units of the rounding unit u."
        "\nproducts: matrix products per matrix, on average."
    )
    for line in slower:
        print(line)
    return panel


# ---- input -----------------------------------------------------------------------------------


def _cases(quick: bool) -> list[Case]:
    rng = np.random.default_rng(2025)
    few = 8 if quick else 1
    result = []
    for batch, n in ((16384, 6), (4096, 12), (1024, 24)):
        a = flow_layers(batch // few, n, rng)
        result.append(Case(f"flow layers, {_shape(a)}", a))
    a = codon_models(200 // few, rng)
    result.append(Case(f"codon models, {_shape(a)}", a, ["metzler"]))
    a = control_systems(2000 // few, 8, 2, rng)
    result.append(Case(f"control systems, {_shape(a)}", a))
    a = spin_chains(512 // few, 4, rng)
    result.append(Case(f"spin chains, {_shape(a)}", a, ["skew"]))
    n = 512 if quick else 1024
    a = rng.standard_normal((n, n)) / math.sqrt(n)
    result.append(Case(f"one matrix, {_shape(a)}", a))
    return result


def _shape(a: Array) -> str:
    count = f"{a.shape[0]} x " if a.ndim > 2 else ""
    return f"{count}({a.shape[-1]}, {a.shape[-1]}) {a.dtype}"


def flow_layers(batch: int, n: int, rng: np.random.Generator) -> Array:
    """Draw weights of the coupling layers of a matrix-exponential flow, one matrix for each pixel.

    Their infinity norms are those of a flow in training: median 0.85, the largest near 2.
    """
    a = rng.standard_normal((batch, n, n))
    norms = 0.85 * np.exp(0.226 * rng.standard_normal((batch, 1, 1)))
    a *= norms / np.abs(a).sum(-1, keepdims=True).max(-2, keepdims=True)
    return a.astype(np.float32)


def codon_models(branches: int, rng: np.random.Generator) -> Array:
    """Draw Q t, generator times branch length, of a codon model that differs on each branch.

    Codons change by one nucleotide at a time.  The rate from i to j is the frequency of j, times
    kappa for a transition, times omega if the amino acid changes, times a factor of that nucleotide
    pair which is not that of the way back: the process is not reversible, and no symmetric
    eigendecomposition serves.
    """
    bases = "TCAG"
    acids = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"  # universal code
    codons = [a + b + c for a in bases for b in bases for c in bases]
    code = {codon: acid for codon, acid in zip(codons, acids, strict=True) if acid != "*"}
    sense = list(code)

    sources, targets, pairs, transition, changes = [], [], [], [], []
    for i, x in enumerate(sense):
        for j, y in enumerate(sense):
            differ = [k for k in range(3) if x[k] != y[k]]
            if len(differ) == 1:
                before, after = x[differ[0]], y[differ[0]]
                sources.append(i)
                targets.append(j)
                pairs.append(4 * bases.index(before) + bases.index(after))
                transition.append({before, after} in ({"A", "G"}, {"C", "T"}))
                changes.append(code[x] != code[y])

    frequencies = rng.dirichlet(np.full(len(sense), 5.0), branches)
    kappa = rng.lognormal(math.log(3.0), 0.3, (branches, 1))
    omega = rng.lognormal(math.log(0.2), 0.7, (branches, 1))
    asymmetric = rng.lognormal(0.0, 0.4, (branches, 16))
    rate = frequencies[:, targets] * asymmetric[:, pairs]
    rate *= np.where(transition, kappa, 1.0) * np.where(changes, omega, 1.0)

    q = np.zeros((branches, len(sense), len(sense)))
    q[:, sources, targets] = rate
    leaving = q.sum(-1)
    q[:, np.arange(len(sense)), np.arange(len(sense))] = -leaving
    # one substitution is expected on a branch of length 1
    q /= (frequencies * leaving).sum(-1)[:, None, None]
    lengths = 10.0 ** rng.uniform(-3, 0.3, (branches, 1, 1))
    return np.asarray(q * lengths)


def control_systems(batch: int, states: int, inputs: int, rng: np.random.Generator) -> Array:
    """Draw [[A, B], [0, 0]] dt; exp gives the discrete form of x' = A x + B u, u held for dt."""
    a = rng.standard_normal((batch, states, states)) / math.sqrt(states)
    a -= 1.2 * np.eye(states)  # stable, by and large
    a *= 10.0 ** rng.uniform(-0.5, 1.0, (batch, 1, 1))  # slow and fast plants
    b = rng.standard_normal((batch, states, inputs))
    system = np.zeros((batch, states + inputs, states + inputs))
    system[:, :states, :states] = a
    system[:, :states, states:] = b
    return system * 0.25


def spin_chains(batch: int, spins: int, rng: np.random.Generator) -> Array:
    """Draw -i H t of transverse-field Ising chains in random fields."""
    x, z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])

    def at(which: int, what: Array) -> Array:
        left, right = np.eye(2**which), np.eye(2 ** (spins - which - 1))
        return np.kron(np.kron(left, what), right)

    h = np.zeros((batch, 2**spins, 2**spins))
    for i in range(spins - 1):
        h -= at(i, z) @ at(i + 1, z)
    for i in range(spins):
        transverse, along = rng.uniform(0.5, 1.5, (2, batch, 1, 1))
        h -= transverse * at(i, x) + (along - 1.0) * at(i, z)
    time = rng.uniform(0.1, 1.0, (batch, 1, 1))
    return np.asarray(-1j * h * time)


# ---- peers -----------------------------------------------------------------------------------

Make = Callable[[Array], Callable[[], Any]]


def _peers(demo: Demo) -> dict[str, Make]:
    """Return, for each library installed, a function that turns matrices into the call to time."""
    ways: dict[str, Callable[[], Make]] = {"SciPy": _scipy, "torch": _torch, "JAX": _jax}
    if demo.quick and "JAX" in demo.peers:
        print("JAX is left out: it would compile longer than the quick run takes.\n")
    result = {}
    for name in demo.peers:
        if demo.quick and name == "JAX":
            continue
        try:
            result[name] = ways[name]()
        except (ImportError, OSError) as error:  # installed, but broken
            print(f"{name} is left out: {error}\n")
    return result


def _scipy() -> Make:
    from scipy.linalg import expm  # type: ignore[import-untyped, unused-ignore]

    return lambda a: lambda: expm(a)


def _torch() -> Make:
    import torch

    def make(a: Array) -> Callable[[], Any]:
        tensor = torch.from_numpy(a)
        return lambda: torch.matrix_exp(tensor)

    return make


def _jax() -> Make:
    import jax
    import jax.scipy.linalg

    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call, unused-ignore]
    compiled = jax.jit(jax.scipy.linalg.expm)

    def make(a: Array) -> Callable[[], Any]:
        array = jax.numpy.asarray(a)
        return lambda: compiled(array).block_until_ready()

    return make


# ---- measurement -----------------------------------------------------------------------------


def _calls(a: Array, peers: dict[str, Make]) -> dict[str, Callable[[], Any]]:
    return {"randla": lambda: randla.expm(a)} | {name: make(a) for name, make in peers.items()}


def _rows(
    demo: Demo, case: Case, peers: dict[str, Make], progress: Progress, slower: list[str]
) -> list[list[str]]:
    """Time one case: a row without a promise, and one for each promise, beside the same peers."""
    a = case.matrices
    calls = _calls(a, peers)

    def promised(assume: str) -> Callable[[], Any]:
        return lambda: randla.expm(a, assume=assume)

    calls |= {promise: promised(promise) for promise in case.promises}

    def step(name: str) -> None:
        library = name if name in peers else "randla"
        progress.step(f"{library}: {case.label}")

    timed = interleave(calls, demo.share(0.25 if demo.quick else 1.5), step)
    measure = _error_meter(a)
    errors = {
        name: math.nan if one.error else measure(np.asarray(one.answer))
        for name, one in timed.items()
    }
    rows = []
    promises: list[str | None] = [None, *case.promises]
    for promise in promises:
        mine = promise or "randla"
        label = case.label if promise is None else f'    with assume="{promise}"'
        where = case.label if promise is None else f"{case.label}{label[3:]}"
        speeds = {name: ratio(timed[name], timed[mine]) for name in peers}
        _, info = randla.expm(a, assume=promise, return_info=True)
        rows.append(
            [
                label,
                seconds(timed[mine].median),
                *(times(speed) for speed in speeds.values()),
                number(errors[mine]),
                *(number(errors[name]) if promise is None else "" for name in peers),
                number(float(np.mean(info.products))),
            ]
        )
        slower += [
            f"Slower than {name}, {speed:.2f} times its speed: {where}"
            for name, speed in speeds.items()
            if speed < 1
        ]
        if timed[mine].error or errors[mine] > WRONG:
            demo.wrong.append(f"{case.label}: {timed[mine].error or errors[mine]}")
    for name in peers:
        if timed[name].error:
            slower.append(f"{name} failed on {case.label}: {timed[name].error}")
    return rows


def _curve(sizes: tuple[int, ...], demo: Demo, peers: dict[str, Make], progress: Progress) -> Panel:
    rng = np.random.default_rng(7)
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for n in sizes:
        batch = max(1, min(1024, 2 ** (16 if demo.quick else 18) // n**2))
        a = rng.standard_normal((batch, n, n))
        a /= np.abs(a).sum(-1, keepdims=True).max(-2, keepdims=True)
        # JAX compiles anew for each shape: every other one will do
        some = {name: make for name, make in peers.items() if name != "JAX" or n in sizes[1::2]}
        timed = interleave(
            _calls(a, some),
            demo.share(0.1 if demo.quick else 0.6),
            lambda name, a=a: progress.step(f"{name}: figure, {_shape(a)}"),  # type: ignore[misc]
        )
        for name, one in timed.items():
            if one.samples:
                x, y = lines.setdefault(name, ([], []))
                x.append(n)
                y.append(one.median / batch)
    return Panel(
        "Matrix exponentials of batches, float64, norm 1",
        "n, matrices n × n",
        "time per matrix; lower is better",
        {name: (x, y) for name, (x, y) in lines.items() if x},
    )


# ---- errors ----------------------------------------------------------------------------------


def _error_meter(a: Array) -> Callable[[Array], float]:
    """Return a function that gives the worst relative error of exp(a), in roundings."""
    real = np.finfo(a.dtype).dtype
    unit = float(np.finfo(real).eps) / 2
    if np.finfo(np.longdouble).eps > unit / 64:
        return lambda _: math.nan  # no longer type on this machine
    n = a.shape[-1]
    if n > 64:  # one large matrix: its action on a vector
        v = np.random.default_rng(1).choice([-1.0, 1.0], n)
        action = _exact_action(a, v)

        def measure_action(e: Array) -> float:
            off = np.asarray(e @ v - action, dtype=np.float64)
            w = v
            for _ in range(10):  # power method: the norm of e is that of its action on w
                w = e.T @ (e @ (w / np.linalg.norm(w)))
            size = math.sqrt(float(np.linalg.norm(w) * (v @ v)))
            return float(np.linalg.norm(off)) / size / unit

        return measure_action
    flat = a.reshape(-1, n, n)
    sample = np.unique(np.linspace(0, len(flat) - 1, 16 if n <= 24 else 6).astype(int))
    exact = exact_expm(flat[sample])

    def measure(e: Array) -> float:
        off = np.abs(e.reshape(-1, n, n)[sample] - exact).sum(-1).max(-1)
        return float((off / np.abs(exact).sum(-1).max(-1)).max()) / unit

    return measure


def exact_expm(a: Array) -> Array:
    """Sum exp of each matrix by scaled Taylor series in the longest float, 64 bits on x86."""
    x = a.astype(np.clongdouble if np.iscomplexobj(a) else np.longdouble)
    squarings = max(0, math.ceil(math.log2(max(float(np.abs(x).sum(-1).max()), 0.25))) + 2)
    x = x / np.longdouble(2) ** squarings
    total = term = np.zeros_like(x) + np.eye(a.shape[-1], dtype=np.longdouble)
    for k in range(1, 19):  # norm <= 1/4: the next term is below 1e-28
        term = term @ x / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return np.asarray(total)


def _exact_action(a: Array, v: Array) -> Array:
    """Sum exp(a) v in the longest float; a has a spectral norm near 2 and needs no scaling."""
    x: Array = a.astype(np.longdouble)
    y: Array = v.astype(np.longdouble)
    term, k = y, 0
    while np.abs(term).max() > 1e-24 * np.abs(y).max():
        k += 1
        term = x @ term / k
        y = y + term
    return np.asarray(y)
