"""Matrices on which QR factorisations by sketches and Cholesky factors fail, and what is right.

``python tests/qr_gallery.py`` prints for every matrix, dtype and method the worst of orthogonality
and residual over seeds and layouts in units of eps, the ranks found and allowed, and the paths
taken; its exit status tells whether all are right.
"""

import argparse
import os
import sys
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.linalg

import randla


def _orthonormal(rng, m, n):
    return np.linalg.qr(rng.standard_normal((m, n)))[0]


def _with_singular_values(rng, m, n, s):
    return (_orthonormal(rng, m, n) * s) @ _orthonormal(rng, n, n).T


def _graded(decades):
    return lambda rng, m, n: _with_singular_values(rng, m, n, np.logspace(0, -decades, n))


def _graded_columns(rng, m, n):
    return rng.standard_normal((m, n)) * np.logspace(0, -14, n)


def _low_rank(floor):
    def build(rng, m, n):
        r = (3 * n) // 5
        s = np.concatenate([np.ones(r), np.full(n - r, floor)])
        if floor == 0:  # exactly
            return rng.standard_normal((m, r)) @ rng.standard_normal((r, n))
        return _with_singular_values(rng, m, n, s)

    return build


def _spiked(rng, m, n):
    A = rng.standard_normal((m, n))
    A[rng.permutation(m)[:n]] *= 1e6
    return A


def _identity(noise):
    def build(rng, m, n):
        A = noise * rng.standard_normal((m, n))
        A[:n] = np.eye(n)
        return A

    return build


