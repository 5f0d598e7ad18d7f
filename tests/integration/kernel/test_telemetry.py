"""Spans and metrics leave when there is somewhere to send them, with names and without words."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.collector import Collector, collecting

ROOT = Path(__file__).parents[3]
METHOD = "centralita.contacts.v1.ContactsService/ResolveContact"

PROGRAM = """
import asyncio
from centralita.contacts.v1.contacts_service_pb2 import ResolveContactRequest
from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceStub
from services.kernel.channels import channel
from services.kernel.telemetry import log_as, telemetry
from tests.servicers import ISSUER, served

class Token:
    async def get(self):
        return ISSUER.service("conversations")
    def forget(self, token):
        pass

async def main():
    log_as("probe")
    async with telemetry("probe"), served() as it, channel(it.address, token=Token()) as opened:
        request = ResolveContactRequest(tenant_id="acme", display_name="canary")
        await ContactsServiceStub(opened).ResolveContact(request)

asyncio.run(main())
"""


async def collected(tmp_path: Path) -> Collector:
    """Run the program against a collector of its own; return what was collected."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    async with collecting() as (collector, endpoint):
        it = await asyncio.create_subprocess_exec(
            sys.executable,
            str(program),
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{ROOT / 'proto' / 'gen'}",
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            },
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(it.communicate(), 40)
        assert it.returncode == 0, errors.decode()
    return collector


@pytest.fixture
async def collector(tmp_path: Path) -> Collector:
    return await collected(tmp_path)


async def test_a_call_is_one_trace_on_both_sides_with_its_duration(collector: Collector) -> None:
    spans = [span for span in collector.spans if span.name == METHOD]
    client, server = sorted(spans, key=lambda span: int(span.kind), reverse=True)
    assert (client.kind, server.kind) == (3, 2)
    assert server.trace_id == client.trace_id
    assert server.parent_span_id == client.span_id
    for name in ("rpc.server.call.duration", "rpc.client.call.duration"):
        (point,) = collector.metrics[name].histogram.data_points
        told = {it.key: it.value.string_value for it in point.attributes}
        assert told == {"rpc.method": METHOD, "rpc.response.status_code": "OK"}
        assert point.explicit_bounds[0] == 0.0005
    assert "canary" not in str(collector.received)
