"""`make bench`: measure everything, print the table, write var/bench.json.

`python -m tests.bench engine dispatch` measures only those.
"""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from . import chat, dispatch, engine, moving, presence, replay, simulate, standalone, timers
from .figures import REACH, Figure, show, write

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
    reach = tomllib.loads(REACH.read_text())
    figures: list[Figure] = []
    sys.stdout.write(
        f"{'metric':<30} {'value':>10} {'unit':<6} {'floor':>8} {'ratio':>7} {'reach':>16}\n"
    )
    for name in sys.argv[1:] or MEASURES:
        for figure in MEASURES[name]():
            aim = next(iter(reach.get(figure.metric, {}).items()), None)
            sys.stdout.write(show(figure, aim) + "\n")
            sys.stdout.flush()
            figures.append(figure)
    write(figures, OUT)


if __name__ == "__main__":
    main()
