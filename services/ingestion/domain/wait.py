"""How long a customer will wait, as far as anybody can say."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Wait:
    """Place in line from 1 (0: it rings at somebody, or waits for a group), and what is foretold.

    From now on it is over by then in half the cases, and in nine of ten. None: nobody can say.
    """

    position: int
    p50: timedelta | None
    p90: timedelta | None
