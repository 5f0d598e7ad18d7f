"""Time as the store keeps it."""

from datetime import UTC

from services.kernel.clock import utc_now


def test_now_is_aware_and_in_whole_milliseconds() -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
