"""One chat is one trace: from the webhook to the card that an agent sees, over every process."""

import asyncio
from pathlib import Path

import grpc
import pytest

from tests.collector import Collector, collecting
from tests.distributed import distributed
from tests.e2e.people import Edge, desk, until

pytestmark = pytest.mark.timeout(120)

HOOK = "POST /channels/{tenant_id}/{channel_account_id}/messages"
PUSH = "workspace push"
OFFERED = "cc.{tenant_id}.dispatch.v1.task.offered.{channel} process"
ON_THE_WAY = {"ingestion", "conversations", "contacts", "dispatch", "workspace"}
TEXT = "canary of the trace"


async def test_a_chat_is_one_trace_from_the_webhook_to_the_push(tmp_path: Path) -> None:
    async with collecting() as (collector, endpoint):
        telemetry = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        installation = distributed(tmp_path, telemetry)
        address = await asyncio.to_thread(installation.__enter__)
        try:
            await _chat(address)
            await until(lambda: _whole(collector), within=30)
        finally:
            await asyncio.to_thread(installation.__exit__, None, None, None)
    assert TEXT not in str(collector.received)
    assert not [one for one in collector.spans if "jwks" in one.name or "health" in one.name]


async def _chat(address: str) -> None:
    async with (
        grpc.aio.insecure_channel(address) as channel,
        desk(Edge(address, channel)) as it,
        it.agents[0].at_work() as ana,
    ):
        await it.customer.write(TEXT)
        await ana.offer()


def _whole(collector: Collector) -> bool:
    """Tell whether all services have told of the webhook's trace, and nothing hangs in the air.

    Each span but the first continues another of them, so the push comes from the webhook.
    """
    hooks = [span.trace_id for _, span in collector.told if span.name == HOOK]
    for trace_id in hooks:
        told = [(service, span) for service, span in collector.told if span.trace_id == trace_id]
        services, spans = {service for service, _ in told}, {it.span_id: it for _, it in told}
        names = {span.name for span in spans.values()}
        roots = [span.name for span in spans.values() if span.parent_span_id not in spans]
        if services >= ON_THE_WAY and {PUSH, OFFERED} <= names and roots == [HOOK]:
            return True
    return False
