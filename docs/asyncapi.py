"""Write docs/asyncapi.yaml from the protos; with --check, fail when it is not what they say.

Payloads are described in their JSON form (proto3 JSON mapping,
https://protobuf.dev/programming-guides/json/), which connectors may send and tools can check; on
the bus they are protobuf unless the content type says otherwise.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from centralita.options.v1.options_pb2 import event as event_option
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/asyncapi.yaml"
DESCRIPTORS = ROOT / "proto/gen/centralita.binpb"
SUBMITTED = "MessageSubmitted"  # the one event that is for others to send

Schema = dict[str, Any]

_MESSAGES, _ENUMS, _NESTED, _NESTED_ENUMS, _FIELDS = 4, 5, 3, 4, 2  # of descriptor.proto
_WHOLE_NUMBERS = {
    FieldDescriptorProto.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptorProto.TYPE_UINT32: (0, 2**32 - 1),
}
_SIMPLE: Mapping[int, Schema] = {
    FieldDescriptorProto.TYPE_STRING: {"type": "string"},
    FieldDescriptorProto.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptorProto.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptorProto.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    # Of 64 bits, so that JavaScript does not round them.
    FieldDescriptorProto.TYPE_INT64: {"type": "string", "pattern": "^-?[0-9]+$"},
    FieldDescriptorProto.TYPE_UINT64: {"type": "string", "pattern": "^[0-9]+$"},
} | {
    kind: {"type": "integer", "minimum": least, "maximum": most}
    for kind, (least, most) in _WHOLE_NUMBERS.items()
}
_KNOWN: Mapping[str, Schema] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
}


_HEADERS: Schema = {
    "type": "object",
    "description": "CloudEvents in binary mode, NATS binding.",
    "properties": {
        "ce-specversion": {"const": "1.0"},
        "ce-id": {"type": "string", "description": "The same event again has the same id."},
        "ce-type": {"type": "string", "description": "Full name of the message."},
        "ce-source": {"type": "string"},
        "ce-time": {"type": "string", "format": "date-time"},
        "content-type": {"enum": ["application/protobuf", "application/json"]},
        "Nats-Msg-Id": {"type": "string", "description": "Equals ce-id."},
        "traceparent": {"type": "string"},
    },
}


class Contract:
    """All messages and enums of the protos by full name, with the comments above them."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self.messages: dict[str, DescriptorProto] = {}
        self.enums: dict[str, EnumDescriptorProto] = {}
        self.comments: dict[str, str] = {}
        self.events: list[str] = []
        for file in sorted(files.file, key=lambda it: it.name):
            if file.package.startswith("centralita."):
                self._read(file)

    def schema(self, name: str) -> Schema:
        """Describe a message; those inside it are referred to."""
        message = self.messages[name]
        properties = {
            field.json_name: self._field(f"{name}.{field.name}", field) for field in message.field
        }
        return self._told(name, {"type": "object", "properties": properties}) | {
            "additionalProperties": False
        }

    def inside(self, name: str) -> Iterator[str]:
        """Yield the messages that a message is made of, itself first."""
        yield name
        for field in self.messages[name].field:
            if field.type_name in self.messages:
                yield from self.inside(field.type_name)

    def _field(self, name: str, field: FieldDescriptorProto) -> Schema:
        one = self._value(field)
        repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        return self._told(name, {"type": "array", "items": one} if repeated else one)

    def _value(self, field: FieldDescriptorProto) -> Schema:
        if field.type == FieldDescriptorProto.TYPE_ENUM:
            return {"type": "string", "enum": [it.name for it in self.enums[field.type_name].value]}
        if field.type == FieldDescriptorProto.TYPE_MESSAGE:
            known = _KNOWN.get(field.type_name)
            return (
                dict(known) if known else {"$ref": f"#/components/schemas/{short(field.type_name)}"}
            )
        return dict(_SIMPLE[field.type])

    def _told(self, name: str, schema: Schema) -> Schema:
        comment = self.comments.get(name)
        return {"description": comment, **schema} if comment and "$ref" not in schema else schema

    def _read(self, file: FileDescriptorProto) -> None:
        above = {
            tuple(it.path): " ".join(it.leading_comments.split())
            for it in file.source_code_info.location
        }
        for number, enum in enumerate(file.enum_type):
            self._add_enum(f".{file.package}", enum, above, (_ENUMS, number))
        for number, message in enumerate(file.message_type):
            self._add(f".{file.package}", message, above, (_MESSAGES, number))
            if message.options.HasExtension(event_option):
                self.events.append(f".{file.package}.{message.name}")

    def _add(
        self,
        outer: str,
        message: DescriptorProto,
        above: Mapping[tuple[int, ...], str],
        path: tuple[int, ...],
    ) -> None:
        name = f"{outer}.{message.name}"
        self.messages[name] = message
        self.comments[name] = above.get(path, "")
        for number, field in enumerate(message.field):
            self.comments[f"{name}.{field.name}"] = above.get((*path, _FIELDS, number), "")
        for number, enum in enumerate(message.enum_type):
            self._add_enum(name, enum, above, (*path, _NESTED_ENUMS, number))
        for number, nested in enumerate(message.nested_type):
            self._add(name, nested, above, (*path, _NESTED, number))

    def _add_enum(
        self,
        outer: str,
        enum: EnumDescriptorProto,
        above: Mapping[tuple[int, ...], str],
        path: tuple[int, ...],
    ) -> None:
        name = f"{outer}.{enum.name}"
        self.enums[name] = enum
        self.comments[name] = above.get(path, "")


