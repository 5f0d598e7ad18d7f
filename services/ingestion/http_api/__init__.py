"""HTTP in: the webhook of connectors and the chat of visitors."""

from .channels import channel_routes
from .webchat import cross_origin, webchat_routes

__all__ = ["channel_routes", "cross_origin", "webchat_routes"]
