"""Spans of time as the protos have them, and back."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration


def duration(span: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(span)
    return message


def timedelta_of(message: Duration) -> timedelta:
    """Return the span in whole milliseconds; absurd ones become merely too long or too short."""
    seconds = max(-1, min(message.seconds, 10_000_000))
    return timedelta(seconds=seconds, milliseconds=message.nanos // 1_000_000)
