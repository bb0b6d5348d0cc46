"""Launches of exp and of its derivative; kernels/expm.cu."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from .._cpu import expm as core
from . import _launch, _team
from ._team import serves as serves

VARIANTS = list(_team.variants())
INFO = core.INFO
_SLOTS = 5  # RL_EXPM_SLOTS


def reports(count: int) -> Any:
    """Room for `count` records of INFO."""
    return cupy.empty((count, np.dtype(INFO).itemsize), np.uint8)


def fetch(records: Any, layout: Any) -> np.ndarray:
    """Wait for the records."""
    table: np.ndarray = records.get().view(np.dtype(layout)).reshape(-1)
    return table


def packed(x: Any, shape: tuple[int, ...], char: str) -> Any:
    """Matrices as the kernels take them: one batch dimension, row-major."""
    x = cupy.broadcast_to(cupy.asarray(x), shape)
    return cupy.ascontiguousarray(x, dtype=char).reshape(-1, *shape[-2:])


def rule(tol: float, char: str, derivative: bool) -> Any:
    """rl_expm_rule on the device."""
    single = char in "fF"
    return _team.constant(
        ("expm", tol, single, derivative),
        lambda: np.frombuffer(core.rule(tol, single, derivative), np.uint8),
    )


def schemes(char: str) -> Any:
    """Schemes of exp on the device."""
    real = char.lower()
    return _team.constant(
        ("schemes", real), lambda: programs([c for c, _ in core.SCHEMES.values()], 1.0, real)
    )


def programs(table: list[list[float]], linear: float, real: str) -> np.ndarray:
    """Memory of Schemes (expm.cuh): the formula of expm_rule.h as steps, for rows of C0 ... C19.

    With X = A3 for order 21 and X = A2 below; what does not exist has coefficients 0.
    """
    step = np.dtype(
        [
            *((name, real, _SLOTS) for name in ("left", "right", "rest")),
            ("one", real),
            *((name, "i4") for name in ("target", "multiplies", "adds", "reserved")),
        ],
        align=True,
    )
    scheme = np.dtype([("steps", step, 4), ("count", "i4"), ("reserved", "i4")], align=True)
    all_of_them = np.dtype(
        [("power", step), ("squaring", step), ("of", scheme, len(core.SCHEMES))], align=True
    )
    A, A2, A3, Y0, Y1 = range(_SLOTS)
    records = np.zeros(1, all_of_them)

    def fill(record: Any, into: int, left: Any, right: Any, rest: Any = (), one: float = 0) -> None:
        record["target"], record["one"] = into, one
        record["multiplies"], record["adds"] = bool(left), bool(rest)
        for name, terms in (("left", left), ("right", right), ("rest", rest)):
            for slot, weight in terms:
                record[name][slot] += weight

    fill(records[0]["power"], A2, [(A, 1)], [(A, 1)])
    fill(records[0]["squaring"], Y0, [(Y0, 1)], [(Y0, 1)])
    for number, c in enumerate(table):
        cubic = number == 5  # RL_T21
        X = A3 if cubic else A2
        # what follows the products: y1 without them, and p without them and y1
        rest1 = [(Y0, c[5]), (X, c[17]), (A2, c[6])]
        rest = [(Y0, c[12]), (X, c[19]), (A2, c[13]), (A, linear)]
        steps: list[tuple[Any, ...]] = []
        if cubic:
            steps.append((A3, [(A2, 1)], [(A, 1)]))
        if number >= 2:  # RL_T4
            steps.append((Y0, [(X, 1)], [(X, c[14]), (A2, c[0]), (A, c[1])]))
        if number >= 3:  # RL_T8
            left = [(Y0, 1), (X, c[15]), (A2, c[2]), (A, c[3])]
            steps.append((Y1, left, [(Y0, 1), (X, c[16]), (A2, c[4])], rest1))
        if number >= 4:  # RL_T15
            left = [(Y1, 1), (X, c[18]), (A2, c[7]), (A, c[8])]
            right = [(Y1, 1), (Y0, c[9]), (A, c[10])]
            steps.append((Y0, left, right, [(Y1, c[11]), *rest], 1.0))
        elif number == 3:
            steps.append((Y0, [], [], [(Y1, c[11]), *rest], 1.0))
        else:  # y1 is a sum alone
            inner = [(slot, c[11] * weight) for slot, weight in rest1]
            steps.append((Y0, [], [], [*inner, *rest], 1.0))
        record = records[0]["of"][number]
        record["count"] = len(steps)
        for one, given in zip(record["steps"], steps, strict=False):
            fill(one, *given)
    return records.view(np.uint8)


def memory(launch: _team.Launch, parts: int) -> Any:
    """Room for Matrices of expm.cuh, unless they fit into registers."""
    return launch.memory(0 if launch.in_registers(parts) else parts * _SLOTS)


def expm(A: Any, char: str, tol: float, return_info: bool) -> tuple[Any, np.ndarray | None]:
    """exp of matrices of any layout, packed; and its records, which wait for the device."""
    shape = tuple(A.shape)
    a = packed(A, shape, char)
    e = cupy.empty_like(a)
    info = reports(len(a)) if return_info else None
    expm_into(a, e, tol, info)
    return e, None if info is None else fetch(info, INFO)


def frechet(A: Any, E: Any, shape: tuple[int, ...], char: str, value: bool) -> tuple[Any, Any]:
    """exp at A, if wanted, and its derivative in the direction E."""
    a, d = packed(A, shape, char), packed(E, shape, char)
    derived, e = cupy.empty_like(a), cupy.empty_like(a) if value else None
    frechet_into(a, d, 0.0, e, derived)
    return None if e is None else e.reshape(shape), derived.reshape(shape)


def expm_into(a: Any, e: Any, tol: float, info: Any) -> None:
    """e = exp(a), packed batches; info: from reports(), or None."""
    char, launch = a.dtype.char, _team.Launch("expm", a)
    room = memory(launch, 1)
    launch(
        "expm",
        launch.n,
        launch.count,
        a,
        e,
        rule(tol, char, False),
        schemes(char),
        room,
        _launch.NULL if info is None else info,
        launch.bytes,
    )


def frechet_into(a: Any, d: Any, tol: float, e: Any, derived: Any, adjoint: bool = False) -> None:
    """derived: derivative of exp at a, or a^H, in the direction d; e = exp there unless None."""
    char, launch = a.dtype.char, _team.Launch("expm", a)
    room = memory(launch, 2)
    launch(
        "frechet",
        launch.n,
        launch.count,
        a,
        d,
        _launch.NULL if e is None else e,
        derived,
        rule(tol, char, True),
        schemes(char),
        room,
        launch.bytes,
        np.int32(adjoint),
    )
