"""What only the installation's own services may call refuses what makes no sense, too."""

import pytest

from tests.fuzz import of_other_services, tried
from tests.integration.conversations.rig import Rig
from tests.tokens import bearer
from tests.upstreams import methods


@pytest.mark.parametrize(("path", "service"), of_other_services("conversations"))
async def test_no_request_of_a_service_makes_a_method_fail(
    rig: Rig, path: str, service: str
) -> None:
    known = {"tenant_id": rig.tenant, "queue_id": "sales", "request_id": "r-1"}
    token = bearer(rig.issuer.service(service))
    sent, failures = await tried(rig.channel, path, methods()[path], known, token)
    assert not failures
    assert sent > 30
