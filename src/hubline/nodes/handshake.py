"""How two nodes prove to each other that they know the secret, before anything else is sent on a link.

Each signs both nonces, its role, and the address that was dialed. So a proof is valid only once, only in this
direction, and only at this node.
"""

import os
from hmac import compare_digest
from typing import Protocol

from hubline.nodes.frames import Kind, frame
from hubline.nodes.tokens import NONCE, Secrets

VERSION = b"hubline-nodes/1\n"
DIALER, ACCEPTOR = b"dialer", b"acceptor"


class Untrusted(ValueError):
    """The peer has not proved that it knows the secret, or is not a node."""


class Handshake(Protocol):
    """One end of it, without I/O."""

    done: bool
    """Whether the peer has proved that it knows the secret."""

    def begin(self) -> bytes:
        """What is sent first, perhaps nothing."""

    def received(self, kind: int, payload: bytes) -> bytes:
        """The answer to a frame. Raises `Untrusted`."""


class DialerHandshake:
    """The end that has opened the connection to `address`."""

    def __init__(self, secrets: Secrets, address: str) -> None:
        self.done = False
        self._secrets, self._address = secrets, address
        self._nonces = b""

    def begin(self) -> bytes:
        return b""

    def received(self, kind: int, payload: bytes) -> bytes:
        if kind == Kind.HELLO and not self._nonces:
            if payload[:-NONCE] != VERSION:
                raise Untrusted("it has another version of the protocol, or is not a node")
            own = os.urandom(NONCE)
            self._nonces = payload[-NONCE:] + own
            return frame(Kind.PROOF, 0, own + self._secrets.prove(DIALER, self._nonces, self._address))
        expected = self._secrets.prove(ACCEPTOR, self._nonces, self._address)
        if kind == Kind.PROOF and self._nonces and compare_digest(payload, expected):
            self.done = True
            return b""
        raise Untrusted("it does not know the secret")


class AcceptorHandshake:
    """The end that was dialed, at its own `address`."""

    def __init__(self, secrets: Secrets, address: str) -> None:
        self.done = False
        self._secrets, self._address = secrets, address
        self._nonce = os.urandom(NONCE)

    def begin(self) -> bytes:
        return frame(Kind.HELLO, 0, VERSION + self._nonce)

    def received(self, kind: int, payload: bytes) -> bytes:
        if kind != Kind.PROOF:
            raise Untrusted("it is not a node")
        nonces, proof = self._nonce + payload[:NONCE], payload[NONCE:]
        which = self._secrets.which(DIALER, nonces, self._address, proof)
        if which is None:
            raise Untrusted("it does not know the secret, or was given the address of another node")
        self.done = True
        return frame(Kind.PROOF, 0, self._secrets.prove(ACCEPTOR, nonces, self._address, like=which))
