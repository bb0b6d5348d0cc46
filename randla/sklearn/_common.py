"""What the transformers share."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

FLOATS = (np.float64, np.float32)


def seed(random_state: Any) -> int:
    """An integer is the key of the stream itself; others give one draw of 64 bits."""
    if isinstance(random_state, Integral):
        return int(random_state)
    drawn = check_random_state(random_state).randint(0, 2**64, dtype=np.uint64)
    return int(drawn)
