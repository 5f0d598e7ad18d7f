"""deploy/mongo/init.js in the real shell makes the set and its users, or says why not and ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from tests.deployed import compose
from tests.host import MONGOSH, Host

pytestmark = pytest.mark.timeout(120)

INIT = compose()["mongo-init"]
STORES = ("directory", "ingestion", "contacts", "conversations", "presence")
PASSWORD = "s3cret/of%the-test"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The store of compose as it is before its first initiation."""
    assert MONGOSH.exists(), "The MongoDB shell is not installed. Run: make mongosh"
    it = Host(tmp_path_factory.mktemp("compose"), compose())
    it.start("mongo")
    try:
        yield it
    finally:
        it.stop()


async def _wrote(host: Host, user: str, password: str, database: str) -> bool:
    """Say whether a user may write into a database; OperationFailure when they are not let in."""
    url = f"mongodb://127.0.0.1:{host.ports['mongo:27017']}/?replicaSet=centralita"
    async with AsyncMongoClient[dict[str, object]](
        url, username=user, password=password, authSource=user
    ) as client:
        await client[user].command("ping")
        try:
            await client[database]["tests"].insert_one({"by": user})
        except OperationFailure:
            return False
        return True


async def test_the_set_is_made_and_each_service_may_use_its_own_database(host: Host) -> None:
    done = host.run("mongo-init")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["ready"]), done.stdout
    made = json.loads((host.home / "mongo/replica-set.json").read_text())
    member = f"127.0.0.1:{host.ports['mongo:27017']}"
    assert made == {"_id": "centralita", "members": [{"_id": 0, "host": member}]}
    for service in STORES:
        password = INIT.environment[f"MONGO_{service.upper()}_PASSWORD"]
        may = [other for other in STORES if await _wrote(host, service, password, other)]
        assert may == [service]


async def test_run_again_it_changes_passwords_and_nothing_else(host: Host) -> None:
    assert host.run("mongo-init").returncode == 0
    made = host.home / "mongo/replica-set.json"
    before = made.stat().st_mtime_ns
    done = host.run("mongo-init", MONGO_CONTACTS_PASSWORD=PASSWORD)
    assert (done.returncode, done.stdout) == (0, "ready\n")
    assert made.stat().st_mtime_ns == before
    assert await _wrote(host, "contacts", PASSWORD, "contacts")
    with pytest.raises(OperationFailure):
        await _wrote(host, "contacts", INIT.environment["MONGO_CONTACTS_PASSWORD"], "contacts")


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"MONGO_INITDB_ROOT_PASSWORD": "sesame"}, "authentication failed"),
        ({"MONGO_MEMBERS": "127.0.0.1:9"}, "ECONNREFUSED"),
        ({"MONGO_MEMBERS": "mongo"}, "MONGO_MEMBERS must be host:port, comma separated"),
        ({"MONGO_PRESENCE_PASSWORD": ""}, "MONGO_PRESENCE_PASSWORD must be set"),
    ],
    ids=["a wrong password", "nobody there", "no port", "a missing password"],
)
def test_what_is_wrong_is_said_in_a_line_and_ends_it(
    host: Host, environment: dict[str, str], sentence: str
) -> None:
    done = host.run("mongo-init", **environment, MONGO_PATIENCE_S="2")
    line = done.stdout.splitlines()[-1]
    assert (done.returncode, line.partition(":")[0]) == (1, "mongo-init")
    assert sentence in line
    secrets = {"sesame", *(v for k, v in INIT.environment.items() if k.endswith("PASSWORD"))}
    assert not [secret for secret in secrets if secret in done.stdout + done.stderr]


def test_a_set_without_a_primary_is_not_waited_for_without_end(host: Host) -> None:
    headless = host.home / "mongo/no-primary"
    headless.touch()
    done = host.run("mongo-init", MONGO_PATIENCE_S="2")
    headless.unlink()
    assert done.returncode == 1
    assert "gave up after 2 s of waiting until" in done.stdout
    assert "is the primary of centralita" in done.stdout


def test_the_probe_of_a_store_that_is_away_says_so(tmp_path: Path) -> None:
    assert not Host(tmp_path / "away", compose()).probed("mongo", "healthcheck")
