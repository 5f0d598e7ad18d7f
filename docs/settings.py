"""Write docs/settings.md from the settings of each process; with --check, only compare.

What a variable means stands below its field, in the code; what several processes have in common is
said here once. Type, bounds and default come from the field itself.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto/gen")]

from services.kernel.env import types_of  # noqa: E402 - found by the line above

PAGE = Path(__file__).with_name("settings.md")
PROCESSES: Mapping[str, str] = {
    "directory": "services.directory.settings",
    "ingestion": "services.ingestion.settings",
    "contacts": "services.contacts.settings",
    "conversations": "services.conversations.settings",
    "presence": "services.presence.settings",
    "dispatch": "services.dispatch.settings",
    "workspace": "services.workspace.settings",
    "dead-letters": "services.kernel.dead_letters",
    "streams": "services.kernel.streams",
    "standalone": "services.standalone.settings",
}
HEAD = """# Settings

Every variable that a process reads, made from the code by `make docs`. An empty variable counts
as not set; one that is wrong or missing ends the process with a line that names it. Times are
seconds. Secrets are never shown, and come from `make secrets`.

`OTEL_EXPORTER_OTLP_ENDPOINT`, read by all services, says where traces and metrics are sent; not
set, they stay. The edge reads `TRUSTED_HOPS`: proxies before it that append to `X-Forwarded-For`, 0
to 9. The servers of others read what `docker-compose.yml` says, and MongoDB's `init.js` what its
first lines say.
"""
COMMON: Mapping[str, str] = {
    "nats_url": "The bus, with this process's own user.",
    "mongo_url": "The store, with this service's own user. A replica set.",
    "mongo_database": "Where in the store its data lie.",
    "grpc_address": "Where it serves gRPC.",
    "http_address": "Where it serves HTTP: webhooks, or the key set.",
    "health_address": "Where probes are answered: `/livez` and `/readyz`. Not set: nowhere.",
    "jwks_url": "The key set that tokens are checked with.",
    "issuer": "Who must have issued a token (`iss`).",
    "audience": "Whom a token must be meant for (`aud`).",
    "event_loop": "What runs the process.",
    "directory_address": "Where the directory serves gRPC.",
    "contacts_address": "Where contacts serves gRPC.",
    "conversations_address": "Where conversations serves gRPC.",
    "dispatch_address": "Where dispatch serves gRPC.",
}


class Undocumented(Exception):
    """Names the fields that say nothing of what they mean."""


def meanings(kind: type[Any]) -> dict[str, str]:
    """Return the text below each field of a class that has one."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    found = {}
    for line, after in itertools.pairwise(body):
        match line, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                found[name] = " ".join(text.split())
    return found


def rows(kind: type[Any]) -> Iterator[str]:
    """Yield the table of one process; Undocumented when a field has no meaning."""
    said = {**COMMON, **meanings(kind)}
    types = types_of(kind)
    if silent := [field.name for field in fields(kind) if field.name not in said]:
        raise Undocumented(f"{kind.__module__}: {', '.join(silent)}")
    yield "| variable | meaning | allowed | default |"
    yield "| --- | --- | --- | --- |"
    for field in fields(kind):
        allowed = _allowed(*types[field.name])
        meaning = said[field.name].replace("|", "\\|")
        yield f"| `{field.name.upper()}` | {meaning} | {allowed} | {_default(field)} |"


def _allowed(base: Any, rule: Any) -> str:
    kinds = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    kinds |= {timedelta: "seconds", Path: "path", tuple[str, ...]: "list with commas"}
    if rule is None:
        return kinds[base]
    return str(rule) if base is str else f"{kinds[base]} {rule}"


def _default(field: Field[Any]) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "**must be set**"
    match field.default:
        case timedelta() as time:
            return f"{time.total_seconds():.15g}"
        case bool() as flag:
            return str(flag).lower()
        case () | "":
            return ""
        case other:
            return f"`{other}`"


def page() -> str:
    """Return what settings.md must be."""
    parts = [HEAD]
    for name, module in PROCESSES.items():
        parts += [f"\n## {name}\n\n", "\n".join(rows(import_module(module).Settings)), "\n"]
    return "".join(parts)


def main(*, check: bool) -> str:
    """Return what is wrong, or nothing."""
    try:
        wanted = page()
    except Undocumented as silent:
        return f"Say below each field what it means: {silent}"
    if not check:
        PAGE.write_text(wanted)
    elif not PAGE.exists() or PAGE.read_text() != wanted:
        return f"{PAGE} is not what the settings say. Run: make docs"
    return ""


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]) or None)
