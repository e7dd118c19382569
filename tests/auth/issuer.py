"""An issuer of tokens as OpenID providers are: keys of its own, published at an address."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Issuer:
    """Signs with ES256. `add_key` begins to sign with another key; all keys are in `document`."""

    def __init__(self) -> None:
        self.keys: dict[str, EllipticCurvePrivateKey] = {}
        self.current = ""
        self.add_key("first")

    def add_key(self, key_id: str) -> None:
        self.keys[key_id] = generate_private_key(SECP256R1())
        self.current = key_id

    @property
    def pem(self) -> bytes:
        """The public key it signs with."""
        return self.keys[self.current].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def document(self) -> bytes:
        published: list[dict[str, Any]] = []
        for key_id, key in self.keys.items():
            public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
            published.append({**public, "kid": key_id, "use": "sig", "alg": "ES256"})
        return json.dumps({"keys": published}).encode()

    def token(self, subject: str = "ada", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        payload = {"sub": subject, "exp": time.time() + 60, **claims}
        return jwt.encode(payload, self.keys[self.current], "ES256", headers={"kid": self.current, **(headers or {})})


@contextmanager
def served(answer: Any, *, status: int = 200, location: str = "") -> Iterator[str]:
    """`answer()`, bytes or pieces of them, at an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.end_headers()
            for piece in answer():
                self.wfile.write(piece)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
