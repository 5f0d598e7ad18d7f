"""Every handler of every service is declared alike; none can drop what it fails on (R7)."""

import inspect
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from faststream import AckPolicy
from faststream.nats import NatsRouter
from faststream.nats.subscriber.usecases import PullStreamSubscriber

from services.kernel.consume import GIVE_UP_AFTER
from services.kernel.streams import read
from services.kernel.wire import covers

SERVICES = sorted(path.parent.name for path in Path("services").glob("*/handlers.py"))


def _routers(service: str) -> list[NatsRouter]:
    """Build what handlers.py builds, with stand-ins for the use cases."""
    made = []
    for build in vars(import_module(f"services.{service}.handlers")).values():
        if not inspect.isfunction(build) or build.__name__.startswith("_"):
            continue
        told = inspect.signature(build)
        if told.return_annotation in (NatsRouter, "NatsRouter"):
            made.append(build(**{name: MagicMock() for name in told.parameters}))
    return made


def _durable(subscriber: Any) -> str:
    return str(subscriber.config.durable_name)


# In one order: FastStream keeps them in a set, and parallel test runs compare what they collected.
DECLARED: list[tuple[str, Any]] = [
    (service, subscriber)
    for service in SERVICES
    for router in _routers(service)
    for subscriber in sorted(router.subscribers, key=_durable)
]
SUBSCRIBERS = [
    pytest.param(service, subscriber, id=f"{service}-{subscriber.config.durable_name}")
    for service, subscriber in DECLARED
]


@pytest.mark.parametrize("service", SERVICES)
def test_no_subscriber_escapes_these_tests(service: str) -> None:
    """Handlers are made by a function `-> NatsRouter`; a service may also only tail."""
    source = Path("services", service, "handlers.py").read_text()
    assert _routers(service) or "subscriber(" not in source


@pytest.mark.parametrize(("service", "subscriber"), SUBSCRIBERS)
class TestSubscriber:
    def test_it_settles_for_itself(self, service: str, subscriber: Any) -> None:
        """The framework's default, REJECT_ON_ERROR, drops the message on any exception."""
        assert subscriber.ack_policy is AckPolicy.MANUAL

    def test_it_pulls_from_a_durable_that_names_its_service(
        self, service: str, subscriber: Any
    ) -> None:
        assert isinstance(subscriber, PullStreamSubscriber)
        assert (subscriber.config.durable_name or "").startswith(f"{service}-")
        assert (subscriber.config.ack_wait or 0) >= 1

    def test_it_tries_more_than_once_but_not_for_ever(self, service: str, subscriber: Any) -> None:
        config = subscriber.config
        by_age = float((config.metadata or {}).get(GIVE_UP_AFTER, 0))
        assert by_age > 0 if config.max_deliver == -1 else config.max_deliver > 1

    def test_it_has_a_decoder_and_sends_no_reply(self, service: str, subscriber: Any) -> None:
        assert subscriber._call_options.decoder or subscriber.calls[0].item_decoder
        assert subscriber._no_reply

    def test_its_stream_keeps_what_it_listens_to(self, service: str, subscriber: Any) -> None:
        subjects = read()["streams"][subscriber.stream.name]["subjects"]
        assert any(covers(one, subscriber.config.filter_subject) for one in subjects)


def test_no_two_subscribers_share_a_durable() -> None:
    names = Counter((one.stream.name, one.config.durable_name) for _, one in DECLARED)
    assert not [name for name, count in names.items() if count > 1]
