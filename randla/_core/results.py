"""The base of results: namedtuples that unpack as their field expects, and may carry more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np


class AccuracyWarning(RuntimeWarning):
    """A result is less accurate than was asked for; its `info` says how accurate it is.

    Examples
    --------
    >>> import warnings, numpy as np, randla
    >>> A = np.random.default_rng(0).standard_normal((40, 3))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     result = randla.lstsq(A, np.ones(40), tol=1e-30)
    >>> caught[0].category is randla.AccuracyWarning
    True
    >>> bool(result.info.backward_error < 1e-14)
    True
    """


class Result(tuple[Any, ...]):
    """Base of the results of functions that return several arrays.

    A subclass names what unpacks in `_fields`, and what does not in `_extras`; extras default to
    None.  It pickles, and prints like a namedtuple.
    """

    _fields: tuple[str, ...] = ()
    _extras: tuple[str, ...] = ("info",)

    def __new__(cls, *values: Any, **extras: Any) -> Result:
        if len(values) != len(cls._fields):
            raise TypeError(f"{cls.__name__} takes {len(cls._fields)} arrays, got {len(values)}")
        self = super().__new__(cls, values)
        if cls._extras:
            self.__dict__.update(dict.fromkeys(cls._extras))
        if extras:
            unknown = set(extras) - set(cls._extras)
            if unknown:
                raise TypeError(f"{cls.__name__} has no attribute {sorted(unknown)[0]!r}")
            self.__dict__.update(extras)
        return self

    def __getattr__(self, name: str) -> Any:
        if name in type(self)._fields:
            return self[type(self)._fields.index(name)]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), tuple(self), self.__dict__)

    def __repr__(self) -> str:
        listed = ", ".join(
            f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True)
        )
        return f"{type(self).__name__}({listed})"


def _rebuild(cls: type[Result], values: tuple[Any, ...], extras: dict[str, Any]) -> Result:
    return cls(*values, **extras)


def report(cls: type, table: np.ndarray, batch: tuple[int, ...]) -> Any:
    """A dataclass of one number for each matrix, from the records of the core."""
    return cls(
        *(per_matrix(np.ascontiguousarray(table[field.name]), batch) for field in fields(cls))
    )


def stack_reports(cls: type, reports: Sequence[Any]) -> Any:
    """A dataclass with a leading axis, from those of several calls."""
    return cls(*(np.array([getattr(one, field.name) for one in reports]) for field in fields(cls)))


def per_matrix(values: np.ndarray, batch: tuple[int, ...]) -> Any:
    """One number for each matrix: an array of the batch's shape; for a single one a number."""
    return values.reshape(batch).copy() if batch else values.reshape(()).item()
