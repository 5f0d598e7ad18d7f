"""Write docs/adr/README.md from the first lines of the records; with --check, only compare.

A record is NNNN-some-title.md. Its first line is `# N. Title`, and one of the next says
`Status: proposed`, `accepted`, `rejected` or `superseded by N`.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
HEAD = """# Decisions

Why things are as they are. One record is one decision, with what speaks against it. A record is not
rewritten when a decision changes: a new one supersedes it. This list is made by `make docs`.

"""
STATUS = re.compile(r"^Status: (proposed|accepted|rejected|superseded by \d+)\b", re.MULTILINE)


class BadRecord(Exception):
    """Names the file, and what it lacks."""


def entry(path: Path) -> tuple[int, str]:
    """Return the number of a record and its line of the index."""
    name = re.fullmatch(r"(\d{4})-[a-z0-9-]+\.md", path.name)
    if name is None:
        raise BadRecord(f"{path.name}: must be named NNNN-some-title.md")
    text = path.read_text()
    title = re.match(r"# (\d+)\. (\S.*)\n", text)
    if title is None or int(title[1]) != int(name[1]):
        raise BadRecord(f"{path.name}: the first line must be '# {int(name[1])}. Title'")
    status = STATUS.search("\n".join(text.splitlines()[:8]))
    if status is None:
        raise BadRecord(f"{path.name}: must say 'Status: accepted' or the like below its title")
    return int(name[1]), f"{int(name[1])}. [{title[2]}]({path.name}): {status[1]}\n"


def index(folder: Path) -> str:
    """Return what README.md must be; BadRecord when one is not well-formed."""
    entries = [entry(path) for path in sorted(folder.glob("*.md")) if path.name != "README.md"]
    numbers = [number for number, _ in entries]
    if twice := {number for number in numbers if numbers.count(number) > 1}:
        raise BadRecord(f"numbers used twice: {sorted(twice)}")
    return HEAD + "".join(line for _, line in entries)


def main(folder: Path, *, check: bool) -> str:
    """Return what is wrong, or nothing."""
    try:
        wanted = index(folder)
    except BadRecord as bad:
        return str(bad)
    readme = folder / "README.md"
    if not check:
        readme.write_text(wanted)
    elif not readme.exists() or readme.read_text() != wanted:
        return f"{readme} is not what the records say. Run: make docs"
    return ""


if __name__ == "__main__":
    sys.exit(main(HERE, check="--check" in sys.argv[1:]) or None)
