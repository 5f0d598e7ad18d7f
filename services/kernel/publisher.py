"""Publish with a durable ack, again after each reconnect, until the answer or the time is out."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import BadHeaderError, BadSubjectError, Error, MaxPayloadError
from nats.js.errors import APIError

from .causes import cause_of
from .jetstream import RESEND_S
from .wire import Outgoing

AGAIN = 0.1  # seconds between tries while JetStream itself is not up
LOOKS = 2
"""How often in `RESEND_S` is looked for what is unanswered."""
_WRONG_LAST_SEQUENCE = (10070, 10071, 10164)
"""JetStream's codes for an expectation that did not hold (server/errors.json)."""


NEVER = (MaxPayloadError, BadSubjectError, BadHeaderError)
"""What the client says of a message that no server would take."""


class BusUnavailable(Exception):
    """No answer from the bus. Whether the message was stored is unknown: repeat it as it is."""


class Overtaken(Exception):
    """The subject's last message is another one than was expected; nothing was stored."""


def overtaken(refused: APIError) -> bool:
    """Say whether a message was refused because its expectation did not hold."""
    return refused.err_code in _WRONG_LAST_SEQUENCE


@dataclass(slots=True)
class _Unanswered:
    message: Outgoing
    answer: asyncio.Future[Mapping[str, Any] | None]  # None: nobody listens, JetStream is not up
    patience: int = LOOKS
    """Looks without an answer after which it is sent again."""
    looks: int = 0


class Publisher:
    """Publishes of one connection that wait for their acks.

    The client's own `js.publish` waits its whole time-out for an ack that died with the
    connection, or with a stream's leader. Here what is unanswered is sent again on a reconnect and
    every few seconds; Nats-Msg-Id makes one message of it. While it reconnects the client keeps at
    most 2 MiB; beyond that a publish fails at once with BusUnavailable.
    """

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._inbox = nc.new_inbox()
        self._numbers = count(1)
        self._unanswered: dict[str, _Unanswered] = {}

    async def open(self) -> None:
        await self._nc.subscribe(f"{self._inbox}.*", cb=self._answered)

    async def publish(self, message: Outgoing, limit: float) -> Mapping[str, Any]:
        """Return the ack; raise BusUnavailable, APIError, or one of NEVER."""
        try:
            async with asyncio.timeout(limit):
                answer = await self._until_answered(message)
        except TimeoutError as silence:
            raise BusUnavailable("There was no ack in time.") from silence
        except NEVER:
            raise
        except (Error, OSError) as broken:
            raise BusUnavailable(cause_of(broken)) from broken
        if error := answer.get("error"):
            if error.get("code") == 503:  # noqa: PLR2004 - as in HTTP
                raise BusUnavailable(error.get("description", ""))
            APIError.from_error(error)  # raises the class for its code
        return answer

    async def resend(self) -> None:
        """Send again what is unanswered: what was under way may be lost, or its ack."""
        with suppress(Error, OSError):
            for reply, waiting in tuple(self._unanswered.items()):
                await self._send(waiting.message, reply)

    async def resend_late(self) -> None:
        """Send again, for ever, what stays unanswered: after a second, two more, four more."""
        while True:
            await asyncio.sleep(RESEND_S / LOOKS)
            for reply, waiting in tuple(self._unanswered.items()):
                waiting.looks += 1
                if waiting.looks > waiting.patience:
                    waiting.looks, waiting.patience = 0, 2 * waiting.patience
                    with suppress(Error, OSError):
                        await self._send(waiting.message, reply)

    async def _until_answered(self, message: Outgoing) -> Mapping[str, Any]:
        while True:
            reply = f"{self._inbox}.{next(self._numbers)}"
            waiting = _Unanswered(message, asyncio.get_running_loop().create_future())
            self._unanswered[reply] = waiting
            try:
                await self._send(message, reply)
                answer = await waiting.answer
            finally:
                del self._unanswered[reply]
            if answer is not None:
                return answer
            await asyncio.sleep(AGAIN)

    async def _send(self, message: Outgoing, reply: str) -> None:
        # The client counts the payload alone, and the server hangs up on what is too large.
        if len(message.payload) + message.header_bytes > self._nc.max_payload:
            raise MaxPayloadError
        await self._nc.publish(
            message.subject, message.payload, reply, headers=dict(message.headers)
        )

    async def _answered(self, message: Msg) -> None:
        waiting = self._unanswered.get(message.subject)
        if waiting is None or waiting.answer.done():
            return
        nobody = (message.headers or {}).get("Status") == "503"
        waiting.answer.set_result(None if nobody else json.loads(message.data))
