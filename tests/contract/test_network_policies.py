"""Nobody may reach anybody, but for the edges that are written down here."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.manifests import built, rendered

NAME = "app.kubernetes.io/name"
GRPC, HTTP, NATS, MONGO = 50051, 8080, 4222, 27017
EDGE, EXPORTER, METRICS, CLUSTER = 8080, 7777, 9902, 6222

STORES = ("directory", "ingestion", "contacts", "conversations", "presence")
CALLED = (*STORES, "dispatch", "workspace")
OURS = (*CALLED, "dead-letters")

#: Who calls whom at which port inside: the caller may leave for it, and the called may be reached.
INSIDE = {
    *(("edge", name, GRPC) for name in CALLED),
    *(("edge", name, HTTP) for name in ("directory", "ingestion")),
    # The key set, by all who check tokens; a token, by those who call others.
    *((name, "directory", HTTP) for name in CALLED if name != "directory"),
    *((name, "directory", GRPC) for name in ("ingestion", "conversations")),
    ("ingestion", "conversations", GRPC),
    ("ingestion", "dispatch", GRPC),
    ("conversations", "dispatch", GRPC),
    ("directory", "dispatch", GRPC),
    ("directory", "conversations", GRPC),
    ("conversations", "contacts", GRPC),
    *((name, "nats", NATS) for name in (*OURS, "streams")),
    *((name, "mongo", MONGO) for name in (*STORES, "mongo", "mongo-init")),
}
#: What one of ours may reach outside; `*` is every pod.
OUTSIDE = {
    ("*", "kube-system/k8s-app=kube-dns", 53),
    ("ingestion", "0.0.0.0/0 but private networks", 443),
}
ANYBODY = ("anybody", "edge", EDGE)

PROMETHEUS, COLLECTOR = "observability/prometheus", "observability/otel-collector"
CONNECTOR = "centralita.connector/nats=true"
#: What a component adds: who may leave for whom, and who may be reached by whom.
OTEL = ({(name, COLLECTOR, 4317) for name in OURS}, set[tuple[str, str, int]]())
SCRAPED = (
    set[tuple[str, str, int]](),
    {(PROMETHEUS, "edge", METRICS), (PROMETHEUS, "nats", EXPORTER)},
)
CLUSTERED = ({("nats", "nats", CLUSTER)}, {("nats", "nats", CLUSTER)})
CONNECTED = ({(CONNECTOR, "nats", NATS)}, {(f"*/{CONNECTOR}", "nats", NATS)})
MANAGED_MONGO = ({(name, "192.0.2.0/24", MONGO) for name in STORES}, set[tuple[str, str, int]]())

ADDED = {
    "k8s/overlays/production": (CLUSTERED, OTEL, SCRAPED, MANAGED_MONGO),
    "k8s/overlays/single-node": (),
    "k8s/tests/bare": (),
    "k8s/tests/clustered-with-own-store": (CLUSTERED, SCRAPED, CONNECTED),
    "k8s/tests/everything-managed": (OTEL, SCRAPED),
    "k8s/tests/one-machine-observed": (OTEL, SCRAPED),
}
PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
#: The one combination without it: to show what stands without components.
WITHOUT_DENY_ALL = {"k8s/tests/bare"}

Edges = set[tuple[str, str, int]]


def _names(selector: dict[str, Any]) -> Iterator[str]:
    """Yield what a selector of pods selects, by name where it asks for the name alone."""
    labels = dict(selector.get("matchLabels", {}))
    expressions = selector.get("matchExpressions", [])
    if not labels and not expressions:
        yield "*"
    if name := labels.pop(NAME, None):
        yield name
    yield from (f"{key}={value}" for key, value in labels.items())
    for it in expressions:
        assert (it["key"], it["operator"]) == (NAME, "In")
        yield from it["values"]


def _peers(peers: list[dict[str, Any]] | None) -> Iterator[str]:
    for peer in peers or [{}]:
        match peer:
            case {"ipBlock": {"cidr": cidr, "except": private}}:
                assert private == PRIVATE
                yield f"{cidr} but private networks"
            case {"ipBlock": {"cidr": cidr}}:
                yield cidr
            case {"namespaceSelector": namespace, "podSelector": pods}:
                labels = namespace.get("matchLabels", {"": "*"})
                (place,) = labels.values()
                yield from (f"{place}/{name}" for name in _names(pods))
            case {"podSelector": pods, **others} if not others:
                yield from _names(pods)
            case _:
                assert not peer, peer
                yield "anybody"


def _ports(path: str) -> dict[tuple[str, str], int]:
    """Return the number of each named port, by workload."""
    return {
        (it["metadata"]["name"], port["name"]): port["containerPort"]
        for it in rendered(path)
        if it["kind"] in {"Deployment", "StatefulSet", "Job"}
        for container in it["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", ())
    }


def _edges(path: str) -> tuple[Edges, Edges]:
    """Return who may leave for whom, and who may be reached by whom."""
    numbers = _ports(path)
    leaving, arriving = Edges(), Edges()
    for policy in rendered(path):
        if policy["kind"] != "NetworkPolicy":
            continue
        spec = policy["spec"]
        sides = {("egress", "to"): leaving, ("ingress", "from"): arriving}
        for (side, peers), found in sides.items():
            assert side not in spec or side.capitalize() in spec["policyTypes"]
            for rule in spec.get(side, ()):
                assert rule["ports"], "no port is every port"
                for own, peer, port in itertools.product(
                    _names(spec["podSelector"]), _peers(rule.get(peers)), rule["ports"]
                ):
                    pair = (own, peer) if side == "egress" else (peer, own)
                    number = port["port"]
                    if isinstance(number, str):
                        number = numbers.get((pair[1], number), 0)
                    found.add((*pair, number))
    return leaving, arriving


def test_every_build_is_looked_at() -> None:
    assert ADDED.keys() == set(built())


@pytest.mark.parametrize("path", built())
def test_what_may_reach_what_is_exactly_what_is_written_down(path: str) -> None:
    there = {name for name, _ in _ports(path)} | {"streams", "mongo-init", "dead-letters"}
    # Who has no bus or store of ours still has the rules of those who would call it.
    called = {edge for edge in INSIDE if edge[0] in there or edge[0] in OURS}
    wanted_leaving = {edge for edge in called if edge[0] not in {"mongo", "mongo-init"}} | OUTSIDE
    wanted_arriving = {edge for edge in called if edge[1] in there} | {ANYBODY}
    if "mongo" in there:
        wanted_leaving |= {("mongo", "mongo", MONGO), ("mongo-init", "mongo", MONGO)}
    for leaving, arriving in ADDED[path]:
        wanted_leaving |= leaving
        wanted_arriving |= arriving
    left, arrived = _edges(path)
    assert left == wanted_leaving
    assert {edge for edge in arrived if edge[1] in there} == {
        edge for edge in wanted_arriving if edge[1] in there
    }


@pytest.mark.parametrize("path", built())
def test_whoever_no_rule_names_may_do_nothing(path: str) -> None:
    everybody = [
        it["spec"]["policyTypes"]
        for it in rendered(path)
        if it["kind"] == "NetworkPolicy"
        and it["spec"]["podSelector"] == {}
        and not {"ingress", "egress"} & it["spec"].keys()
    ]
    denied = [] if path in WITHOUT_DENY_ALL else [["Ingress", "Egress"]]
    assert everybody == denied


@pytest.mark.parametrize("path", built())
def test_every_pod_is_denied_both_ways_by_a_policy_of_its_own(path: str) -> None:
    both = {
        name
        for it in rendered(path)
        if it["kind"] == "NetworkPolicy" and set(it["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        for name in _names(it["spec"]["podSelector"])
    }
    pods = {
        it["spec"]["template"]["metadata"]["labels"][NAME]
        for it in rendered(path)
        if it["kind"] in {"Deployment", "StatefulSet", "Job"}
    }
    assert pods <= both
