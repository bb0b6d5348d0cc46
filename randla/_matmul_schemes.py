"""Bilinear schemes as data: reading, deriving, verifying; the history of the exponent."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

Rows = tuple[tuple[int, ...], ...]

HERE = Path(__file__).resolve().parent
# as installed, or where they are written
FOLDERS = (HERE / "schemes", HERE.parent / "native" / "src" / "schemes")


@dataclass(frozen=True, repr=False)
class Scheme:
    """A bilinear scheme <m, k, n : rank>: a product of blocks by `rank` products instead of m k n.

    With A cut into m by k blocks, B into k by n and C into m by n,
    ``C_ij = sum_r w[r][ij] / d_w * (sum_il u[r][il] / d_u A_il) (sum_lj v[r][lj] / d_v B_lj)``.

    Attributes
    ----------
    name : str
        What `matmul` calls it.
    m, k, n : int
        Numbers of blocks.
    rank : int
        Number of products.
    field : str
        Where the coefficients are: ``"Z"`` or ``"Q"``.
    origin : str
        Who found it, when, and where it is published.
    u, v, w : tuple of tuple of int
        Numerators of the coefficients: a row for each product, blocks row by row.
    denominators : tuple of int
        d_u, d_v and d_w.
    sums : tuple of int
        Additions of blocks of A, of B and of C, common sub-expressions counted once.
    """

    name: str
    m: int
    k: int
    n: int
    rank: int
    field: str
    origin: str
    u: Rows
    v: Rows
    w: Rows
    denominators: tuple[int, int, int] = (1, 1, 1)
    sums: tuple[int, int, int] = (0, 0, 0)

    def __repr__(self) -> str:
        size = f"<{self.m},{self.k},{self.n}:{self.rank}>"
        numbers = f"exponent {self.exponent:.4f}, {self.additions} additions"
        return f"Scheme({self.name!r}, {size}, {numbers}, growth {self.growth:.2f})"

    @property
    def exponent(self) -> float:
        """``3 log(rank) / log(m k n)``: that of recursion to the end."""
        return 3 * math.log(self.rank) / math.log(self.m * self.k * self.n)

    @property
    def additions(self) -> int:
        """Additions and subtractions of blocks, common sub-expressions counted once."""
        return sum(self.sums)

    @property
    def plain_additions(self) -> int:
        """Additions and subtractions of blocks if every sum is formed on its own."""
        columns = list(zip(*self.w, strict=True))
        return sum(sum(map(bool, row)) - 1 for row in (*self.u, *self.v, *columns))

    @property
    def growth(self) -> float:
        """Growth factor ``sum_r |u_r| |v_r| |w_r|``, Euclidean norms.

        The error of the product grows with it, relative to the product of the Frobenius norms
        (Dumas, Pernet, Sedoglavic 2024, arXiv 2402.05630).
        """
        norms = (math.prod(math.sqrt(sum(x * x for x in f)) for f in p) for p in self.products())
        return math.fsum(norms) / math.prod(self.denominators)

    @property
    def stability_factor(self) -> float:
        """``E = max_ij sum_r |w_r,ij| |u_r|_1 |v_r|_1``, by which a level multiplies the bound.

        The bound is that for the largest moduli (Ballard, Benson, Druinsky, Lipshitz, Schwartz
        2016, doi:10.1137/15M1032168).
        """
        weights = [sum(map(abs, u)) * sum(map(abs, v)) for u, v, _ in self.products()]
        columns = zip(*self.w, strict=True)
        most = max(sum(abs(x) * y for x, y in zip(c, weights, strict=True)) for c in columns)
        return float(most / math.prod(self.denominators))

    def products(self) -> Iterable[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
        """Rows of u, v and w, product by product.

        Returns
        -------
        iterable of tuple
            Triples of rows, `rank` of them.
        """
        return zip(self.u, self.v, self.w, strict=True)

    def is_exact(self) -> bool:
        """Whether all Brent equations hold: the scheme then multiplies matrices over any ring.

        ``sum_r u[r][il] v[r][l'j] w[r][i'j'] = [i = i'] [l = l'] [j = j']``, in integers.

        Returns
        -------
        bool
            True for every scheme of `matmul_schemes`.
        """
        left: dict[tuple[int, int, int], int] = {}
        for product in self.products():
            terms = ([(i, x) for i, x in enumerate(f) if x] for f in product)
            for (a, x), (b, y), (c, z) in itertools.product(*terms):
                left[a, b, c] = left.get((a, b, c), 0) + x * y * z
        one = math.prod(self.denominators)
        m, k, n = self.m, self.k, self.n
        right = {
            (i * k + h, h * n + j, i * n + j): one
            for i, h, j in itertools.product(range(m), range(k), range(n))
        }
        return {at: x for at, x in left.items() if x} == right

    def rotated(self) -> Scheme:
        """The scheme <k, n, m : rank> of the same trilinear form: trace(A B C) = trace(B C A).

        Returns
        -------
        Scheme
            Of the same rank, exponent and growth.
        """
        m, k, n = self.m, self.k, self.n
        u, v, w = self.v, _transposed(self.w, m, n), _transposed(self.u, m, k)
        d_u, d_v, d_w = self.denominators
        # a program of s sums for x -> M x gives one of s + rows - columns for x -> M^T x
        a, b, c = self.sums
        sums = (b, c + m * n - self.rank, a + self.rank - m * k)
        name = f"{self.name}.rotated"
        origin = f"{self.origin}; rotated"
        return Scheme(name, k, n, m, self.rank, self.field, origin, u, v, w, (d_v, d_w, d_u), sums)

    def transposed(self) -> Scheme:
        """The scheme <n, k, m : rank> by C^T = B^T A^T.

        Returns
        -------
        Scheme
            Of the same rank, exponent and growth.
        """
        m, k, n = self.m, self.k, self.n
        u, v = _transposed(self.v, k, n), _transposed(self.u, m, k)
        w = _transposed(self.w, m, n)
        d_u, d_v, d_w = self.denominators
        a, b, c = self.sums
        name = f"{self.name}.transposed"
        origin = f"{self.origin}; transposed"
        return Scheme(
            name, n, k, m, self.rank, self.field, origin, u, v, w, (d_v, d_u, d_w), (b, a, c)
        )

    def kron(self, other: Scheme) -> Scheme:
        """The scheme whose products of blocks are computed by another one: two levels in one.

        Parameters
        ----------
        other : Scheme
            The inner scheme.

        Returns
        -------
        Scheme
            <m m', k k', n n' : rank rank'>.

        Examples
        --------
        >>> from randla import matmul_schemes
        >>> strassen = matmul_schemes()[0]
        >>> strassen.kron(strassen)
        Scheme('strassen.strassen', <4,4,4:49>, exponent 2.8074, 198 additions, growth 219.88)
        """
        columns = ((self.k, other.k), (self.n, other.n), (self.n, other.n))
        u, v, w = (
            tuple(_kron(x, y, *c) for x in mine for y in theirs)
            for mine, theirs, c in zip(
                (self.u, self.v, self.w), (other.u, other.v, other.w), columns, strict=True
            )
        )
        d_u, d_v, d_w = (x * y for x, y in zip(self.denominators, other.denominators, strict=True))
        # the outer sums are of matrices, each of as many blocks as the inner scheme has
        sizes = (other.m * other.k, other.k * other.n, other.m * other.n)
        a, b, c = (
            s * size + self.rank * t
            for s, size, t in zip(self.sums, sizes, other.sums, strict=True)
        )
        return Scheme(
            f"{self.name}.{other.name}",
            self.m * other.m,
            self.k * other.k,
            self.n * other.n,
            self.rank * other.rank,
            "Q" if "Q" in (self.field, other.field) else "Z",
            self.origin if self.origin == other.origin else f"{self.origin}; {other.origin}",
            u,
            v,
            w,
            (d_u, d_v, d_w),
            (a, b, c),
        )


def _transposed(rows: Rows, down: int, across: int) -> Rows:
    return tuple(
        tuple(row[i * across + j] for j in range(across) for i in range(down)) for row in rows
    )


def _kron(x: tuple[int, ...], y: tuple[int, ...], across: int, inner: int) -> tuple[int, ...]:
    rows, inner_rows = len(x) // across, len(y) // inner
    return tuple(
        x[i * across + j] * y[p * inner + q]
        for i in range(rows)
        for p in range(inner_rows)
        for j in range(across)
        for q in range(inner)
    )


# ---- reading -------------------------------------------------------------------------------------


def read(file: Path, sums: tuple[int, int, int] = (0, 0, 0)) -> Scheme:
    """The scheme of a .def file."""
    text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
    head = re.findall(r'^SCHEME\((\w+), (\d+), (\d+), (\d+), (\d+), "(\w+)", "(.*)"\)', text, re.M)
    if len(head) != 1:
        raise ValueError(f"{file} must have one line SCHEME(...), got {len(head)}")
    name, *sizes, field, origin = head[0]
    m, k, n, rank = map(int, sizes)
    below = re.findall(r"^DENOMINATOR\((\d+), (\d+), (\d+)\)", text, re.M)
    d_u, d_v, d_w = map(int, below[0]) if below else (1, 1, 1)
    numbers = r"\(([-\d, ]*)\)"
    lines = re.findall(rf"^PRODUCT\(U{numbers}, V{numbers}, W{numbers}\)$", text, re.M)
    factors = [[tuple(map(int, part.split(","))) for part in line] for line in lines]
    lengths = {tuple(map(len, f)) for f in factors}
    if len(factors) != rank or lengths != {(m * k, k * n, m * n)}:
        raise ValueError(f"{file} must have {rank} products of {m * k}, {k * n}, {m * n} entries")
    u, v, w = zip(*factors, strict=True)
    return Scheme(name, m, k, n, rank, field, origin, u, v, w, (d_u, d_v, d_w), sums)


@cache
def stored() -> tuple[Scheme, ...]:
    """All schemes of the files, the smallest first."""
    folder = next(f for f in FOLDERS if (f / "strassen.def").exists())
    lines = re.findall(
        r"ADDITIONS\((\w+), (\d+), (\d+), (\d+)\)", (folder / "plans.def").read_text()
    )
    found = [read(folder / f"{name}.def", (int(a), int(b), int(c))) for name, a, b, c in lines]
    return tuple(found)


def matmul_schemes() -> list[Scheme]:
    """The schemes for fast multiplication that this package has, the smallest first.

    Returns
    -------
    list of Scheme
        Each with ``name``, ``m``, ``k``, ``n``, ``rank``, ``exponent``, ``additions``, ``growth``,
        ``field``, ``origin``; its coefficients; and methods that derive further schemes
        (``rotated``, ``transposed``, ``kron``) and verify them (``is_exact``).

    Examples
    --------
    >>> from randla import matmul_schemes
    >>> for scheme in matmul_schemes()[:3]:
    ...     print(scheme.name, scheme.rank, scheme.additions, round(scheme.growth, 2))
    strassen 7 18 14.83
    winograd 7 15 17.85
    even_power 7 27 12.2
    """
    return list(stored())


# ---- history -------------------------------------------------------------------------------------


class OmegaBound(NamedTuple):
    """A bound on the exponent of matrix multiplication.

    Attributes
    ----------
    year : int
        Of publication.
    bound : float
        omega is less than, or equal to, this.
    authors : str
        Who showed it.
    """

    year: int
    bound: float
    authors: str


def omega_history() -> list[OmegaBound]:
    """Upper bounds on omega, the exponent of matrix multiplication, as they became known.

    n by n matrices can be multiplied in O(n^(omega + eps)) operations for every eps > 0.  All
    bounds after the first are of theoretical interest: the size from which on such an algorithm
    would win is beyond every computer.  What can be used is in `matmul_schemes`.

    Returns
    -------
    list of OmegaBound
        Named tuples ``(year, bound, authors)``, in the order of time.

    References
    ----------
    .. [1] J. Alman, R. Duan, V. Vassilevska Williams, Y. Xu, Z. Xu, R. Zhou, "More asymmetry yields
       faster matrix multiplication", arXiv 2404.16349.

    Examples
    --------
    >>> from randla import omega_history
    >>> omega_history()[0]
    OmegaBound(year=1969, bound=2.8074, authors='Strassen')
    >>> omega_history()[-1].bound
    2.371339
    """
    return [
        OmegaBound(1969, 2.8074, "Strassen"),
        OmegaBound(1978, 2.796, "Pan"),
        OmegaBound(1979, 2.780, "Bini, Capovani, Lotti, Romani"),
        OmegaBound(1981, 2.522, "Schönhage"),
        OmegaBound(1981, 2.517, "Romani"),
        OmegaBound(1981, 2.496, "Coppersmith, Winograd"),
        OmegaBound(1986, 2.479, "Strassen"),
        OmegaBound(1990, 2.3755, "Coppersmith, Winograd"),
        OmegaBound(2010, 2.3737, "Stothers"),
        OmegaBound(2012, 2.3729, "Vassilevska Williams"),
        OmegaBound(2014, 2.3728639, "Le Gall"),
        OmegaBound(2020, 2.3728596, "Alman, Vassilevska Williams"),
        OmegaBound(2022, 2.371866, "Duan, Wu, Zhou"),
        OmegaBound(2023, 2.371552, "Vassilevska Williams, Xu, Xu, Zhou"),
        OmegaBound(2024, 2.371339, "Alman, Duan, Vassilevska Williams, Xu, Xu, Zhou"),
    ]
