"""What the broker is set to and keeps: deploy/nats, written down a second time on purpose.

Who may say and hear what is in tests/integration/kernel/test_permissions.py; how long a stream
keeps a message, a server is asked in test_streams.py beside it.
"""

import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml

from services.kernel.streams import read
from tests.deployed import compose
from tests.host import Host
from tests.manifests import ROOT, rendered

NATS = ROOT / "deploy/nats"
SECOND, MIB, GIB = 10**9, 1 << 20, 1 << 30

SERVER = {
    # What is said by the installation.
    "server_name": "$NATS_SERVER_NAME",
    "http": "$NATS_MONITOR_ADDRESS",
    "store_dir": "$NATS_STORE_DIR",
    "sync_interval": "$NATS_SYNC_INTERVAL",
    "max_file_store": "$NATS_MAX_FILE_STORE",
    "host": "0.0.0.0",
    "port": "4222",
    "max_payload": "1MB",
    "write_deadline": "10s",
    # A peer that is gone is noticed after two pings, as clients notice it (kernel/bus.py).
    "ping_interval": "5s",
    "ping_max": "2",
    # Clients go elsewhere within half a minute of the minute that a pod has to end.
    "lame_duck_grace_period": "5s",
    "lame_duck_duration": "30s",
}
CLUSTER = {"name": "centralita", "port": "6222"}

#: Whose messages a durable consumer hears, and may give up, but for those of strangers.
HEARD = ("CONVERSATIONS", "DIRECTORY", "DISPATCH", "INBOUND", "INGESTION", "OUTBOUND", "PRESENCE")
#: Of each stream, bucket and object store: its share of the broker's room in per cent, and what
#: it takes.
KEPT = {
    "DIRECTORY": (3, ["cc.*.directory.>"]),
    "SUBMISSIONS": (3, ["cc.*.ingestion.v1.message.submitted"]),
    "INBOUND": (5, ["cc.*.ingestion.v1.message.received"]),
    "INGESTION": (5, ["cc.*.ingestion.v1.message.refused", "cc.*.ingestion.v1.delivery.>"]),
    "OUTBOUND": (5, ["cc.*.conversations.v1.reply.>"]),
    "CONTACTS": (2, ["cc.*.contacts.>"]),
    "CONVERSATIONS": (
        7,
        ["cc.*.conversations.v1.conversation.>", "cc.*.conversations.v1.message.>"],
    ),
    "PRESENCE": (2, ["cc.*.presence.>"]),
    "DISPATCH": (10, ["cc.*.dispatch.>"]),
    "AUDIT": (4, {"DISPATCH": "cc.*.dispatch.v1.supervisor.acted"}),
    # The router's two logs are all that a replay and an explanation have: the largest shares.
    "DISPATCH_IN": (14, ["dispatch.in.*"]),
    "DISPATCH_JOURNAL": (14, ["dispatch.journal.*"]),
    "WORKSPACE": (10, ["cc.*.workspace.>"]),
    # What strangers write could fill any room: it has one of its own, which forgets.
    "DEAD": (2, [f"dead.{stream}.*" for stream in HEARD]),
    "DEAD_SUBMISSIONS": (1, ["dead.SUBMISSIONS.*"]),
    "ADVISORIES": (
        1,
        [
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
            "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
        ],
    ),
    "health": (1, None),
    "dispatch-leases": (1, None),
    "presence-leases": (1, None),
    "dispatch-snapshots": (3, None),
    "dispatch-archive": (5, None),
}


def _settings(text: str) -> dict[str, str]:
    return dict(re.findall(r"^ *(\w+): (?!\[)(\S+)$", text, re.MULTILINE))


def test_the_broker_is_set_as_it_is_written_down() -> None:
    text = (NATS / "server.conf").read_text()
    assert _settings(text) == SERVER
    assert re.findall(r"^include (.*)$", text, re.MULTILINE) == ["accounts.conf"]


def test_a_cluster_is_the_same_broker_three_times() -> None:
    text = (NATS / "cluster.conf").read_text()
    assert _settings(text) == CLUSTER
    assert re.findall(r"^include (.*)$", text, re.MULTILINE) == ["server.conf"]
    (replicas,) = (
        it["spec"]["replicas"]
        for it in rendered("k8s/overlays/production")
        if (it["kind"], it["metadata"]["name"]) == ("StatefulSet", "nats")
    )
    routes = re.findall(r"^ *(nats://\S+)$", text, re.MULTILINE)
    assert routes == [f"nats://nats-{number}.nats:6222" for number in range(replicas)]


def test_a_server_runs_with_what_the_file_says(tmp_path: Path) -> None:
    """As it reads the file: a unit, or a block that a setting fell out of, would be seen here."""
    host = Host(tmp_path / "compose", compose())
    host.start("nats")
    try:
        place = f"http://127.0.0.1:{host.ports['nats:8222']}"
        with urllib.request.urlopen(f"{place}/varz", timeout=5) as answer:
            told = json.load(answer)
        with urllib.request.urlopen(f"{place}/accountz?acc=CONNECTORS", timeout=5) as answer:
            strangers = json.load(answer)["account_detail"]
    finally:
        host.stop()
    store = told["jetstream"]["config"]
    assert (told["server_name"], told["auth_required"]) == ("nats", True)
    assert told["max_payload"] == MIB
    assert told["write_deadline"] == 10 * SECOND
    assert (told["ping_interval"], told["ping_max"]) == (5 * SECOND, 2)
    assert (store["sync_always"], store["max_storage"]) == (True, 16 * GIB)
    assert store["store_dir"] == str(host.home / "nats/data/jetstream")
    assert not strangers["jetstream_enabled"]


def test_each_stream_has_its_share_and_takes_what_is_written_down() -> None:
    kept = {
        name: (it["share"], it.get("subjects") or it.get("copies"))
        for kind in read().values()
        for name, it in kind.items()
    }
    assert kept == KEPT
    assert sum(share for share, _ in KEPT.values()) <= 100


@pytest.mark.parametrize("kind", ["nats", "mongo"])
def test_what_a_server_reads_is_the_file_of_the_repository(kind: str) -> None:
    """Kubernetes makes its files of the same ones, and leaves none out."""
    (told,) = yaml.safe_load((ROOT / f"deploy/{kind}/kustomization.yaml").read_text())[
        "configMapGenerator"
    ]
    files = {path.name: path.read_text() for path in (ROOT / "deploy" / kind).iterdir()}
    del files["kustomization.yaml"]
    if kind == "nats":
        del files["streams.toml"]  # it is in the image, for the job that applies it
    (made,) = (
        it["data"]
        for it in rendered("k8s/overlays/single-node")
        if it["kind"] == "ConfigMap" and it["metadata"]["name"].startswith(f"{told['name']}-")
    )
    assert made == files
