"""Stand in for the mongo image: SecantusDB that lets nobody in unnamed and is no replica set yet.

Started as the image's entry point is, `mongod --replSet ...`, with the root user and the key of the
set in the environment, and with STAND_IN_HOME and STAND_IN_PORT. Until `replSetInitiate` it answers
as mongod does before it: it has no status and no primary. What it was initiated with is written to
STAND_IN_HOME/replica-set.json; with STAND_IN_HOME/no-primary it has no primary after it either.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from secantus import SecantusDBServer, commands

READY = "ready"

Answer = dict[str, Any]


def begin_uninitiated(home: Path, name: str) -> None:
    """Put the states before and after `replSetInitiate`, which SecantusDB lacks, before its own."""
    handlers: dict[str, Any] = commands._HANDLERS
    initiated, headless = home / "replica-set.json", home / "no-primary"
    hello, status = handlers["hello"], handlers["replSetGetStatus"]

    def told_hello(document: Answer, context: Any) -> Answer:
        answer: Answer = hello(document, context)
        if not initiated.exists() or headless.exists():
            answer |= {"isWritablePrimary": False, "ismaster": False, "secondary": False}
        return answer

    def told_status(document: Answer, context: Any) -> Answer:
        if initiated.exists():
            answer: Answer = status(document, context)
            return answer
        sentence = "no replset config has been received"
        return {"ok": 0.0, "errmsg": sentence, "code": 94, "codeName": "NotYetInitialized"}

    def initiate(document: Answer, _: Any) -> Answer:
        config = document["replSetInitiate"]
        if config["_id"] != name:
            return {"ok": 0.0, "errmsg": "started for another set", "code": 93}
        initiated.write_text(json.dumps(config))
        return {"ok": 1.0}

    handlers |= dict.fromkeys(("hello", "isMaster", "ismaster"), told_hello)
    handlers |= {"replSetGetStatus": told_status, "replSetInitiate": initiate}


def make_root(url: str) -> None:
    """Make the user that the image's entry point makes before it lets anybody else in."""
    user = os.environ["MONGO_INITDB_ROOT_USERNAME"]
    password, roles = os.environ["MONGO_INITDB_ROOT_PASSWORD"], [{"role": "root", "db": "admin"}]
    with MongoClient[Any](url, directConnection=True) as client:
        client.admin.command("createUser", user, pwd=password, roles=roles)


def read_options() -> argparse.Namespace:
    """Read the options that compose and Kubernetes give mongod; any other ends the process."""
    options = argparse.ArgumentParser()
    options.add_argument("program", choices=["mongod"])
    options.add_argument("--replSet", required=True)
    options.add_argument("--keyFile", required=True, type=Path)
    options.add_argument("--bind_ip_all", required=True, action="store_true")
    options.add_argument("--wiredTigerCacheSizeGB", required=True, type=float)
    return options.parse_args()


def main() -> None:
    options = read_options()
    if options.keyFile.stat().st_mode & 0o077 or not options.keyFile.read_text():
        sys.exit("the key file is empty, or others may read it")  # mongod refuses both
    home, port = Path(os.environ["STAND_IN_HOME"]), int(os.environ["STAND_IN_PORT"])
    name = options.replSet
    server = SecantusDBServer(
        "127.0.0.1",
        port,
        str(home / "store"),
        replica_set_name=name,
        cache_size="64M",
    )
    server.start()
    make_root(server.uri)
    begin_uninitiated(home, name)
    server.require_auth = True
    (home / READY).touch()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()


if __name__ == "__main__":
    main()
