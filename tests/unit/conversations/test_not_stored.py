"""Messages that the store did not take say why, and nothing of what a customer wrote."""

import traceback
from typing import Any, cast

import pytest
from pymongo.errors import BulkWriteError

from services.conversations.adapters.mongo_messages import MongoMessages, NotStored
from services.kernel.causes import Fault, fault_of
from tests.unit.conversations.fakes import Desk, received


class Refusing:
    """A collection that takes none of several."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    async def insert_many(self, documents: list[Any], **_: object) -> None:
        raise BulkWriteError({**self._told, "op": documents})


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"writeErrors": [{"code": 11000}, {"code": 14031}]}, Fault.OUTSIDE),
        ({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}, Fault.OUTSIDE),
        ({"writeErrors": [{"code": 17419}]}, Fault.INPUT),
    ],
    ids=["a full disk", "no majority in time", "too large"],
)
async def test_a_full_store_is_trouble_outside_and_its_words_are_not_told(
    told: dict[str, Any], fault: Fault
) -> None:
    """It was nobody's fault, so that after a minute the messages were dead letters."""
    desk = Desk()
    await desk.append(received("p-1", "I am ill"))
    await desk.append(received("p-2", "very ill"))
    it = await desk.latest()
    messages = MongoMessages(cast("Any", Refusing(told)))
    with pytest.raises(NotStored) as refused:
        await messages.keep([(it, each) for each in it.staged])
    assert fault_of(refused.value) is fault
    assert "ill" not in "".join(traceback.format_exception(refused.value))


async def test_messages_that_are_there_already_are_stored() -> None:
    desk = Desk()
    await desk.append(received("p-1", "hola"))
    it = await desk.latest()
    twice = [(it, each) for each in (*it.staged, *it.staged)]
    await MongoMessages(cast("Any", Refusing({"writeErrors": [{"code": 11000}]}))).keep(twice)
