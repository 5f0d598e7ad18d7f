"""How seldom the cyclic collector looks at what lives."""

import gc

YOUNG, MIDDLE, OLD = 10_000, 20, 50
"""New objects before the young are looked at; rounds before the older are, and all are."""


def collect_seldom() -> None:
    """Look for cycles less often than Python does, for the whole process.

    What a service drops, it drops by reference counts; what it keeps is large and lives long. With
    the defaults (700, 10, 10) a third of a router's decision was spent on finding nothing in its
    state, and a full look at ten thousand agents stops everything for a fifth of a second.
    """
    gc.set_threshold(YOUNG, MIDDLE, OLD)
