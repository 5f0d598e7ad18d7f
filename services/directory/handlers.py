"""The directory listens to nobody: it is where the configuration of the others begins."""

from faststream.nats import NatsRouter


def handlers() -> NatsRouter:
    return NatsRouter()