def _duplicates(rng, m, n):
    A = rng.standard_normal((m, n // 2))
    return np.hstack([A, A])


def _kahan(rng, m, n):
    c, s = np.cos(1.2), np.sin(1.2)
    K = np.diag(s ** np.arange(n)) @ (np.eye(n) - c * np.triu(np.ones((n, n)), 1))
    return _orthonormal(rng, m, n) @ K


def _first_column_zero(rng, m, n):
    A = rng.standard_normal((m, n))
    A[:, 0] = 0
    return A


def _scaled(factor):
    return lambda rng, m, n: rng.standard_normal((m, n)) * factor


def _alternating(rng, m, n):
    A = rng.standard_normal((m, n))
    A[:, ::2] *= 1e200
    A[:, 1::2] *= 1e-100
    return A


def _coherent_blocks(rng, m, n):
    """Few rows carry everything, and some of their columns are the same."""
    A = np.zeros((m, n))
    A[rng.permutation(m)[: 2 * n]] = rng.standard_normal((2 * n, n))
    A[:, n // 2] = A[:, 0]
    return A


#: name: (matrix, the exact rank (of n) where the spectrum has a gap in that dtype, or None)
MATRICES = {
    "gaussian": (_scaled(1), lambda n, single: n),
    "kappa 1e6": (_graded(6), lambda n, single: None if single else n),
    "kappa 1e14": (_graded(14), lambda n, single: None),
    "graded columns 1e14": (_graded_columns, lambda n, single: None),
    "kappa 1e18": (_graded(18), lambda n, single: None),
    "exact low rank": (_low_rank(0), lambda n, single: (3 * n) // 5),
    "low rank + 1e-11": (_low_rank(1e-11), lambda n, single: (3 * n) // 5 if single else n),
    "low rank + 1e-15": (_low_rank(1e-15), lambda n, single: (3 * n) // 5),
    "spiked rows": (_spiked, lambda n, single: n),
    "[I; 0]": (_identity(0), lambda n, single: n),
    "[I; 1e-8 G]": (_identity(1e-8), lambda n, single: n),
    "duplicate columns": (_duplicates, lambda n, single: n // 2),
    "Kahan": (_kahan, lambda n, single: None),
    "first column zero": (_first_column_zero, lambda n, single: n - 1),
    "coherent blocks": (_coherent_blocks, lambda n, single: n - 1),
    "zero": (_scaled(0), lambda n, single: 0),
    "times 1e200": (_scaled(1e200), lambda n, single: n),
    "times 1e-200": (_scaled(1e-200), lambda n, single: n),
    "times 1e305": (_scaled(1e305), lambda n, single: n),
    "times 1e-310": (_scaled(1e-310), lambda n, single: n),
    "columns 1e200, 1e-100": (_alternating, lambda n, single: n // 2),
}
DOUBLE_ONLY = {
    "times 1e200",
    "times 1e-200",
    "times 1e305",
    "times 1e-310",
    "columns 1e200, 1e-100",
}
METHODS = {
    "cqrrpt": lambda A, seed: randla.qr(A, pivoting=True, method="cqrrpt", rng=seed),
    "cqrrt": lambda A, seed: randla.qr(A, method="cqrrt", rng=seed),
    "bqrrp": lambda A, seed: randla.qr(A, pivoting=True, method="bqrrp", rng=seed),
    "householder": lambda A, seed: randla.qr(A, pivoting=True, method="householder"),
    "cholqr2": lambda A, seed: randla.cholesky_qr(A, method="cholqr2"),
    "cholqr3": lambda A, seed: randla.cholesky_qr(A, method="cholqr3"),
}


def build(name, dtype, order, m, n, seed):
    """Matrix `name`, in a layout."""
    A = MATRICES[name][0](np.random.default_rng(seed), m, n)
    return np.asarray(A.astype(dtype), order=order)


def normalised(A):
    """A over a power of two, in float64 or complex128: the figures are relative."""
    largest = float(np.abs(A).max())
    wide = A.astype(np.result_type(A.dtype, np.float64))
    return wide * 2.0 ** -np.frexp(largest)[1] if largest > 0 else wide


def figures(A, result):
    """Orthogonality and residual of a factorisation, in units of its eps."""
    P = result.P if len(result) == 3 else np.arange(A.shape[1])
    exponent = np.frexp(float(np.abs(A).max()))[1] if A.any() else 0
    half = exponent // 2  # in two steps: 2^-exponent may be infinite
    wide = np.result_type(A.dtype, np.float64)
    scale = [2.0**-half, 2.0 ** -(exponent - half)]
    B = A.astype(wide) * scale[0] * scale[1]
    Q, R = result.Q.astype(wide), result.R.astype(wide) * scale[0] * scale[1]
    eps = np.finfo(A.dtype).eps
    k = Q.shape[1]
    orth = np.linalg.norm(np.conj(Q.T) @ Q - np.eye(k)) / np.sqrt(max(k, 1)) / eps
    norm = np.linalg.norm(B)
    off = np.linalg.norm(B[:, P] - Q @ R) / (norm if norm > 0 else 1) / eps
    if 0 < np.abs(A).max() < np.finfo(A.dtype).tiny:
        # R is rounded to multiples of the smallest number
        off *= eps / (np.finfo(A.dtype).smallest_subnormal / np.abs(A).max() + eps)
    return float(orth), float(off)


def allowed_ranks(name, A):
    """Lowest and highest rank that is right."""
    n = A.shape[1]
    exact = MATRICES[name][1](n, A.dtype == np.float32)
    if exact is not None:
        return exact, exact
    rtol = min(A.shape) * np.finfo(A.dtype).eps
    s = np.linalg.svd(A.astype(np.float64), compute_uv=False)
    low = int((s > rtol * s[0]).sum())
    d = np.abs(np.diag(scipy.linalg.qr(A, pivoting=True, mode="r")[0]))
    high = int((d > rtol * d[0]).sum())
    low, high = min(low, high), max(low, high)
    return int(np.floor(0.95 * low)), min(n, int(np.ceil(1.05 * high)))


def defects(name, A, method, seed, ranks):
    """What is wrong with a factorisation, and its figures."""
    result = METHODS[method](A, seed)
    orth, off = figures(A, result)
    wrong = []
    if not orth <= 50:
        wrong.append(f"orthogonality {orth:.0f} eps")
    if not off <= 50:
        wrong.append(f"residual {off:.0f} eps")
    if len(result) == 3:
        if not ranks[0] <= result.rank <= ranks[1]:
            wrong.append(f"rank {result.rank} outside [{ranks[0]}, {ranks[1]}]")
        if sorted(result.P.tolist()) != list(range(A.shape[1])):
            wrong.append("P is no permutation")
    if np.tril(result.R, -1).any() or (np.diag(result.R).real < 0).any():
        wrong.append("R is not upper triangular with a diagonal >= 0")
    return wrong, orth, off, result


def _torch_qr(A):
    import torch

    return [x.numpy() for x in torch.linalg.qr(torch.from_numpy(A))]


def _torch_gradient(A):
    """Norm of a gradient."""
    import torch

    x = torch.from_numpy(A).clone().requires_grad_()
    Q, R = torch.linalg.qr(x)
    (Q.sum() + R.sum()).backward()
    return float(x.grad.norm())


OTHERS = {
    "scipy, pivots": lambda A: scipy.linalg.qr(A, mode="economic", pivoting=True),
    "numpy": np.linalg.qr,
    "torch": _torch_qr,
}


def returned(call, A):
    """What a function of another library does: figures and rank, or the name of its exception."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            Q, R, *rest = call(A)
        except (np.linalg.LinAlgError, ValueError, RuntimeError) as error:
            return type(error).__name__
        if not (np.isfinite(Q).all() and np.isfinite(R).all()):
            return "NaN"
        result = randla.PivotedQRResult(Q, R, *rest) if rest else randla.QRResult(Q, R)
        orth, off = figures(A, result)
    d = np.abs(np.diag(R))
    rank = int((d > min(A.shape) * np.finfo(A.dtype).eps * d.max()).sum())
    return f"{orth:.1f} {off:.1f}, {rank}" if rest else f"{orth:.1f} {off:.1f}"


def print_others(names, m, n):
    """Table of the other libraries' results."""
    print(f"\nothers: orthogonality, residual (eps) and rank of diag R; {m} x {n}, seed 0")
    heads = "".join(f"{who:22}" for who in OTHERS)
    print(f"{'matrix':24}{'dtype':9}{heads}norm of torch's gradient")
    inputs = [(name, dtype, build(name, dtype, "C", m, n, 0)) for name in names
              for dtype in ("float64", "float32")
              if dtype == "float64" or name not in DOUBLE_ONLY]  # fmt: skip
    nothing = build("gaussian", "float64", "C", m, n, 0)
    nothing[m // 2, n // 2] = np.nan
    for name, dtype, A in [*inputs, ("a NaN", "float64", nothing)]:
        found = "".join(f"{returned(call, A):22}" for call in OTHERS.values())
        print(f"{name:24}{dtype:9}{found}{_torch_gradient(A):.2g}", flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", nargs=2, type=int, default=(5000, 200))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--only", nargs="+", default=list(MATRICES))
    args = parser.parse_args()
    m, n = args.size
    failures = 0
    print(f"{m} x {n}, {args.seeds} seeds; orthogonality and residual in eps\n")
    heads = f"{'matrix':24}{'dtype':9}{'method':13}{'orth':>7}{'resid':>7}"
    print(f"{heads}  {'rank':12}{'allowed':11}paths")
    for name in args.only:
        for dtype in ("float64", "float32"):
            if dtype == "float32" and name in DOUBLE_ONLY:
                continue
            rows = {method: [0.0, 0.0, set(), {}, set()] for method in args.methods}
            low, high = n, 0
            for seed in range(args.seeds):
                for order in "CF":
                    A = build(name, dtype, order, m, n, seed)
                    if order == "C":
                        ranks = allowed_ranks(name, A)
                        low, high = min(low, ranks[0]), max(high, ranks[1])
                    for method, row in rows.items():
                        wrong, orth, off, result = defects(name, A, method, seed, ranks)
                        row[0], row[1] = max(row[0], orth), max(row[1], off)
                        row[2].add(result.rank)
                        path = f"{result.info.method}:{result.info.attempts}"
                        row[3][path] = row[3].get(path, 0) + 1
                        row[4].update(wrong)
            for method, (orth, off, found, paths, wrong) in rows.items():
                rank = f"{min(found)}..{max(found)}"
                listed = " ".join(f"{p} x{c}" for p, c in sorted(paths.items()))
                print(f"{name:24}{dtype:9}{method:13}{orth:7.1f}{off:7.1f}  {rank:12}"
                      f"{f'{low}..{high}':11}{listed}", flush=True)  # fmt: skip
                for what in sorted(wrong):
                    print(f"    WRONG: {what}")
                failures += len(wrong)
    print_others(args.only, m, n)
    print("all right" if not failures else f"{failures} kinds of failure")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
