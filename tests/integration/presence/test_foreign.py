"""What does not belong among leases and presences ends no replica."""

from services.kernel.bus import Bus
from tests.integration.presence.rig import Installation

KEYS = ("evil", "a.b", "a.b.c.d", "$x.y.z")
JUNK = (b"\xff", b"{}", b'{"stream":"SUBMISSIONS","seq":1}')


async def test_a_lease_of_nobody_ends_no_replica(rig: Installation, bus: Bus, tenant: str) -> None:
    """Presence ended at every start over it."""
    async with rig.replica() as it:
        ana = it.agent(tenant)
        for key in KEYS:
            await bus.js.publish(f"$KV.presence-leases.{key}")
        for junk in JUNK:
            await bus.js.publish(f"cc.{tenant}.presence.v1.presence.changed.ana", junk)
            await bus.js.publish(f"cc.{tenant}.directory.v1.presence-policy.changed.x", junk)
        assert (await ana.beat()).connected
    async with rig.replica() as it:
        assert (await it.agent(tenant).beat()).connected
