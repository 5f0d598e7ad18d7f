"""What docs/asyncapi.yaml says of an event is true of the JSON that the event is written as."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from google.protobuf import symbol_database
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tests.contract.test_events import EVENTS, subject_of

PAGE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "docs/asyncapi.yaml").read_text()
)
DEEPEST = 4


def schema_of(full_name: str) -> dict[str, Any]:
    key = full_name.removeprefix("centralita.").replace(".v1.", ".")
    return {"$ref": f"#/components/schemas/{key}", "components": PAGE["components"]}


def filled(message: Message, depth: int = 0) -> Message:
    """Set every field to something; of a oneof, the last field stays."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            if depth == DEEPEST:
                continue
            value = getattr(message, field.name)
            filled(value.add() if field.is_repeated else value, depth + 1)
            if not field.is_repeated:
                getattr(message, field.name).SetInParent()
            continue
        value = {
            FieldDescriptor.TYPE_STRING: "x",
            FieldDescriptor.TYPE_BYTES: b"\xff",
            FieldDescriptor.TYPE_BOOL: True,
        }.get(field.type, 1)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


def made(full_name: str) -> Message:
    descriptor = next(it for it in EVENTS if it.full_name == full_name)
    import_module(descriptor.file.name.replace("/", ".").replace(".proto", "_pb2"))
    kind = symbol_database.Default().GetSymbol(full_name)
    message = kind()
    assert isinstance(message, Message)
    return message


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


@pytest.mark.parametrize("name", [it.full_name for it in EVENTS])
def test_an_event_with_everything_in_it_fits_its_schema(name: str) -> None:
    jsonschema.validate(MessageToDict(filled(made(name))), schema_of(name))
    jsonschema.validate(MessageToDict(made(name)), schema_of(name))


@pytest.mark.parametrize("name", [it.full_name for it in EVENTS])
def test_what_is_no_field_of_an_event_does_not_fit(name: str) -> None:
    for strange in ({"notAField": 1}, {"tenantId": 7}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(strange, schema_of(name))


def test_every_event_has_its_channel_and_every_reference_leads_somewhere() -> None:
    addresses = sorted(it["address"] for it in PAGE["channels"].values())
    assert addresses == sorted(map(subject_of, EVENTS))
    for reference in references(PAGE):
        node = PAGE
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
