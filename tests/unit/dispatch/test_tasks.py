"""The service whose work tasks are lists those that go on, and its leader is not held up."""

from collections import Counter
from typing import Any

from services.dispatch.domain.inputs import Channel
from services.dispatch.domain.parties import Task
from services.dispatch.domain.policy import Overflow, OverflowTo, Policy
from services.dispatch.use_cases.tasks import Written
from tests.unit.dispatch.desk import ACME, Desk


def pages(written: Written, most: int) -> list[list[str]]:
    """List as a client does: until there are no more."""
    found: list[list[str]] = []
    after = ""
    while page := list(written.page(ACME, after, most)):
        found.append(page)
        after = page[-1]
    return found


def test_a_chat_that_overflowed_to_voicemail_is_listed_like_any_other() -> None:
    """It has another channel there: a close of it that was not heard was never mended."""
    desk = Desk()
    desk.queue("sales", policy=Policy(max_wait_ms=1_000, overflow=Overflow(OverflowTo.VOICEMAIL)))
    desk.submit("c-1")
    desk.submit("call", channel=Channel.CALL)
    desk.wait(2_000)
    assert desk.task("c-1").submitted.channel is Channel.VOICEMAIL
    desk.submit("c-2")
    desk.submit("call-2", channel=Channel.CALL)
    assert pages(Written(desk.state), 10) == [["c-1", "c-2", "call"]]


class Looked(dict[str, Task]):
    """Counts how often all of it is looked at."""

    def __init__(self, tasks: dict[str, Task]) -> None:
        super().__init__(tasks)
        self.looks = Counter[str]()

    def items(self) -> Any:
        self.looks["items"] += 1
        return super().items()


def test_a_list_of_many_pages_looks_at_all_tasks_once() -> None:
    """Each page did, in the loop of the leader."""
    desk = Desk()
    ids = [f"c-{number:03}" for number in range(100)]
    for task_id in reversed(ids):
        desk.submit(task_id)
    tenant = desk.state.tenants[ACME]
    tenant.tasks = tasks = Looked(tenant.tasks)
    written = Written(desk.state)
    assert pages(written, 7) == [ids[at : at + 7] for at in range(0, 100, 7)]
    assert tasks.looks["items"] == 1
    assert pages(written, 1000) == [ids]


def test_what_ends_while_it_is_listed_makes_no_page_look_like_the_last() -> None:
    desk = Desk()
    for number in range(6):
        desk.submit(f"c-{number}")
    written = Written(desk.state)
    assert written.page(ACME, "", 2) == ["c-0", "c-1"]
    for number in (2, 3, 4):
        desk.close(f"c-{number}")
    assert written.page(ACME, "c-1", 2) == ["c-5"]
    assert not written.page(ACME, "c-5", 2)
    assert Written(desk.state).page(ACME, "c-0", 2) == ["c-1", "c-5"], "another leads meanwhile"
    assert not written.page("nobody", "", 2)
    assert "nobody" not in desk.state.tenants
