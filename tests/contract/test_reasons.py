"""A refusal has a reason that is named, raised in a test, and said in a sentence."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.dispatch.domain.decisions import Reason
from services.dispatch.domain.errors import refusal
from tests.upstreams import SERVICES

ROOT = Path(__file__).parents[2]
UPPER_SNAKE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
CODES = "INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|PERMISSION_DENIED|ALREADY_EXISTS|ABORTED"
CODES += "|UNAVAILABLE|RESOURCE_EXHAUSTED|UNAUTHENTICATED|DEADLINE_EXCEEDED|UNIMPLEMENTED"
REASONS = re.compile(rf"\b(?:{CODES})\b((?:[\s/]+|, |or |\b(?!{CODES})[A-Z]+(?:_[A-Z]+)+\b)+)")
"""What stands behind a code in a comment."""
WHO_SPEAKS_TWICE = {"Invalid", "NotFound", "NotAllowed", "NotNow", "Busy", "FairShare"}
"""Kinds of dispatch: their first argument is the reason."""
SAYS_ITSELF = {"SignatureRefused"}
"""Kinds with one sentence; their argument is for the log."""
TESTS = "\n".join(
    path.read_text() for path in sorted((ROOT / "tests").rglob("*.py")) if path != Path(__file__)
)


def _classes() -> dict[str, str]:
    """Return the name of each error with its reason, of every service and the kernel."""
    modules = [f"services.{name}.domain.errors" for name in SERVICES]
    kernel = ("answers", "callers", "keys", "publisher", "text", "times")
    modules += [f"services.kernel.{name}" for name in kernel]
    return {
        f"{name}.{kind.__name__}": reason
        for name in modules
        for kind in vars(import_module(name)).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == name
        if isinstance(reason := getattr(kind, "reason", None), str)
    }


CLASSES = _classes()
SPOKEN = {name.rpartition(".")[2] for name in CLASSES} | WHO_SPEAKS_TWICE


def _raised() -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield the name and the arguments of each error that is made anywhere in the services."""
    for path in sorted((ROOT / "services").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func
                name = getattr(called, "attr", getattr(called, "id", ""))
                if name in SPOKEN:
                    yield f"{path.relative_to(ROOT)}:{node.lineno} {name}", node.args


def _reasons() -> set[str]:
    spoken = {
        str(args[0].value)
        for where, args in _raised()
        if where.rpartition(" ")[2] in WHO_SPEAKS_TWICE and args
        if isinstance(args[0], ast.Constant)
    }
    return spoken | set(CLASSES.values()) | {it.value for it in Reason if it is not Reason.DONE}


def _commented() -> set[str]:
    """Return the reasons that the comments of the protos name behind their codes."""
    lines = [
        line.partition("//")[2].strip()
        for path in sorted((ROOT / "proto/centralita").rglob("*.proto"))
        for line in path.read_text().splitlines()
        if "//" in line
    ]
    found = REASONS.findall(" ".join(lines))
    return {reason for listed in found for reason in re.findall(r"[A-Z]+(?:_[A-Z]+)+", listed)}


def test_every_reason_that_a_proto_names_is_one_of_a_service() -> None:
    named = _commented()
    assert len(named) > 40
    assert not named - _reasons()


@pytest.mark.parametrize("reason", sorted(_reasons()))
def test_a_reason_is_upper_snake_and_named_in_a_test(reason: str) -> None:
    assert UPPER_SNAKE.fullmatch(reason)
    kinds = [name.rpartition(".")[2] for name, its in CLASSES.items() if its == reason]
    named = "|".join([reason, *kinds])
    assert re.search(rf"\b(?:{named})\b", TESTS), "no test sees it"


def test_a_sentence_is_not_empty_and_ends() -> None:
    wrong, judged = [], 0
    for where, args in _raised():
        said = [it for it in map(_ending, args) if it is not None]
        kind = where.rpartition(" ")[2]
        if kind in WHO_SPEAKS_TWICE:
            said = said[1:]
        if said and kind not in SAYS_ITSELF:
            judged += 1
            if not said[-1].endswith("."):
                wrong.append((where, said[-1]))
    assert not wrong
    assert judged > 100


def _ending(argument: ast.expr) -> str | None:
    """Return the end of a literal text; None for what is only known when it is said."""
    if isinstance(argument, ast.JoinedStr):
        last: Any = argument.values[-1]
        return str(last.value) if isinstance(last, ast.Constant) else None
    said = argument.value if isinstance(argument, ast.Constant) else None
    return said if isinstance(said, str) else None


@pytest.mark.parametrize("reason", [it for it in Reason if it is not Reason.DONE])
def test_the_router_says_why_in_a_sentence(reason: Reason) -> None:
    said = refusal(reason)
    assert said.reason == reason
    assert str(said).strip().endswith(".")
