"""The store keeps what it acknowledges, and dates come back as they went in."""

from datetime import timedelta

import pytest

from services.kernel.clock import utc_now
from services.kernel.mongo import Database, UnsafeStore, database


async def test_a_date_comes_back_aware_and_equal(db: Database) -> None:
    now = utc_now()
    await db["things"].insert_one({"_id": 1, "at": now})
    found = await db["things"].find_one({"_id": 1})
    assert found is not None
    assert found["at"] == now
    assert found["at"].utcoffset() == timedelta(0)


async def test_writes_wait_for_the_journal_of_a_majority(db: Database) -> None:
    assert db.write_concern.document["w"] == "majority"
    assert db.write_concern.document["j"] is True


@pytest.mark.parametrize("weaker", ["w=1", "journal=false", "w=0"])
async def test_an_address_cannot_weaken_that(mongo_url: str, weaker: str) -> None:
    async with database(f"{mongo_url}&{weaker}", "tests") as opened:
        assert opened.write_concern.document["w"] == "majority"
        assert opened.write_concern.document["j"] is True


async def test_a_store_that_takes_no_writes_is_refused(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.kernel.mongo.PRIMARY", "isAnythingElse")
    with pytest.raises(UnsafeStore):
        async with database(mongo_url, "tests"):
            pass
