"""`make bench`: measure everything, print the table, write var/bench.json.

`python -m tests.bench engine dispatch` measures only those. Exits with 1 when a figure misses its
bound, has none, or was not measured although everything was asked for.
"""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from . import chat, dispatch, engine, moving, presence, replay, simulate, standalone, timers
from .figures import REACH, Figure, Reach, missed, show, write

MEASURES: dict[str, Callable[[], list[Figure]]] = {
    "engine": engine.measure,
    "dispatch": dispatch.measure,
    "timers": timers.measure,
    "moving": moving.measure,
    "replay": replay.measure,
    "simulate": simulate.measure,
    "presence": presence.measure,
    "chat": chat.measure,
    "standalone": standalone.measure,
}
OUT = Path("var/bench.json")


def main() -> None:
    reach = {metric: Reach.read(row) for metric, row in tomllib.loads(REACH.read_text()).items()}
    figures: list[Figure] = []
    sys.stdout.write(
        f"{'metric':<30} {'value':>10} {'unit':<6} {'floor':>8} {'ratio':>7} {'reach':>16}\n"
    )
    for name in sys.argv[1:] or MEASURES:
        for figure in MEASURES[name]():
            sys.stdout.write(show(figure, reach.get(figure.metric)) + "\n")
            sys.stdout.flush()
            figures.append(figure)
    write(figures, OUT)
    not_held = missed(figures, reach)
    if not sys.argv[1:]:
        not_held += sorted(reach.keys() - {figure.metric for figure in figures})
    if not_held:
        sys.exit(f"not held: {', '.join(not_held)}")


if __name__ == "__main__":
    main()
