"""What the shared secret does: it encrypts connection tokens, and proves that both ends of a link know it.

Encrypt-then-MAC with HMAC-SHA256 alone, which the standard library has: a token is short, and is made once for each
connection. The random id is the nonce, so no keystream is used twice.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hmac import compare_digest, digest

ID, TAG, BLOCK = 16, 16, 32
"""Bytes of the random id, of the authentication tag, and of one block of the keystream."""

NONCE = 16
"""Bytes of a nonce in the handshake of a link."""

LONGEST = 512
"""Characters of a token. A longer one is not decrypted: no node has made it."""


class _Keys:
    """The keys that are derived from one secret."""

    def __init__(self, secret: str) -> None:
        self.encryption, self.authentication, self.link = (
            digest(secret.encode(), f"hubline node {use}".encode(), "sha256") for use in ("token", "tag", "link")
        )

    def crypt(self, identifier: bytes, data: bytes) -> bytes:
        """Encrypt or decrypt."""
        blocks = -(-len(data) // BLOCK)
        stream = b"".join(digest(self.encryption, identifier + bytes([n]), "sha256") for n in range(blocks))
        return bytes(a ^ b for a, b in zip(data, stream, strict=False))

    def tag(self, sealed: bytes) -> bytes:
        return digest(self.authentication, sealed, "sha256")[:TAG]

    def proof(self, role: bytes, nonces: bytes, address: str) -> bytes:
        return digest(self.link, role + nonces + address.encode(), "sha256")


class Secrets:
    """The shared secrets. The first makes tokens and proofs; all are accepted."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [_Keys(each) for each in secrets]

    def token(self, address: str) -> str:
        """A new connection token that names a node. The secret is needed to read or make one."""
        keys, identifier = self._keys[0], os.urandom(ID)
        sealed = identifier + keys.crypt(identifier, address.encode())
        return urlsafe_b64encode(sealed + keys.tag(sealed)).rstrip(b"=").decode("ascii")

    def address(self, token: str) -> str | None:
        """The node that a token names. `None` if it was not made with one of the secrets."""
        if len(token) > LONGEST:
            return None
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError:  # also a UnicodeEncodeError
            return None
        sealed, tag = raw[:-TAG], raw[-TAG:]
        if len(sealed) <= ID or urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != token:
            return None
        for keys in self._keys:
            if compare_digest(keys.tag(sealed), tag):
                return keys.crypt(sealed[:ID], sealed[ID:]).decode()
        return None

    def prove(self, role: bytes, nonces: bytes, address: str, *, like: int = 0) -> bytes:
        """A proof with the first secret, or with the one that the peer has used."""
        return self._keys[like].proof(role, nonces, address)

    def which(self, role: bytes, nonces: bytes, address: str, proof: bytes) -> int | None:
        """The index of the secret with which a proof was made; `None` if there is none."""
        found = [compare_digest(keys.proof(role, nonces, address), proof) for keys in self._keys]
        return found.index(True) if True in found else None
