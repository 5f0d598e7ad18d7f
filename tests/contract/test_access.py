"""Who may call what is written in the protos, for every method, and no request names its tenant."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from centralita.options.v1.options_pb2 import AccessOptions, Role
from centralita.options.v1.options_pb2 import access as access_option
from google.api.annotations_pb2 import (  # type: ignore[import-untyped, unused-ignore]  # no stubs
    http as http_option,
)
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor

from services.kernel.identity import role_name
from tests.roles import ADMINISTRATOR, ANYONE, MAY_CALL, ROLES, Who

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "proto" / "gen"

NAMES_ITS_TENANT = {
    "centralita.directory.v1.SessionService.SignIn",  # there is no token yet
    "centralita.ingestion.v1.IngestionService.Publish",  # signed with the account's secret
}
"""Methods open to anyone whose request says which tenant it is about, and proves it otherwise."""


def _files() -> Iterator[FileDescriptor]:
    for path in sorted(GENERATED.glob("centralita/**/*_pb2.py")):
        module = ".".join(path.relative_to(GENERATED).with_suffix("").parts)
        yield importlib.import_module(module).DESCRIPTOR


METHODS: list[MethodDescriptor] = [
    method
    for file in _files()
    for service in file.services_by_name.values()
    for method in service.methods
]

every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)


def _fields_within(message: Descriptor, seen: set[str]) -> Iterator[str]:
    """Yield the names of all fields that a request can carry, at any depth."""
    seen.add(message.full_name)
    for field in message.fields:
        yield field.name
        inner = field.message_type
        if inner is not None and inner.full_name not in seen:
            yield from _fields_within(inner, seen)


def test_there_are_methods_to_check() -> None:
    assert len(METHODS) > 30


def test_a_method_is_open_to_whom_the_table_names() -> None:
    """And every method has its row: tests/roles.py is written by hand."""
    assert {_path(method): _granted(method) for method in METHODS} == MAY_CALL


def test_a_method_that_is_opened_by_its_option_alone_is_noticed() -> None:
    (put_user,) = (method for method in METHODS if method.name == "PutUser")
    assert MAY_CALL[_path(put_user)] == ADMINISTRATOR
    assert _may(AccessOptions(least_role=Role.ROLE_AGENT)) != MAY_CALL[_path(put_user)]


#: Callers that are no service of ours, or not yet: who runs the installation, and calls (voice).
OUTSIDE = {"operations", "voice"}


def test_a_service_may_call_what_its_code_calls_and_nothing_else() -> None:
    """A grant that nobody uses is only ever used by somebody who has stolen a secret."""
    granted = {
        (service, path.rpartition("/")[2])
        for path, may in MAY_CALL.items()
        if isinstance(may, set)
        for service in may - set(ROLES) - OUTSIDE
    }
    called = {
        (folder.name, method)
        for folder in (ROOT / "services").iterdir()
        for source in folder.glob("adapters/*.py")
        for method in re.findall(r"\._?\w+\.([A-Z]\w+)\(", source.read_text())
        if method in {path.rpartition("/")[2] for path in MAY_CALL}
    }
    assert granted == called


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _granted(method: MethodDescriptor) -> Who:
    return _may(method.GetOptions().Extensions[access_option])


def _may(rule: AccessOptions) -> Who:
    if rule.anyone:
        return ANYONE
    role = role_name(rule.least_role) if rule.least_role else ""
    return {*rule.services} | ({role} if role else set()) if rule.services else role


@every_method
def test_a_method_says_who_may_call_it(method: MethodDescriptor) -> None:
    assert method.GetOptions().HasExtension(access_option)
    rule = method.GetOptions().Extensions[access_option]
    opens = [rule.anyone, bool(rule.least_role), bool(rule.services)]
    assert any(opens), "a rule that opens to nobody"
    assert not rule.anyone or opens == [True, False, False], "anyone is everyone already"


@every_method
def test_a_tenant_comes_from_the_token_and_not_from_the_request(method: MethodDescriptor) -> None:
    rule = method.GetOptions().Extensions[access_option]
    for_services_only = bool(rule.services) and not rule.least_role
    if not for_services_only and method.full_name not in NAMES_ITS_TENANT:
        assert "tenant_id" not in set(_fields_within(method.input_type, set()))


@every_method
def test_what_is_for_services_is_not_at_the_edge(method: MethodDescriptor) -> None:
    rule = method.GetOptions().Extensions[access_option]
    if rule.services and not rule.least_role:
        assert not method.GetOptions().HasExtension(http_option)


@every_method
def test_no_method_streams_requests(method: MethodDescriptor) -> None:
    """The kernel does not serve such a method: nothing would bound it."""
    assert not method.client_streaming


def test_the_exceptions_exist_and_are_open_to_anyone() -> None:
    rules = {m.full_name: m.GetOptions().Extensions[access_option] for m in METHODS}
    assert set(rules) >= NAMES_ITS_TENANT
    assert all(rules[name].anyone for name in NAMES_ITS_TENANT)
