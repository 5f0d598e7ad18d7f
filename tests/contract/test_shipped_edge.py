"""Every number, time, switch and choice of the edge is the one that shipped_edge.toml says.

What deploy/envoy/envoy.yaml sets and that file does not name fails here: nothing is added to the
edge that nobody wrote down. What is no setting but a name or a text is held below where it opens
something, and by tests/contract/test_edge_config.py; what a request meets, tests/e2e/test_edge*
ask a real edge.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_edge_config import EDGE as CONFIGURED
from tests.roles import BETWEEN_SERVICES

WRITTEN: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("shipped_edge.toml").read_text()
)
#: A time, or one of Envoy's choices.
_SETTING = re.compile(r"\d+(\.\d+)?s|[A-Z]+(_[A-Z]+)*")
#: Of what these hold, the names are somebody else's: settings are told by theirs.
_BY_NAME = {"cluster_min_healthy_percentages", "request_headers_to_add", "response_headers_to_add"}


def _settings(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is neither a name nor a text, under the name that it stands after."""
    match value:
        case dict():
            for name, each in value.items():
                # Envoy wraps some numbers, to tell zero from nothing.
                own = key if name == "value" or key in _BY_NAME else name
                yield from _settings(each, own)
        case list():
            for each in value:
                yield from _settings(each, key)
        case str() if not _SETTING.fullmatch(value):
            return
        case _:
            yield key, value


def _collected(part: Any) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for key, value in _settings(part):
        found.setdefault(key, []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def _manager(listener: Mapping[str, Any]) -> dict[str, Any]:
    ((entry,),) = (chain["filters"] for chain in listener["filter_chains"])
    return dict(entry["typed_config"])


EDGE = deepcopy(CONFIGURED)  # taken apart below
LISTENER, COUNTERS = EDGE["static_resources"]["listeners"]
DOOR = _manager(LISTENER)
FILTERS = {
    it["name"].removeprefix("envoy.filters.http."): {key: it[key] for key in it if key != "name"}
    for it in DOOR.pop("http_filters")
}
REPLIES, HEADERS = DOOR.pop("local_reply_config"), DOOR.pop("route_config")
(EVERYBODY,) = HEADERS.pop("virtual_hosts")
ROUTES = EVERYBODY.pop("routes")


def _written(cluster: str) -> str:
    return "itself" if cluster == "admin" else "http" if cluster.endswith("-http") else "services"


#: Everything but routes and the texts of refusals, each beside the part of the file that it is in.
PARTS: list[tuple[str, Any]] = [
    ("overload", {key: EDGE[key] for key in EDGE if key != "static_resources"}),
    ("door", [{key: LISTENER[key] for key in LISTENER if key != "filter_chains"}, DOOR]),
    ("headers", HEADERS),
    *((f"filter {name}", it) for name, it in FILTERS.items()),
    ("everybody", EVERYBODY),
    ("metrics", COUNTERS),
    *((_written(it["name"]), it) for it in EDGE["static_resources"]["clusters"]),
]


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_a_part_of_the_edge_is_set_as_it_is_written_down(name: str, part: Any) -> None:
    assert _collected(part) == WRITTEN.get(name, {})


def test_nothing_is_written_down_that_the_edge_does_not_have() -> None:
    assert WRITTEN.keys() <= {name for name, _ in PARTS}
    assert EDGE["static_resources"].keys() == {"listeners", "clusters"}


def test_a_request_comes_by_what_refuses_it_before_by_what_reads_it() -> None:
    """Limits first, then packed bodies; REST is gRPC before a token is asked for."""
    assert list(FILTERS) == [
        *("livez", "healthz", "cors", "local_ratelimit", "rbac", "buffer", "grpc_web"),
        *("lua", "grpc_json_transcoder", "jwt_authn", "router"),
    ]


USUAL, UNENDING = "15s", "0s"
#: Where a path leads and how long an answer may take, first match first.
LEADS = [
    ("/centralita.workspace.v1.WorkspaceService/Watch", "workspace", UNENDING),
    ("/centralita.directory.v1.SessionService/", "directory", USUAL),
    ("/centralita.directory.v1.DirectoryService/", "directory", USUAL),
    ("/centralita.ingestion.v1.IngestionService/", "ingestion", USUAL),
    ("/centralita.contacts.v1.ContactsService/", "contacts", USUAL),
    ("/centralita.conversations.v1.ConversationsService/", "conversations", USUAL),
    ("/centralita.presence.v1.PresenceService/", "presence", USUAL),
    ("/centralita.dispatch.v1.DispatchService/", "dispatch", USUAL),
    # A past of a day is folded again (20 s); a floor is played through (25 s).
    ("/centralita.dispatch.v1.ExplainService/", "dispatch", "25s"),
    ("/centralita.dispatch.v1.SimulationService/", "dispatch", "28s"),
    ("/centralita.dispatch.v1.AuditService/", "dispatch", USUAL),
    ("/centralita.workspace.v1.WorkspaceService/", "workspace", USUAL),
    ("/.well-known/jwks.json", "directory-http", "5s"),
    ("/webchat/[^/]+/[^/]+/events", "ingestion-http", UNENDING),
    ("/webchat/", "ingestion-http", USUAL),
    ("/channels/", "ingestion-http", USUAL),
    ("/v1/", "nowhere", None),  # REST was transcoded before it came here
]


def _path(route: Mapping[str, Any]) -> str:
    ((how, asked),) = route["match"].items()
    path: str = asked["regex"] if how == "safe_regex" else asked
    assert how == "safe_regex" or path.endswith("/") == (how == "prefix"), path
    return path


def test_what_is_between_services_is_refused_before_anything_is_let_through() -> None:
    count = len(ROUTES) - len(LEADS)
    assert {_path(route) for route in ROUTES[:count]} == BETWEEN_SERVICES
    assert all(route["direct_response"] == {"status": 404} for route in ROUTES[:count])
    assert [
        (_path(it), it["route"]["cluster"], it["route"].get("timeout")) for it in ROUTES[count:]
    ] == LEADS


def test_what_was_sent_and_not_reached_is_sent_again_and_nothing_else() -> None:
    """Whatever may have happened is never repeated by the edge: the client knows its request id."""
    safely = {"retry_on": "connect-failure,refused-stream", "num_retries": 2}
    for route, (path, cluster, timeout) in zip(ROUTES[-len(LEADS) :], LEADS, strict=True):
        expected: dict[str, Any] = {"cluster": cluster, "timeout": timeout, "retry_policy": safely}
        if timeout == UNENDING:
            expected = {"cluster": cluster, "timeout": timeout, "idle_timeout": UNENDING}
        if timeout is None:
            expected = {"cluster": cluster, "cluster_not_found_response_code": "NOT_FOUND"}
        assert route["route"] == expected, path


def test_a_route_differs_from_the_others_where_it_must() -> None:
    """Webchat answers for its own origins, and what is transcoded is bounded while it waits."""
    own = {
        _path(route): _collected(route["typed_per_filter_config"])
        for route in ROUTES
        if "typed_per_filter_config" in route
    }
    without_cors, whole = {"numerator": 0}, {"max_request_bytes": 1 << 20}
    webhooks = ("/webchat/[^/]+/[^/]+/events", "/webchat/", "/channels/")
    assert own == {**dict.fromkeys(webhooks, without_cors), "/v1/": whole}


def test_no_token_is_asked_for_at_these_doors_alone() -> None:
    """First match wins, and the last takes all that is left."""
    *open_ones, last = FILTERS["jwt_authn"]["typed_config"]["rules"]
    assert [next(iter(rule["match"].values())) for rule in open_ones] == [
        *(f"/centralita.directory.v1.SessionService/{it}" for it in ("SignIn", "RefreshSession")),
        "/centralita.directory.v1.SessionService/SignOut",
        "/centralita.ingestion.v1.IngestionService/Publish",
        "/.well-known/jwks.json",
        *("/channels/", "/webchat/"),
    ]
    assert all(rule.keys() == {"match"} for rule in open_ones)
    assert last == {"match": {"prefix": "/"}, "requires": {"provider_name": "directory"}}


def test_a_token_comes_in_its_header_and_is_held_to_the_directory_s_keys() -> None:
    (provider,) = FILTERS["jwt_authn"]["typed_config"]["providers"].values()
    assert provider["from_headers"] == [{"name": "authorization", "value_prefix": "Bearer "}]
    assert provider["remote_jwks"]["http_uri"] == {
        "uri": "http://directory/.well-known/jwks.json",
        "cluster": "directory-http",
        "timeout": "2s",
    }


def test_front_ends_of_other_origins_are_those_of_this_machine() -> None:
    (policy,) = EVERYBODY["typed_per_filter_config"].values()
    told = {key: value for key, value in policy.items() if key != "@type"}
    assert told == {
        "allow_origin_string_match": [
            {"safe_regex": {"regex": r"https?://(localhost|127\.0\.0\.1)(:[0-9]+)?"}}
        ],
        "allow_methods": "GET, POST, PUT, DELETE",
        "allow_headers": "authorization, content-type, x-grpc-web, x-user-agent, grpc-timeout, "
        "traceparent",
        "expose_headers": "grpc-status, grpc-message, grpc-status-details-bin",
        "max_age": "600",
    }


def test_a_cluster_is_asked_at_the_address_of_its_service_and_in_the_way_that_it_speaks() -> None:
    asked = {"directory-http": "http_health_check", "ingestion-http": "tcp_health_check"}
    for cluster in EDGE["static_resources"]["clusters"]:
        name = cluster["name"]
        assert cluster["load_assignment"]["cluster_name"] == name
        ((place,),) = (it["lb_endpoints"] for it in cluster["load_assignment"]["endpoints"])
        host = "127.0.0.1" if name == "admin" else name.removesuffix("-http")
        assert place["endpoint"]["address"]["socket_address"]["address"] == host
        if name == "admin":
            continue
        (check,) = cluster["health_checks"]
        assert asked.get(name, "grpc_health_check") in check
        speaks_http2 = "http2_protocol_options" in str(cluster)
        assert speaks_http2 == (name not in asked), name
    (told,) = (it for it in EDGE["static_resources"]["clusters"] if it["name"] == "directory-http")
    assert told["health_checks"][0]["http_health_check"] == {"path": "/.well-known/jwks.json"}


IN_GRPC = (
    "request.headers['content-type'].startsWith('application/grpc') "
    "&& !('x-envoy-original-path' in request.headers)"
)
TO_WEBHOOKS = "request.path.startsWith('/channels/') || request.path.startsWith('/webchat/')"
DETAILS = "response.code_details.contains"
#: By what the edge tells each of its own errors, first match first; the status of HTTP that it
#: makes of it, and the code of gRPC that stands in the JSON.
TOLD_BY: Mapping[str, tuple[str, int | None, int]] = {
    "TOKEN_MISSING": (f"{DETAILS}('Jwt_is_missing')", None, 16),
    "CONTENT_ENCODING_REFUSED": (f"{DETAILS}('[packed]')", 415, 12),
    "TOKEN_EXPIRED": (f"{DETAILS}('Jwt_is_expired')", None, 16),
    # A key that the set does not have is the token's fault, any other trouble with it ours.
    "KEYS_UNAVAILABLE": (f"{DETAILS}('{{Jwks_') && !{DETAILS}('_key_to_match_')", 503, 14),
    "TOKEN_INVALID": (f"{DETAILS}('jwt_authn_access_denied')", 401, 16),
    "FIELD_UNKNOWN": ("response.code == 422 && response.code_details == 'lua_response'", 400, 3),
    "MALFORMED_REQUEST": ("response.code == 400", None, 3),
    "ROUTE_NOT_FOUND": ("response.code == 404", None, 5),
    "BODY_TOO_LARGE": ("response.code == 413", None, 3),
    "RATE_LIMITED": ("response.code == 429", None, 8),
    "SERVICE_TIMEOUT": ("response.code in [408, 504]", None, 14),
    "SERVICE_UNAVAILABLE": ("response.code in [500, 502, 503]", 503, 14),
}
#: What a webhook hears in the form of ingestion: all that its sender can do something about.
TOLD_WEBHOOKS = {
    "CONTENT_ENCODING_REFUSED": "UNIMPLEMENTED",
    "RATE_LIMITED": "RESOURCE_EXHAUSTED",
    "SERVICE_TIMEOUT": "UNAVAILABLE",
    "SERVICE_UNAVAILABLE": "UNAVAILABLE",
}
SOON = [{"header": {"key": "retry-after", "value": "1"}}]


def _expressions(filtered: Any) -> Iterator[str]:
    match filtered:
        case {"and_filter": {"filters": several}}:
            for one in several:
                yield from _expressions(one)
        case {"extension_filter": {"typed_config": {"expression": expression}}}:
            yield expression


def test_an_error_of_the_edge_is_told_by_what_went_wrong_in_each_form() -> None:
    """The first that fits is taken: those of gRPC, those of webhooks, then REST."""
    told = [(*_expressions(it["filter"]), it.get("status_code")) for it in REPLIES["mappers"]]
    rest = [(expression, status) for expression, status, _ in TOLD_BY.values()]
    grpc = [TOLD_BY[reason][:2] for reason in TOLD_BY if reason != "FIELD_UNKNOWN"]
    hooks = [TOLD_BY[reason][:2] for reason in TOLD_WEBHOOKS]
    assert told == [
        *((IN_GRPC, *how) for how in grpc),
        *((TO_WEBHOOKS, *how) for how in hooks),
        *rest,
    ]


def test_an_error_of_the_edge_says_its_reason_where_programs_look() -> None:
    """In gRPC two headers have it: tests/contract/test_edge_config.py reads what stands in them."""
    for it in REPLIES["mappers"]:
        if "body" in it:
            names = [added["header"]["key"] for added in it["headers_to_add"]]
            assert names == ["grpc-status", "grpc-status-details-bin"]
    said = [it for it in REPLIES["mappers"] if "body_format_override" in it]
    flat, spoken = said[: len(TOLD_WEBHOOKS)], said[len(TOLD_WEBHOOKS) :]
    for it, (reason, code) in zip(flat, TOLD_WEBHOOKS.items(), strict=True):
        told = it["body_format_override"]["json_format"]
        assert (told.keys(), told["reason"], told["code"]) == (
            {"code", "reason", "message"},
            reason,
            code,
        )
        assert it.get("headers_to_add") == (None if it.get("status_code") == 415 else SOON)
    for it, (reason, (_, _, number)) in zip(spoken, TOLD_BY.items(), strict=True):
        told = it["body_format_override"]["json_format"]
        (detail,) = told["details"]
        assert (told["code"], told["reason"]) == (number, reason)
        assert detail == {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "centralita.edge",
        }
        assert it.get("headers_to_add") == (SOON if reason == "RATE_LIMITED" else None)


def test_the_edge_answers_for_itself_at_these_paths_alone() -> None:
    for name in ("livez", "healthz"):
        asked = FILTERS[name]["typed_config"]["headers"]
        assert asked == [{"name": ":path", "string_match": {"exact": f"/{name}"}}]
    (counted,) = _manager(COUNTERS)["route_config"]["virtual_hosts"]
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    assert counted["domains"] == EVERYBODY["domains"] == ["*"]
    assert counted["routes"] == [
        {
            "match": {"path": "/metrics", "headers": [get]},
            "route": {"cluster": "admin", "prefix_rewrite": "/stats/prometheus"},
        }
    ]


def test_headers_that_only_the_edge_may_set_are_taken_off_and_set() -> None:
    assert HEADERS["request_headers_to_remove"] == ["x-jwt-payload"]
    said = {
        it["header"]["key"]: it["header"]["value"]
        for it in HEADERS["request_headers_to_add"] + HEADERS["response_headers_to_add"]
    }
    assert said == {
        "centralita-client-address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cache-control": "no-store",
    }


def test_who_signs_in_is_counted_for_themselves() -> None:
    network = {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}
    paths = r"/v1/session:signIn.*|/centralita\.directory\.v1\.SessionService/SignIn"
    sign_in = {
        "descriptor_key": "sign_in",
        "descriptor_value": "1",
        "headers": [{"name": ":path", "string_match": {"safe_regex": {"regex": paths}}}],
    }
    assert EVERYBODY["rate_limits"] == [
        {"actions": [network]},
        {"actions": [{"header_value_match": sign_in}, network]},
    ]
    counted = [it["entries"] for it in FILTERS["local_ratelimit"]["typed_config"]["descriptors"]]
    address = {"key": "masked_remote_address"}
    assert counted == [[address], [{"key": "sign_in", "value": "1"}, address]]


def test_the_log_says_what_was_asked_and_not_by_whom() -> None:
    """No query strings, no addresses, no user agents: they are, or may carry, personal data."""
    (log,) = DOOR["access_log"]
    assert log["filter"] == {"not_health_check_filter": {}}
    assert set(log["typed_config"]["log_format"]["json_format"].values()) == {
        *("%START_TIME%", "%REQ(:METHOD)%", "%PATH(NQ:ORIG_OR_PATH)%", "%RESPONSE_CODE%"),
        *("%GRPC_STATUS%", "%RESPONSE_CODE_DETAILS%", "%RESPONSE_FLAGS%", "%DURATION%"),
        *("%BYTES_RECEIVED%", "%BYTES_SENT%", "%UPSTREAM_CLUSTER%", "%REQ(TRACEPARENT)%"),
    }


def test_what_is_packed_is_refused_and_identity_is_not() -> None:
    (policy,) = FILTERS["rbac"]["typed_config"]["rules"]["policies"].values()
    identity = {"exact": "identity", "ignore_case": True}
    assert policy["permissions"] == [
        {
            "and_rules": {
                "rules": [
                    {"header": {"name": name, "present_match": True}},
                    {"not_rule": {"header": {"name": name, "string_match": identity}}},
                ]
            }
        }
        for name in ("content-encoding", "grpc-encoding")
    ]
