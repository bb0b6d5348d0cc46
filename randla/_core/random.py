"""Random numbers as pure functions of a key and a position.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011, doi:10.1145/2063384.2063405).  One block is
four 32-bit words::

    Philox(counter = (lo(offset + b), hi(offset + b), sub, kind), key = (lo(key), hi(key)))

where `b` numbers the blocks of an operator, `sub` its sub-streams, and `kind` keeps what different
algorithms draw apart.  Any block can be made alone; nothing is consumed, nothing depends on
threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: An operator may use this many blocks; the next one of the same call starts there.
OPERATOR = 2**40
_WORD64 = 2**64


@dataclass(frozen=True, slots=True)
class Stream:
    """Where a sequence of random numbers begins.

    Parameters
    ----------
    key : int
        The seed, in [0, 2**64).
    offset : int, default 0
        Position, in blocks of four words, in [0, 2**64).

    Notes
    -----
    A Stream is immutable: using it twice gives the same numbers twice.  Every ``rng=`` argument
    accepts one, and an int seed means ``Stream(seed)``.

    References
    ----------
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2,
    3", SC 2011, doi:10.1145/2063384.2063405.

    Examples
    --------
    >>> import randla
    >>> randla.Stream(7)
    Stream(key=7, offset=0)
    """

    key: int
    offset: int = 0

    def __post_init__(self) -> None:
        for name in ("key", "offset"):
            value = getattr(self, name)
            if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
                raise TypeError(f"{name} must be an integer, got {type(value).__name__}")
            value = int(value)
            if not 0 <= value < _WORD64:
                raise ValueError(f"{name} must be in [0, 2**64), got {value}")
            object.__setattr__(self, name, value)

    def advance(self, operators: int = 1) -> Stream:
        """Where a later operator of the same call begins.

        Parameters
        ----------
        operators : int, default 1
            How many places further on; an operator has ``2**40`` blocks.

        Returns
        -------
        Stream
            The same key, at the later offset, modulo ``2**64``.
        """
        return Stream(self.key, (self.offset + operators * OPERATOR) % _WORD64)


def as_stream(rng: Any) -> Stream:
    """Turn an `rng=` argument into a Stream.

    None draws from the system's entropy; an int is the key; a Generator gives one 64-bit draw (it
    alone advances); a SeedSequence its first word; a Stream is taken as it is.
    """
    if isinstance(rng, Stream):
        return rng
    if rng is None:
        return Stream(int(np.random.SeedSequence().generate_state(1, np.uint64)[0]))
    if isinstance(rng, np.random.Generator):
        return Stream(int(rng.integers(0, 2**64, dtype=np.uint64)))
    if isinstance(rng, np.random.SeedSequence):
        return Stream(int(rng.generate_state(1, np.uint64)[0]))
    if isinstance(rng, (bool, np.bool_)) or not hasattr(rng, "__index__"):
        raise TypeError(
            f"rng must be None, an int, a Generator, a SeedSequence or a Stream, got "
            f"{type(rng).__name__}"
        )
    return Stream(rng)


# ---- the reference: what every backend must reproduce --------------------------------------------


def words(stream: Stream, kind: int, sub: int, first: int, count: int) -> np.ndarray:
    """Blocks first ... first + count - 1, shape (count, 4), uint32."""
    position = np.uint64(stream.offset) + np.uint64(first) + np.arange(count, dtype=np.uint64)
    mask, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1 = position & mask, position >> shift
    c2, c3 = np.full_like(position, sub), np.full_like(position, kind)
    k0, k1 = stream.key & 0xFFFFFFFF, stream.key >> 32
    for _ in range(10):
        a, b = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)  # below 2^64
        c0, c1 = (b >> shift) ^ c1 ^ np.uint64(k0), b & mask
        c2, c3 = (a >> shift) ^ c3 ^ np.uint64(k1), a & mask
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)
