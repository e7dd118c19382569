"""Hubline: real-time channels for AI chat. A hub server that speaks the SignalR protocol, for any ASGI application."""

from hubline.app import HubApp
from hubline.auth.policies import PolicyContext, all_of, allow_anonymous, any_of, authorize
from hubline.connection import AuthenticationRefresh, ConnectionScope, Identity, Transport, TransportConnection
from hubline.errors import (
    BackplaneError,
    BindingError,
    ConfigurationError,
    ConnectionClosed,
    HandshakeError,
    HubError,
    HublineError,
    InvocationError,
    KeepAliveTimeout,
    MessageTooLarge,
    NegotiationError,
    RemoteProtocolError,
    SendTimeout,
    SendTooLarge,
    SlowConsumerError,
)
from hubline.nodes.settings import Nodes
from hubline.publishing import BlockingPublisher, Publisher
from hubline.routes import ConnectionRoute, HubRoute
from hubline.server.clients import Client, HubCallerClients, HubClients
from hubline.server.context import HubCallerContext
from hubline.server.decorators import hidden, hub_method
from hubline.server.filters import HubFilter, InvocationContext, filtered
from hubline.server.hub import Hub, HubContext
from hubline.server.invocations import Cancellation
from hubline.server.options import HubOptions
from hubline.server.parameters import Depends
from hubline.server.ports import GroupManager, GroupMember
from hubline.server.recipients import All, Connections, Groups, Users
from hubline.server.send_filters import OutgoingMessage
from hubline.transports.options import TransportOptions
from hubline.wire.codec import TransferFormat
from hubline.wire.encoded import Encoded
from hubline.wire.packet import Packet

__all__ = [
    "All",
    "AuthenticationRefresh",
    "BackplaneError",
    "BindingError",
    "BlockingPublisher",
    "Cancellation",
    "Client",
    "ConfigurationError",
    "ConnectionClosed",
    "ConnectionRoute",
    "ConnectionScope",
    "Connections",
    "Depends",
    "Encoded",
    "GroupManager",
    "GroupMember",
    "Groups",
    "HandshakeError",
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
    "NegotiationError",
    "Nodes",
    "OutgoingMessage",
    "Packet",
    "PolicyContext",
    "Publisher",
    "RemoteProtocolError",
    "SendTimeout",
    "SendTooLarge",
    "SlowConsumerError",
    "TransferFormat",
    "Transport",
    "TransportConnection",
    "TransportOptions",
    "Users",
    "all_of",
    "allow_anonymous",
    "any_of",
    "authorize",
    "filtered",
    "hidden",
    "hub_method",
]
