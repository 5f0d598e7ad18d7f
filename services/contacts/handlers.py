"""What contacts does when the rest of the system speaks: nothing, it is only asked."""

from faststream.nats import NatsRouter


def handlers() -> NatsRouter:
    return NatsRouter()
