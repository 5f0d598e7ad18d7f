"""Each service with a method that takes a request_id is walked by a test of its own."""

from pathlib import Path

from tests.request_ids import TAKING_AN_ID, taking_an_id
from tests.upstreams import SERVICES

INTEGRATION = Path(__file__).parents[1] / "integration"


def test_no_service_that_takes_request_ids_goes_unasked() -> None:
    taking = {service for service in SERVICES if taking_an_id(service)}
    asked = {path.parent.name for path in INTEGRATION.glob("*/test_request_ids.py")}
    assert asked == taking
    assert sum(len(taking_an_id(service)) for service in taking) == len(TAKING_AN_ID)


def test_the_walk_finds_ids_also_within_another_message() -> None:
    names = {path.rpartition("/")[2] for path in TAKING_AN_ID}
    assert names > {"Reply", "CloseConversation", "AcceptOffer", "SubmitForTenant"}
