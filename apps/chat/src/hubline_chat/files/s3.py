"""Files in a bucket with the protocol of S3, through obstore (object_store of Apache Arrow, in Rust)."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from hubline_chat.files.storage import CHUNK_BYTES, FileMissing

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Config

RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}


class BucketStorage:
    """Files in one bucket. Its errors are OSErrors; their texts may name the address, so they are only logged."""

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        key_id: str | None = None,
        secret: str | None = None,
    ) -> None:
        """Without `endpoint` it is Amazon's; without a key, what the environment has (`AWS_…`, roles of a machine)."""
        config: S3Config = {"disable_bulk_delete": True}  # not all servers have it, and files go one by one
        if endpoint is not None:
            config["endpoint"] = endpoint
        if region is not None:
            config["region"] = region
        if key_id is not None and secret is not None:
            config["access_key_id"], config["secret_access_key"] = key_id, secret
        is_plain = endpoint is not None and endpoint.startswith("http://")
        self._store = S3Store(
            bucket, prefix=prefix or None, config=config, client_options={"allow_http": is_plain}, retry_config=RETRIES
        )

    async def put(self, key: str, source: Path) -> None:
        """See `Storage.put`."""
        try:
            await obstore.put_async(self._store, key, source)
        except BaseError as error:
            raise _failure(error) from error

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """See `Storage.read`."""
        try:
            found = await obstore.get_async(self._store, key)
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        except (NotFoundError, FileNotFoundError) as error:
            raise FileMissing(key) from error
        except BaseError as error:
            raise _failure(error) from error

    async def delete(self, key: str) -> None:
        """See `Storage.delete`."""
        try:
            await obstore.delete_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            pass
        except BaseError as error:
            raise _failure(error) from error


def _failure(error: BaseError) -> OSError:
    """An error with its first line: the rest is for debugging."""
    return OSError(str(error).partition("\n")[0])