def short(name: str) -> str:
    """Return the key of a message's schema: its full name without the common beginning."""
    return name.removeprefix(".centralita.").replace(".v1.", ".")


def document(contract: Contract) -> dict[str, Any]:
    """Return the whole description, AsyncAPI 3.0."""
    used = {inner for event in contract.events for inner in contract.inside(event)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Centralita's events",
            "version": "1.0.0",
            "description": "Generated from the protos by docs/asyncapi.py; do not edit.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/protobuf",
        "channels": {short(it): _channel(contract, it) for it in contract.events},
        "operations": {f"{_verb(it)}.{short(it)}": _operation(it) for it in contract.events},
        "components": {
            "schemas": {"Headers": _HEADERS}
            | {short(it): contract.schema(it) for it in sorted(used)}
        },
    }


def _channel(contract: Contract, name: str) -> dict[str, Any]:
    event = contract.messages[name]
    address = event.options.Extensions[event_option].subject
    fields = [token[1:-1] for token in address.split(".") if token.startswith("{")]
    return {
        "address": address,
        "description": contract.comments[name],
        "parameters": {
            field: {
                "description": contract.comments[f"{name}.{field}"] or f"`{field}` of the message."
            }
            for field in dict.fromkeys(fields)
        },
        "messages": {
            event.name: {
                "name": event.name,
                "headers": {"$ref": "#/components/schemas/Headers"},
                "payload": {"$ref": f"#/components/schemas/{short(name)}"},
            }
        },
        "tags": [{"name": event.options.Extensions[event_option].owner}],
    }


def _operation(name: str) -> dict[str, Any]:
    return {
        "action": _verb(name),
        "channel": {"$ref": f"#/channels/{short(name)}"},
    }


def _verb(name: str) -> str:
    return "receive" if name.endswith(f".{SUBMITTED}") else "send"


class _Indented(yaml.SafeDumper):
    """Sets lists off from their key, as our other YAML does, and repeats instead of anchoring."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the library's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        return True


def page() -> str:
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    found = document(Contract(files))
    return yaml.dump(found, Dumper=_Indented, sort_keys=False, width=96)


def main() -> None:
    if "--check" not in sys.argv:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        raise SystemExit("docs/asyncapi.yaml is not what the protos say: run docs/asyncapi.py")


if __name__ == "__main__":
    main()
