"""Whoever speaks the protocol of NATS without a library, and sends what no client of ours would."""

import socket
from collections.abc import Iterable

HELLO = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'


def publish(url: str, frames: Iterable[bytes]) -> None:
    """Send frames and wait until the server has read them."""
    host, _, port = url.removeprefix("nats://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as stranger:
        stranger.sendall(HELLO + b"".join(frames) + b"PING\r\n")
        heard = b""
        while b"PONG" not in heard:
            heard += stranger.recv(4096)
            assert b"-ERR" not in heard, heard


def pub(subject: bytes, payload: bytes = b"x", headers: bytes | None = None) -> bytes:
    """Make one frame; `headers` is a whole header block, or what shall pass for one."""
    if headers is None:
        return b"PUB %s %d\r\n%s\r\n" % (subject, len(payload), payload)
    sizes = len(headers), len(headers) + len(payload)
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (subject, *sizes, headers, payload)


SUBJECTS = (
    b"cc.\xff\xfe.%s",
    b"cc.\x85.%s",
    b"cc.a\x0bb.%s",
    b"cc.a\x0cb.%s",
    b"cc.a\rb.%s",
    b"cc.a\x00b.%s",
    b"cc.a\x1cb.%s",
    b"cc.\xe2\x80\x8b.%s",
    b"cc.*.%s",
    b"cc.$JS.%s",
    b"cc." + b"a" * 3900 + b".%s",
)
"""Subjects that name no tenant; %s stands for the rest."""

HEADERS = (
    b"",
    b"abcd",
    b"\xff" * 30,
    b"NATS/1.0",
    b"NATS/1.0\r\n",
    b"NATS/1.0 ",
    b"NATS/1.0 1\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"NATS/1.0 100 Idle Heartbeat\r\nx\r\n\r\n",
    b"NATS/1.0 \xff\xff\xff \xff\r\n\r\n",
    b"NATS/1.0 409 \xff\r\nA: b\r\n\r\n",
    b"NATS/1.0\r\nno colon\r\n\r\n",
    b"NATS/1.0\r\n: no name\r\n\r\n",
    b"NATS/1.0\r\nA B: c\r\n\r\n",
    b"NATS/1.0\r\n\xff: \xfe\r\n\r\n",
    b"NATS/1.0\r\ncontent-type: \xff\xfe\r\n\r\n",
    b"NATS/1.0\r\ncontent-type: application/json\xff\r\n\r\n",
    b"NATS/1.0\r\nA: b\r\n Dead-Subject: cc.planted.contacts.v1.contact.changed\r\n\r\n",
    b"NATS/1.0\r\nNats-Marker-Reason: \xff\r\ntraceparent: 00-\xff-\xff-01\r\n\r\n",
    b"NATS/1.0\r\nce-time: 0001-01-01T00:00:00+23:59\r\ntracestate: =,=,\x00\r\n\r\n",
    b"NATS/1.0\r\nA: " + b"b" * 65_400 + b"\r\n\r\n",
    b"NATS/1.0\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(6_000)) + b"\r\n",
    b"NATS/1.0\r\nNats-Msg-Id: " + b"b" * 65_400 + b"\r\n\r\n",
    b"NATS/1.0\r\nA: " + b"\xc3\xa9" * 32_700 + b"\r\n\r\n",
)
"""Header blocks that are none, say what no header of ours says, or are as large as may be."""
