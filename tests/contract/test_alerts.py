"""Every alert can fire, names what somebody counts, and has a page that says what to do."""

import json
import re
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
#: When each fires: threshold, how long it must hold, and whom it wakes.
FIRES = {
    "MessagesWaitLong": ("> 5", "5m", "page"),
    "EventLoopStuck": ("> 0.5", "5m", "page"),
    "CallsAreSlow": ("> 1", "10m", "ticket"),
    "EdgeFails": ("> 0.01", "5m", "page"),
    "ServiceAway": ("< 1", "1m", "page"),
    "BusAway": ("< 1", "2m", "page"),
    "StoreAway": ("< 1", "2m", "page"),
    "NothingIsTold": ("", "5m", "page"),
    "ConsumerLags": ("> 1000", "5m", "page"),
    "DeadLettersRise": ("> 0", "1m", "ticket"),
    "OutboxHeldUp": ("> 60", "2m", "page"),
    "RepliesFail": ("> 0.1", "10m", "ticket"),
    "QueueWaits": ("> 600", "5m", "ticket"),
    "RecordsUnreadable": ("> 0", "1m", "page"),
    "StreamNearlyFull": ("> 0.8", "10m", "page"),
    "JetStreamFull": ("> 0.8", "10m", "page"),
    "ShardUnfit": ("> 0", "1m", "page"),
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
    threshold, held, severity = FIRES[name]
    assert expression.endswith(threshold)
    assert (rule["for"], rule["labels"]) == (held, {"severity": severity})
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
