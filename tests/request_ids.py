"""Every method that takes a request_id, and requests that differ in one field."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import grpc
from centralita.directory.v1.resources_pb2 import TASK_CHANNEL_CALL, TASK_CHANNEL_CHAT, SkillNeed
from centralita.dispatch.v1.events_pb2 import QUEUE_MODE_OPEN, QUEUE_MODE_PAUSED
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from services.kernel.answers import reason_of
from tests.upstreams import methods

REUSED = "ALREADY_EXISTS REQUEST_ID_REUSED"
INSTEAD: Mapping[str, tuple[Any, Any]] = {
    "text": ("hello", "good-bye"),
    "last_seen_arrival": (1, 0),
    "mode": (QUEUE_MODE_OPEN, QUEUE_MODE_PAUSED),
    "exclude_agent": (False, True),
    "task_ids": (["t-1"], ["t-1", "t-2"]),
    "group_id": ("", ""),  # a task is for a queue, or for a group
    "channel": (TASK_CHANNEL_CALL, TASK_CHANNEL_CHAT),
    "skills": ([SkillNeed(skill_id="es", level=1)], []),
    "priority": (1, 2),
    "version": (1, 2),
}
"""What a field says, and then says instead. All others name something that nobody knows."""

Call = Callable[[str, Any], Awaitable[Any]]
"""Send a request to a method of a service."""


def _where(kind: Descriptor, *before: str) -> Iterator[tuple[str, ...]]:
    """Yield in which part of a request there is a request_id: the names of fields down to it."""
    for each in kind.fields:
        if each.name == "request_id":
            yield before
        elif each.message_type is not None and each.message_type.file.package == kind.file.package:
            yield from _where(each.message_type, *before, each.name)


TAKING_AN_ID = {
    path: where for path, method in methods().items() for where in _where(method.input_type)
}


def taking_an_id(service: str) -> list[str]:
    """Return the paths of a service's methods that take a request_id."""
    return [path for path in TAKING_AN_ID if path.startswith(f"/centralita.{service}.")]


def _request(path: str, within: Mapping[str, str], request_id: str, instead: str) -> Any:
    """Make a request of which perhaps one field says something else."""
    request: Any = GetMessageClass(methods()[path].input_type)()
    part = request
    _fill(part, within, instead)
    for name in TAKING_AN_ID[path]:
        part = getattr(part, name)
        _fill(part, within, instead)
    part.request_id = request_id
    return request


def _fill(part: Any, within: Mapping[str, str], instead: str) -> None:
    for each in part.DESCRIPTOR.fields:
        name = each.name
        usual = (f"{name}-1", f"{name}-2")
        value = within.get(name) or INSTEAD.get(name, usual)[name == instead]
        if each.is_repeated:
            getattr(part, name).extend(value)
        elif each.message_type is None:
            setattr(part, name, value)


def fields(path: str) -> list[str]:
    """Return the names of all that a request says, also within the part that has its id."""
    part: Any = GetMessageClass(methods()[path].input_type)()
    names = list(part.DESCRIPTOR.fields_by_name)
    for name in TAKING_AN_ID[path]:
        part = getattr(part, name)
        names += part.DESCRIPTOR.fields_by_name
    return names


async def taken_for_the_first(call: Call, path: str, **within: str) -> dict[str, list[str]]:
    """Ask twice under one id, differing in one field after the other, and the first time again.

    Returns how that was answered wherever the second was not refused, or the first not answered
    alike. An id belongs to what is named in `within`.
    """
    wrong, compared = {}, 0
    for number, name in enumerate(fields(path)):
        request_id = f"r-{number}"
        first = _request(path, within, request_id, "")
        other = _request(path, within, request_id, name)
        if first == other or name == "request_id":
            continue
        compared += 1
        told = [await _told(call, path, one) for one in (first, other, first)]
        if told != [told[0], REUSED, told[0]] or told[0] == REUSED:
            wrong[name] = told
    assert compared
    return wrong


async def _told(call: Call, path: str, request: Any) -> str:
    try:
        await call(path.rpartition("/")[2], request)
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {reason_of(error)}"
    return "done"
