"""A thread is whole on every page, whether its messages are stored or still staged."""

from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest

from services.conversations.domain.errors import PageTokenInvalid
from services.conversations.domain.message import Place
from services.conversations.messages import to_page_token, to_place
from tests.unit.conversations.fakes import NINE, OWNER, Desk, received


async def a_thread(desk: Desk, length: int) -> str:
    """Leave some of the messages staged, newest and oldest in the thread alike."""
    for n in reversed(range(length)):
        await desk.append(
            received(f"p-{n}", text=str(n), sent_at=NINE - timedelta(seconds=length - n))
        )
        if n % 3 == 0:
            it = await desk.latest()
            await desk.store.now(it, it.staged[::2])
    return (await desk.latest()).id


@pytest.mark.parametrize("size", [1, 2, 7, 10, 11, 200])
async def test_the_pages_together_are_the_thread(size: int) -> None:
    desk = Desk()
    conversation_id = await a_thread(desk, 10)
    texts: list[str] = []
    after: Place | None = None
    while True:
        page = await desk.thread(OWNER, conversation_id, size, after)
        assert len(page.messages) <= size
        texts += [each.text for each in page.messages]
        if page.next is None:
            break
        after = to_place(to_page_token(page.next))
    assert texts == [str(n) for n in range(10)]


async def test_the_usual_page_has_fifty_and_the_largest_two_hundred() -> None:
    desk = Desk()
    conversation_id = await a_thread(desk, 210)
    assert len((await desk.thread(OWNER, conversation_id, 0, None)).messages) == 50
    assert len((await desk.thread(OWNER, conversation_id, 1000, None)).messages) == 200


@pytest.mark.parametrize(
    "token", ["x", "!!!!", "MTIz", "YS5i", "LS4tLS0", "é", "OTk5OTk5OTk5OTk5OTk5OTk5OS4x"]
)
def test_a_page_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        to_place(token)


@pytest.mark.parametrize("arrival", ["-1", "9" * 20])
def test_a_page_token_with_an_arrival_that_no_message_has_is_refused(arrival: str) -> None:
    with pytest.raises(PageTokenInvalid):
        to_place(urlsafe_b64encode(f"0.{arrival}".encode()).decode())
