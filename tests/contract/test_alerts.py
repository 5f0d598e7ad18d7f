"""Every alert can fire, names what somebody counts, and has a page that says what to do."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.manifests import ROOT

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
RUNBOOK = ROOT / "docs/runbook"
#: What others count: Envoy, and prometheus-nats-exporter 0.20 (its collector/jsz.go).
OF_OTHERS = {
    "envoy_http_downstream_rq_xx",
    "envoy_http_downstream_rq_completed",
    "envoy_http_downstream_rq_time_bucket",
    "envoy_cluster_membership_healthy",
    "envoy_cluster_upstream_rq_time_bucket",
    "jetstream_consumer_num_pending",
    "jetstream_stream_last_seq",
    "jetstream_stream_total_bytes",
    "jetstream_stream_limit_bytes",
    "jetstream_server_total_message_bytes",
    "jetstream_server_max_storage",
}


@dataclass(frozen=True)
class Fires:
    """When an alert fires, and whom it wakes: what is counted, over which time, and too much."""

    when: str
    held: str
    wakes: str
    over: str = ""
    by: frozenset[str] = frozenset()
    where: frozenset[str] = frozenset()
    quantile: str = ""
    of: tuple[str, ...] = ()
    """What is made of the counts, outermost first."""


def _of_each_service(when: str, held: str, wakes: str) -> Fires:
    """One in a hundred of what a service does takes longer."""
    by = frozenset({"le", "service_name"})
    made = ("histogram_quantile", "sum", "rate")
    return Fires(when, held, wakes, over="5m", by=by, quantile="0.99", of=made)


def _named_by(*labels: str) -> frozenset[str]:
    return frozenset(labels)


_EDGE = 'envoy_http_conn_manager_prefix="edge"'
FIRES = {
    "MessagesWaitLong": _of_each_service("> 5", "5m", "page"),
    "EventLoopStuck": _of_each_service("> 0.5", "5m", "page"),
    "CallsAreSlow": _of_each_service("> 1", "10m", "ticket"),
    # Of what came in the last minutes, one in a hundred.
    "EdgeFails": Fires(
        *("> 0.01", "5m", "page"),
        over="5m",
        where=_named_by(_EDGE, 'envoy_response_code_class="5"'),
        of=("sum", "rate", "sum", "rate"),
    ),
    "ServiceAway": Fires(
        *("< 1", "1m", "page"),
        by=_named_by("envoy_cluster_name"),
        where=_named_by('envoy_cluster_name!="admin"'),
        of=("min",),
    ),
    "BusAway": Fires(
        *("< 1", "2m", "page"),
        by=_named_by("service_name"),
        where=_named_by('upstream="nats"'),
        of=("min",),
    ),
    "StoreAway": Fires(
        *("< 1", "2m", "page"),
        by=_named_by("service_name"),
        where=_named_by('upstream="mongodb"'),
        of=("min",),
    ),
    "NothingIsTold": Fires("", "5m", "page", of=("absent",)),
    "ConsumerLags": Fires(
        "> 1000", "5m", "page", by=_named_by("stream_name", "consumer_name"), of=("max",)
    ),
    # The exporter of each replica tells the same: the largest, not their sum.
    "DeadLettersRise": Fires(
        *("> 0", "1m", "ticket"),
        over="15m",
        where=_named_by('stream_name=~"DEAD|DEAD_SUBMISSIONS"'),
        of=("max", "delta"),
    ),
    "OutboxHeldUp": Fires(
        "> 60", "2m", "page", by=_named_by("service_name", "collection"), of=("max",)
    ),
    "RepliesFail": Fires(
        "> 0.1", "10m", "ticket", over="10m", by=_named_by("service_name"), of=("sum", "rate")
    ),
    "QueueWaits": Fires("> 600", "5m", "ticket", of=("max",)),
    "RecordsUnreadable": Fires(
        "> 0", "1m", "page", over="15m", by=_named_by("service_name"), of=("sum", "increase")
    ),
    # A stream without a bound has nothing to be full of, and what strangers fill forgets.
    "StreamNearlyFull": Fires(
        *("> 0 > 0.8", "10m", "page"),
        by=_named_by("stream_name"),
        where=_named_by('stream_name!="DEAD_SUBMISSIONS"'),
        of=("max",),
    ),
    "JetStreamFull": Fires("> 0.8", "10m", "page", by=_named_by("server_name"), of=("max",)),
    "ShardUnfit": Fires("> 0", "1m", "page", by=_named_by("shard", "cause"), of=("max",)),
}
#: What each counts: who reads another metric watches something else.
COUNTS = {
    "MessagesWaitLong": {"centralita_delivery_age_seconds_bucket"},
    "EventLoopStuck": {"centralita_loop_lag_seconds_bucket"},
    "CallsAreSlow": {"rpc_server_call_duration_seconds_bucket"},
    "EdgeFails": {"envoy_http_downstream_rq_xx", "envoy_http_downstream_rq_completed"},
    "ServiceAway": {"envoy_cluster_membership_healthy"},
    "BusAway": {"centralita_upstream_reachable"},
    "StoreAway": {"centralita_upstream_reachable"},
    "NothingIsTold": {"centralita_loop_lag_seconds_count"},
    "ConsumerLags": {"jetstream_consumer_num_pending"},
    "DeadLettersRise": {"jetstream_stream_last_seq"},
    "OutboxHeldUp": {"centralita_outbox_age_seconds"},
    "RepliesFail": {"centralita_ingestion_delivery_failed_total"},
    "QueueWaits": {"centralita_dispatch_head_wait_seconds"},
    "RecordsUnreadable": {"centralita_kernel_unreadable_total"},
    "StreamNearlyFull": {"jetstream_stream_total_bytes", "jetstream_stream_limit_bytes"},
    "JetStreamFull": {"jetstream_server_total_message_bytes", "jetstream_server_max_storage"},
    "ShardUnfit": {"centralita_dispatch_shards_unfit"},
}
FUNCTIONS = {
    *("absent", "by", "delta", "histogram_quantile", "increase", "max", "min", "rate", "sum"),
    *("and", "on", "or", "clamp_min", "topk", "avg", "count"),
}
_LABELS = {
    *("le", "service_name", "stream_name", "consumer_name", "server_name", "collection"),
    *("shard", "cause"),
}


def counted() -> set[str]:
    """Return the names under which Prometheus knows what our own code counts."""
    sources = "".join(path.read_text() for path in (ROOT / "services").rglob("*.py"))
    made = re.findall(
        r'create_(histogram|counter|up_down_counter|gauge)\(\s*"([a-z._]+)"(?:, "(s)")?', sources
    )
    names = set()
    for kind, name, unit in made:
        base = name.replace(".", "_") + ("_seconds" if unit else "")
        ends = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
        names |= {base + end for end in ends.get(kind, ("",))}
    return names


def named(expression: str) -> set[str]:
    """Return the metrics that an expression reads."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]', "", expression)
    bare = re.sub(r"\b(by|on|without)\s*\([^)]*\)", "", bare)
    words = set(re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", bare))
    return words - FUNCTIONS - _LABELS


def _read(rule: dict[str, Any]) -> Fires:
    """Return what a rule says, taken apart."""
    expression = rule["expr"]
    windows = set(re.findall(r"\[(\w+)\]", expression))
    labels = re.findall(r"\bby \(([^)]*)\)", expression)
    selectors = re.findall(r"\{([^}]*)\}", expression)
    (quantile,) = re.findall(r"histogram_quantile\(([\d.]+)", expression) or ("",)
    assert rule["labels"].keys() == {"severity"}
    return Fires(
        when=" ".join(re.findall(r"[<>] [\d.]+", expression)),
        held=rule["for"],
        wakes=rule["labels"]["severity"],
        over=" ".join(sorted(windows)),
        by=frozenset(re.findall(r"\w+", " ".join(labels))),
        where=frozenset(one for each in selectors for one in each.split(", ")),
        quantile=quantile,
        of=tuple(re.findall(r"\b([a-z_]+)(?: by \([^)]*\) )?\(", expression)),
    )


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _balanced(text: str) -> bool:
    open_ones: list[str] = []
    for sign in re.sub(r'"[^"]*"', "", text):
        if sign in "([{":
            open_ones.append(sign)
        elif sign in ")]}" and (not open_ones or open_ones.pop() + sign not in {"()", "[]", "{}"}):
            return False
    return not open_ones


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_fires_when_it_should_and_has_a_page(rule: dict[str, Any]) -> None:
    name, expression = rule["alert"], rule["expr"]
    assert _read(rule) == FIRES[name]
    assert named(expression) == COUNTS[name]
    assert _balanced(expression)
    assert rule["annotations"]["runbook"] == f"docs/runbook/{_kebab(name)}.md"
    assert rule["annotations"]["summary"]
    page = (ROOT / rule["annotations"]["runbook"]).read_text()
    what, look, do = re.split(r"\n## What to (?:look at|do)\n", page)
    assert what.startswith(f"# {name}\n")
    assert all(len(part.split()) > 10 for part in (what, look, do))


def test_every_alert_is_written_down_and_no_page_is_left_over() -> None:
    assert [rule["alert"] for rule in RULES] == list(FIRES)
    pages = {path.name for path in RUNBOOK.glob("*.md")}
    assert pages - {f"{_kebab(name)}.md" for name in FIRES} == {"dead-letters.md", "shards.md"}


def test_pages_lead_to_pages_that_are_there() -> None:
    for page in RUNBOOK.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), (page.name, link)


def test_alerts_and_dashboards_name_metrics_that_somebody_counts() -> None:
    board = json.loads((ROOT / "deploy/grafana/dashboards/centralita.json").read_text())
    said = [rule["expr"] for rule in RULES]
    said += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in said:
        unknown = named(expression) - counted() - OF_OTHERS
        assert named(expression), expression
        assert not unknown, expression


def test_a_metric_that_nobody_counts_would_be_seen() -> None:
    assert named('max(rate(one_total{a="b"}[5m])) by (le) / two > 1') == {"one_total", "two"}
    assert "centralita_delivery_age_seconds_bucket" in counted()
    assert "centralita_delivery_age_bucket" not in counted()
    assert not _balanced("sum(rate(x[5m]) > 1")
