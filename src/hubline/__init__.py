"""Hubline: real-time channels for AI chat. A hub server that speaks the SignalR protocol, for any ASGI application."""

from hubline.app import HubApp
from hubline.auth.policies import PolicyContext, all_of, allow_anonymous, any_of, authorize
from hubline.connection import AuthenticationRefresh, ConnectionScope, Identity, Transport, TransportConnection
from hubline.errors import (
    BindingError,
    ConfigurationError,
    ConnectionClosed,
    HubError,
    HublineError,
    InvocationError,
    KeepAliveTimeout,
    MessageTooLarge,
    RemoteProtocolError,
    SendTimeout,
    SendTooLarge,
    SlowConsumerError,
)
from hubline.routes import ConnectionRoute, HubRoute
from hubline.server.clients import Client, HubCallerClients, HubClients
from hubline.server.context import HubCallerContext
from hubline.server.filters import HubFilter, InvocationContext, filtered
from hubline.server.hub import GroupManager, Hub, HubContext
from hubline.server.invocations import Cancellation
from hubline.server.marks import hidden, hub_method
from hubline.server.options import HubOptions
from hubline.server.parameters import Depends
from hubline.transports.options import TransportOptions
from hubline.wire.codec import TransferFormat
from hubline.wire.packet import Packet

__all__ = [
    "AuthenticationRefresh",
    "BindingError",
    "Cancellation",
    "Client",
    "ConfigurationError",
    "ConnectionClosed",
    "ConnectionRoute",
    "ConnectionScope",
    "Depends",
    "GroupManager",
    "Hub",
    "HubApp",
    "HubCallerClients",
    "HubCallerContext",
    "HubClients",
    "HubContext",
    "HubError",
    "HubFilter",
    "HubOptions",
    "HubRoute",
    "HublineError",
    "Identity",
    "InvocationContext",
    "InvocationError",
    "KeepAliveTimeout",
    "MessageTooLarge",
    "Packet",
    "PolicyContext",
    "RemoteProtocolError",
    "SendTimeout",
    "SendTooLarge",
    "SlowConsumerError",
    "TransferFormat",
    "Transport",
    "TransportConnection",
    "TransportOptions",
    "all_of",
    "allow_anonymous",
    "any_of",
    "authorize",
    "filtered",
    "hidden",
    "hub_method",
]
