"""The client of the bus, which reads on whatever strangers put into a subject or a header.

The server stores subjects and headers as bytes and judges them by nothing but their dots. The
library expects text: one message that is none ended its read loop, and with it the connection, for
as long as the message waited.
"""

import re

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol import parser

from .unreadable import passed_over

# The server ends a word at a space or a tab. The library also did so at what else counts as white
# space in ASCII, which may stand in a subject.
_WORDS = rb"[ \t]+([^ \t\n]+)[ \t]+([^ \t\n]+)[ \t]+(([^ \t\n]+)[ \t]+)?"
_MSG = re.compile(rb"\AMSG" + _WORDS + rb"(\d+)\r\n")
_HMSG = re.compile(rb"\AHMSG" + _WORDS + rb"(\d+)[ \t]+(\d+)\r\n")


class TolerantClient(Client):
    """Hands every message on.

    What is not UTF-8 in a subject stands there escaped, so it is nobody's subject and can be logged
    and stored. A header block that is none is no headers.
    """

    def __init__(self) -> None:
        super().__init__()
        parser.MSG_RE, parser.HMSG_RE = _MSG, _HMSG

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except (IndexError, UnicodeError) as flaw:
            passed_over("headers", type(flaw).__name__)
            return None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        return self.msg_class(
            subject=subject.decode(errors="backslashreplace"),
            reply=reply.decode(errors="backslashreplace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )
