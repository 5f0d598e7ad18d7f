"""What compose and Kubernetes start: each process with its command, environment, files and probes.

Read from docker-compose.yml and from what `kubectl kustomize` renders, with secrets as
deploy/make_secrets.py makes them: nothing here is written down a second time.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy import make_secrets
from tests.manifests import ROOT, rendered

#: What an image runs before the arguments that a manifest gives it.
ENTRYPOINTS: Mapping[str, tuple[str, ...]] = {
    "centralita": ("python",),
    "nats": ("nats-server",),
    "otel/opentelemetry-collector-contrib": ("/otelcol-contrib",),
    "natsio/prometheus-nats-exporter": ("/prometheus-nats-exporter",),
    "prom/prometheus": ("/bin/prometheus",),
    "grafana/grafana": ("/run.sh",),
}


#: Programs of others that no test runs: tests/contract/test_commands.py has what they are told.
STRANGERS = frozenset({"otel-collector", "nats-exporter", "prometheus", "grafana"})


@dataclass(frozen=True)
class Http:
    """GET of a path at a port of the process."""

    path: str
    port: int


Probe = Http | tuple[str, ...]
"""A question of the health of a process: over HTTP, or a command run beside it."""


@dataclass(frozen=True)
class Process:
    """One process of an installation, as its manifest describes it."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, Path | Mapping[str, str]]
    """What lies at a path of the container: a path of ours, or the contents of a folder."""
    probes: Mapping[str, Probe]
    once: bool
    after: tuple[str, ...] = ()
    """Processes that it is started after."""
    before: tuple[tuple[str, ...], ...] = ()
    """Commands that run in its place first."""
    stop: tuple[str, ...] = ()
    """What is run before it is told to stop."""
    ports: Mapping[str, int] = field(default_factory=dict)


_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+):(?:\?[^}]*|-([^}]*))\}")


@cache
def compose(*over: str) -> Mapping[str, Process]:
    """Return what `docker compose --profile observe up` starts after `make secrets`.

    `over` names files that are given to compose over its own.
    """
    values = dict(line.split("=", 1) for line in make_secrets.compose())
    services: dict[str, Any] = {}
    for file in ("docker-compose.yml", *over):
        services = _laid_over(services, yaml.safe_load((ROOT / file).read_text())["services"])
    return {name: _of_compose(name, _filled(it, values)) for name, it in services.items()}


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables as compose does; no file of ours lays a list over another."""
    laid = {**below, **above}
    for key in below.keys() & above.keys():
        assert not isinstance(below[key], list), key
        if isinstance(below[key], Mapping):
            laid[key] = _laid_over(below[key], above[key])
    return laid


def _filled(it: Any, values: Mapping[str, str]) -> Any:
    """Put values for ${NAME:?...} and ${NAME:-default}, as compose does."""
    match it:
        case dict():
            return {key: _filled(value, values) for key, value in it.items()}
        case list():
            return [_filled(value, values) for value in it]
        case str():
            text = _VARIABLE.sub(lambda found: values.get(found[1]) or found[2], it)
            return text.replace("$$", "$")
    return it


def _of_compose(name: str, it: Mapping[str, Any]) -> Process:
    image = it["image"].partition(":")[0]
    entry = it.get("entrypoint") or ENTRYPOINTS[image]
    folders = [volume.split(":") for volume in it.get("volumes", ())]
    test = it.get("healthcheck", {}).get("test", ["NONE"])
    return Process(
        name=name,
        image=image,
        command=(*entry, *it.get("command", ())),
        environment={key: str(value) for key, value in it.get("environment", {}).items()},
        files={at: ROOT / ours for ours, at, *_ in folders if ours.startswith("./")},
        probes={"healthcheck": tuple(test[1:])} if test[0] == "CMD" else {},
        once=it.get("restart", "no") in {"no", "on-failure"},
        after=tuple(it.get("depends_on", ())),
    )


@cache
def kubernetes(path: str) -> Mapping[str, Process]:
    """Return what the pods of an overlay run, after `make_secrets.py kubernetes` was applied."""
    (text,) = make_secrets.kubernetes()
    secrets = {it["metadata"]["name"]: it["stringData"] for it in json.loads(text)["items"]}
    maps = {
        it["metadata"]["name"]: it["data"] for it in rendered(path) if it["kind"] == "ConfigMap"
    }
    return {
        it["metadata"]["name"]: _of_pod(it, secrets, maps)
        for it in rendered(path)
        if it["kind"] in {"Deployment", "StatefulSet", "Job"}
    }


def _of_pod(
    it: Mapping[str, Any],
    secrets: Mapping[str, Mapping[str, str]],
    maps: Mapping[str, Mapping[str, str]],
) -> Process:
    pod = it["spec"]["template"]["spec"]
    container, *_ = pod["containers"]  # beside it: the exporter of components/prometheus
    name, image = it["metadata"]["name"], container["image"].partition(":")[0]
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    mounted = {
        mount["mountPath"]: maps[volumes[mount["name"]]["configMap"]["name"]]
        for mount in container.get("volumeMounts", ())
        if "configMap" in volumes.get(mount["name"], {})
    }
    stop = container.get("lifecycle", {}).get("preStop", {}).get("exec", {})
    return Process(
        name=name,
        image=image.removeprefix("registry.example.com/"),
        command=(*(container.get("command") or _entry(image)), *container.get("args", ())),
        environment=dict(_told(container.get("env", ()), secrets, f"{name}-0")),
        files=mounted,
        probes=dict(_probes(container, ports)),
        once=it["kind"] == "Job",
        before=tuple(tuple(one["command"]) for one in pod.get("initContainers", ())),
        stop=tuple(stop.get("command", ())),
        ports=ports,
    )


def _entry(image: str) -> tuple[str, ...]:
    return ENTRYPOINTS[image.rpartition("registry.example.com/")[2]]


def _told(
    entries: Any, secrets: Mapping[str, Mapping[str, str]], pod: str
) -> Iterator[tuple[str, str]]:
    for entry in entries:
        match entry:
            case {"value": value}:
                yield entry["name"], value
            case {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}:
                yield entry["name"], secrets[name][key]
            case {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}:
                yield entry["name"], pod
            case _:
                raise NotImplementedError(entry)


def _probes(container: Mapping[str, Any], ports: Mapping[str, int]) -> Iterator[tuple[str, Probe]]:
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        match container.get(kind):
            case {"httpGet": {"path": path, "port": port}}:
                yield kind, Http(path, ports[port])
            case {"exec": {"command": command}}:
                yield kind, tuple(command)
