"""Write docs/events.md from the protos; with --check, fail when it is not what they say."""

import importlib
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from centralita.options.v1.options_pb2 import event as event_option
from google.protobuf.descriptor import Descriptor

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/events.md"
STREAMS = ROOT / "deploy/nats/streams.toml"
HEAD = """# Events

Generated from the protos by `docs/events.py`; do not edit. Payload: the message, as protobuf (or
proto3 JSON with the content type `application/json`). Headers: CloudEvents in binary mode (`ce-id`,
`ce-type`, `ce-source`, `ce-time`), `Nats-Msg-Id`, and `traceparent`. A *state* event is the whole
present state of its key; its stream keeps the last of each.

| event | owner | subject | stream | state | meaning |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    return HEAD + "".join(map(_row, _events()))


def _events() -> Iterator[Descriptor]:
    for path in sorted((ROOT / "proto/centralita").glob("*/v1/events.proto")):
        module = importlib.import_module(f"centralita.{path.parts[-3]}.v1.events_pb2")
        for message in module.DESCRIPTOR.message_types_by_name.values():
            if message.GetOptions().HasExtension(event_option):
                yield message


def _row(event: Descriptor) -> str:
    options = event.GetOptions().Extensions[event_option]
    meaning = _comment(event)
    state = "yes" if options.state else ""
    stream = _stream(options.subject)
    source = f"../proto/{event.file.name}"
    return (
        f"| [{event.name}]({source}) | {options.owner} | `{options.subject}` | {stream} | {state} "
        f"| {meaning} |\n"
    )


def _stream(subject: str) -> str:
    streams = tomllib.loads(STREAMS.read_text())["streams"]
    concrete = "".join("x" if char in "{}" else char for char in subject)
    for name, stream in streams.items():
        patterns = (one.replace("*", "?*").replace(">", "*") for one in stream.get("subjects", ()))
        if any(fnmatchcase(concrete, pattern) for pattern in patterns):
            return str(name)
    raise LookupError(f"no stream takes {subject}")


def _comment(event: Descriptor) -> str:
    """Return the first sentence above the message; descriptors at run time have no comments."""
    lines = (ROOT / "proto" / event.file.name).read_text().splitlines()
    end = lines.index(f"message {event.name} {{")
    start = end
    while lines[start - 1].startswith("//"):
        start -= 1
    text = " ".join(line.removeprefix("//").strip() for line in lines[start:end])
    return text.split(". ")[0].rstrip(".") + "."


def main() -> None:
    if "--check" not in sys.argv:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        raise SystemExit("docs/events.md is not what the protos say: run docs/events.py")


if __name__ == "__main__":
    main()
