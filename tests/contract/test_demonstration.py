"""The demonstration of compose can deliver a reply: it goes where its customer listens."""

import tomllib
from typing import Any
from urllib.parse import urlsplit

import yaml

from services.ingestion.settings import Settings
from services.kernel.env import from_env
from tests.deployed import compose
from tests.manifests import ROOT


def _services(file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())["services"]
    return found


def _ingestion(*files: str) -> Settings:
    """Return what ingestion reads when compose is given these files over its own."""
    environment = dict(compose()["ingestion"].environment)
    for file in files:
        environment |= _services(file)["ingestion"]["environment"]
    return from_env(Settings, environment)


def test_private_call_backs_are_for_the_demonstration_alone() -> None:
    assert not _ingestion().allow_private_callbacks
    assert _ingestion("docker-compose.demo.yml").allow_private_callbacks


def test_the_customer_listens_where_the_demonstration_s_account_calls_back() -> None:
    seed = tomllib.loads((ROOT / "deploy/seed/demo.toml").read_text())
    shop = seed["tenants"]["demo"]["channel_accounts"]["shop"]
    customer = _services("docker-compose.demo.yml")["customer"]
    script, *arguments = customer["command"]

    # The loopback that ingestion calls is the customer's own only in one network of both.
    assert customer["network_mode"] == "service:ingestion"
    assert urlsplit(shop["callback_url"]).netloc == "127.0.0.1:9009"
    example = (ROOT / script.removeprefix("/")).read_text()
    assert '"--listen", default="127.0.0.1:9009"' in example
    assert f'"{shop["secret"]}"' in example
    assert "./examples:/examples:ro" in customer["volumes"]
    assert arguments[:2] == ["--edge", "http://edge:8080"]
    assert "edge" in _services("docker-compose.yml")
