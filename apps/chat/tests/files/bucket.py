"""A stand-in for a server with the protocol of S3: what object_store asks of one, and no more."""

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=key/\d{8}/eu-test-1/s3/aws4_request, SignedHeaders=.*, Signature=\w+")


class Bucket:
    """`objects` by their paths, bucket included. Requests that are not signed with the key are refused."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.is_broken = False
        self._parts: dict[str, dict[int, bytes]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.is_broken:
            return web.Response(status=403, text=_error("AccessDenied"))
        if SIGNED.fullmatch(request.headers.get("authorization", "")) is None:
            return web.Response(status=403, text=_error("SignatureDoesNotMatch"))
        path = request.path
        match request.method:
            case "PUT" if "partNumber" in request.query:
                part = await request.read()
                self._parts[request.query["uploadId"]][int(request.query["partNumber"])] = part
                return web.Response(headers={"etag": _etag(part)})
            case "PUT":
                self.objects[path] = await request.read()
                return web.Response(headers={"etag": _etag(self.objects[path])})
            case "POST" if "uploads" in request.query:
                upload = str(len(self._parts))
                self._parts[upload] = {}
                return web.Response(text=f"<R><UploadId>{upload}</UploadId></R>", content_type="application/xml")
            case "POST":
                parts = self._parts.pop(request.query["uploadId"])
                self.objects[path] = b"".join(parts[number] for number in sorted(parts))
                return web.Response(text=f"<R><ETag>{_etag(self.objects[path])}</ETag></R>")
            case "GET" if path in self.objects:
                content = self.objects[path]
                when = {"etag": _etag(content), "last-modified": "Sun, 29 Nov 2026 08:00:00 GMT"}
                return web.Response(body=content, headers=when)
            case "DELETE":
                self.objects.pop(path, None)
                return web.Response(status=204)
        return web.Response(status=404, text=_error("NoSuchKey"))


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Bucket, str]]:
    """A bucket, and the address of its server."""
    bucket = Bucket()
    app = web.Application(client_max_size=100_000_000)
    app.router.add_route("*", "/{path:.*}", bucket.answer)
    async with TestServer(app) as server:
        yield bucket, str(server.make_url("")).rstrip("/")


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>"
