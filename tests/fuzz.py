"""Send a method all that is hostile, and hear how it fails: it may refuse, and nothing else."""

import asyncio
from random import Random

import grpc
from centralita.options.v1.options_pb2 import access
from google.protobuf.descriptor import MethodDescriptor

from services.kernel.answers import reason_of
from tests.hostile import Known, junk, mutants
from tests.upstreams import WATCH, methods

SEED = 9
AT_ONCE = 32
FAILURES = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE"}
COSTLY = {"SignIn": 10, "PutUser": 10, "ExplainTask": 3, "Simulate": 2, "Compare": 2}
"""Methods that keep a core busy for each request that is good, and how many of these are sent."""


CALLERS = ("ingestion", "conversations")
"""Services of which an installation gives a test a token."""


def of_other_services(package: str) -> list[tuple[str, str]]:
    """Methods that only services may call of which no token is to be had, each with one of them."""
    found = []
    for path, method in methods().items():
        rule = method.GetOptions().Extensions[access]
        if rule.services and not (rule.least_role or {*CALLERS} & {*rule.services}):
            found.append((path, rule.services[0]))
    return [one for one in found if one[0].split(".")[1] == package]


async def failure(
    channel: grpc.aio.Channel, path: str, raw: bytes, metadata: tuple[tuple[str, str], ...]
) -> str:
    """Return how a call failed; empty for an answer, and for a refusal that gives its reason."""
    streaming: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
    calling: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    try:
        if path == WATCH:
            async for _ in streaming(raw, metadata=metadata, timeout=20):
                break
        else:
            await calling(raw, metadata=metadata, timeout=60)
    except grpc.aio.AioRpcError as error:
        code = error.code().name
        if code in FAILURES or not reason_of(error):
            return f"{path} {code} {error.details()} for {raw[:200]!r}"
    return ""


async def tried(  # noqa: PLR0913, PLR0917 - whom, what, as whom and how much
    channel: grpc.aio.Channel,
    path: str,
    method: MethodDescriptor,
    known: Known,
    metadata: tuple[tuple[str, str], ...] = (),
    most: int = 1_000,
) -> tuple[int, list[str]]:
    """Send a method all that is hostile, or so much of it; return how much, and what failed."""
    chance = Random(f"{SEED}{path}")
    most = min(most, COSTLY.get(method.name, most))
    messages = [it.SerializeToString() for it in mutants(method.input_type, known)]
    sent = chance.sample(messages, min(most, len(messages)))
    sent += junk(method.input_type, known, chance)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(raw: bytes) -> str:
        async with turns:
            return await failure(channel, path, raw, metadata)

    return len(sent), [it for it in await asyncio.gather(*map(one, sent)) if it]
