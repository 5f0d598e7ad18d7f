"""The edge of every installation, moved to this machine: addresses, paths, and proxies in front."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "deploy/envoy/envoy.yaml"
DESCRIPTORS = ROOT / "proto/gen/centralita.binpb"

# Where deploy/envoy/envoy.yaml has its own things; the services are at their names.
LISTENER, METRICS, ADMIN = "0.0.0.0:8080", "0.0.0.0:9902", "127.0.0.1:9901"


def moved(config: Any, places: Mapping[str, str]) -> Any:
    """Return the configuration with each `host:port` put where `places` says.

    Raises KeyError for an address that has no place: a cluster must not be forgotten.
    """
    match config:
        case {"address": str(host), "port_value": int(port), **others}:
            new_host, _, new_port = places[f"{host}:{port}"].rpartition(":")
            return {**others, "address": new_host, "port_value": int(new_port)}
        case dict():
            return {key: moved(value, places) for key, value in config.items()}
        case list():
            return [moved(value, places) for value in config]
        case str(path) if path.startswith("/etc/centralita/"):
            return str(DESCRIPTORS.with_name(Path(path).name))
    return config


def rendered(places: Mapping[str, str], trusted_hops: int = 0) -> str:
    """Return deploy/envoy/envoy.yaml for these places, in the JSON that Envoy reads too."""
    config = moved(yaml.safe_load(CONFIG.read_text()), places)
    (filters,) = config["static_resources"]["listeners"][0]["filter_chains"]
    filters["filters"][0]["typed_config"]["xff_num_trusted_hops"] = trusted_hops
    return json.dumps(config, indent=1)


def written(path: Path, places: Mapping[str, str], trusted_hops: int = 0) -> Path:
    """Write it down, and return where."""
    path.write_text(rendered(places, trusted_hops))
    return path
