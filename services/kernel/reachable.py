"""Whether bus and store answer, as a metric: services wait for them, and somebody must know."""

from pymongo.monitoring import (
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyListener,
    TopologyOpenedEvent,
)

from .telemetry import meter


class Reachable:
    """Tells whether what this process needs is there: 1, or 0."""

    def __init__(self, upstream: str) -> None:
        self._gauge = meter().create_gauge("centralita.upstream.reachable")
        self._upstream = {"upstream": upstream}

    def tell(self, reachable: bool) -> None:  # noqa: FBT001 - it is what is told
        self._gauge.set(int(reachable), self._upstream)


class StoreReachable(TopologyListener):
    """Follows what the driver finds out by itself: whether there is a server that takes writes."""

    def __init__(self) -> None:
        self._told = Reachable("mongodb")

    def opened(self, event: TopologyOpenedEvent) -> None:  # noqa: ARG002 - as the driver calls it
        self._told.tell(False)

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        self._told.tell(event.new_description.has_writable_server())

    def closed(self, event: TopologyClosedEvent) -> None:
        """Nothing is needed any more."""
