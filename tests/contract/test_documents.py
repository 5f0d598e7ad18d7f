"""What the pages say leads somewhere: links, tests, verbs, events."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_events import EVENTS, meet, subject_of
from tests.contract.test_subscribers import DECLARED

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "services").glob("*/README.md")]
)
SERVICES = sorted(page.parent for page in PAGES if page.parent.parent == ROOT / "services")
LINK = re.compile(r"\[([^]]*)\]\((?!\w+:)([^)\s]+)\)")
NAMES_A_TEST = re.compile(r"`(test_\w+)`")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda it: str(it.relative_to(ROOT)))
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda it: it.name)


def _dead_links(page: Path, text: str) -> list[str]:
    """Return the links to what is not there: a file, a heading, or a test of a file."""
    return [
        f"[{said}]({link})" for said, link in LINK.findall(text) if not _leads(page, said, link)
    ]


def _leads(page: Path, said: str, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or (heading and heading not in _headings(target.read_text())):
        return False
    named = NAMES_A_TEST.findall(said)
    return set(named) <= set(_tests(target)) if named else True


def _headings(text: str) -> list[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def _tests(target: Path) -> list[str]:
    """Return the names of the tests of a file, or of all files of a folder."""
    files = sorted(target.rglob("test_*.py")) if target.is_dir() else [target]
    return [name for file in files if file.suffix == ".py" for name in _defined(file)]


def _defined(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name.startswith("test_"):
                    yield name
            # A machine of Hypothesis: `TestMachine = Machine.TestCase`.
            case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("Test"):
                yield name


def _untested(text: str) -> list[str]:
    """Return the features of the README's table that no test shows."""
    table = text.partition("| feature | shown by |\n| --- | --- |\n")[2].partition("\n\n")[0]
    rows = [
        row.removeprefix("| ").removesuffix(" |").partition(" | ") for row in table.splitlines()
    ]
    assert rows, "there is no table of features"
    return [feature for feature, _, shown_by in rows if not all(_proofs(shown_by))]


def _proofs(cell: str) -> list[list[str]]:
    links = [link for _, link in LINK.findall(cell)]
    return [_tests(ROOT / link) for link in links] or [[]]


def _events_of(service: str) -> set[str]:
    heard = {one.config.filter_subject for name, one in DECLARED if name == service}
    return {
        event.name
        for event in EVENTS
        if f".{service}.v1." in subject_of(event)
        or any(meet(re.sub(r"\{\w+\}", "*", subject_of(event)), one) for one in heard)
    }


def _named(page: Path) -> set[str]:
    return set(re.findall(r"`(\w+)`", page.read_text()))


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    assert not _dead_links(page, page.read_text())


def test_every_feature_is_shown_by_a_test() -> None:
    assert not _untested(README.read_text())


@each_page
def test_every_verb_that_is_named_is_one(page: Path) -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`(?:\w+=\S+ )*make ([a-z-]+)", page.read_text())) <= verbs


@each_service
def test_a_service_names_all_that_it_publishes_and_consumes(service: Path) -> None:
    assert not _events_of(service.name) - _named(service / "README.md")


def test_the_architecture_leads_to_every_folder() -> None:
    page = ROOT / "docs/architecture.md"
    led = [(page.parent / link).resolve() for _, link in LINK.findall(page.read_text())]
    folders = [ROOT / name for name in ("deploy", "docs", "examples", "k8s", "proto")]
    folders += [it.parent for it in (ROOT / "services").glob("*/__init__.py")]
    folders += [it for it in (ROOT / "tests").iterdir() if list(it.rglob("*.py"))]
    unreached = [it for it in folders if not any(one.is_relative_to(it) for one in led)]
    assert not unreached


# Each of these checks can fail.


@pytest.mark.parametrize(
    "link",
    [
        "[a page](docs/no-such-page.md)",
        "[a heading](docs/engine.md#no-such-heading)",
        "[`test_that_nobody_wrote`](tests/contract/test_documents.py)",
        "[`test_that_nobody_wrote`](tests/contract)",
    ],
)
def test_a_link_to_what_is_not_there_is_seen(link: str) -> None:
    assert _dead_links(README, f"See {link} and [the engine](docs/engine.md#rules).") == [link]


@pytest.mark.parametrize("proof", ["", "by hand", "[a page](docs/engine.md)", "[none](services)"])
def test_a_feature_without_a_test_is_seen(proof: str) -> None:
    table = "| feature | shown by |\n| --- | --- |\n"
    shown = "| links | [here](tests/contract/test_documents.py) |\n"
    assert _untested(f"{table}{shown}| magic | {proof} |\n{shown}\n") == ["magic"]


def test_an_event_that_a_service_begins_to_hear_is_missed(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(
        (ROOT / "services/dispatch/README.md").read_text().replace("`GroupChanged`", "")
    )
    assert _events_of("dispatch") - _named(page) == {"GroupChanged"}
