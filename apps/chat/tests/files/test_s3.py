"""Files in a bucket, with a stand-in for its server."""

from pathlib import Path

import pytest

from apps.chat.tests.files import bucket
from apps.chat.tests.files.test_files import got, put, send, uploaded
from apps.chat.tests.harness import chat, settings
from hubline_chat.files.choice import storage_of
from hubline_chat.files.s3 import BucketStorage
from hubline_chat.files.storage import DiskStorage, FileMissing

LARGE = bytes(range(256)) * 30_000
"""More than one part of an upload."""


async def test_files_are_kept_in_a_bucket(tmp_path: Path) -> None:
    async with bucket.serving() as (server, url):
        where = {"files": "s3://mine/chat", "s3_endpoint": url, "s3_region": "eu-test-1"}
        async with chat(data=tmp_path, s3_key_id="key", s3_key="secret", **where) as under_test:
            ada, adas = await under_test.enter("Ada"), await under_test.guest("Ada")
            file = await uploaded(adas, "large.bin", LARGE)
            assert server.objects == {f"/mine/chat/{file['id']}": LARGE}
            message = await send(ada, [file])
            assert (await got(adas, file)).content == LARGE
            server.is_broken = True
            assert (await got(adas, file)).status_code == 503
            assert (await put(adas, "more.txt", b"more")).status_code == 503
            await ada.client.invoke("DeleteMessage", message["id"])
            server.is_broken = False
            assert (await got(adas, file)).status_code == 404
            await under_test.chat.files.tidy()
            assert server.objects == {}
        assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


async def test_a_file_that_is_not_in_the_bucket_is_missing() -> None:
    async with bucket.serving() as (_, url):
        storage = BucketStorage("mine", endpoint=url, region="eu-test-1", key_id="key", secret="secret")
        with pytest.raises(FileMissing):
            await anext(storage.read("nothing"))
        await storage.delete("nothing")


def test_the_settings_name_the_storage(tmp_path: Path) -> None:
    assert isinstance(storage_of(settings(tmp_path)), DiskStorage)
    assert settings(tmp_path).files_directory == tmp_path / "files"
    beside = settings(tmp_path, database=f"sqlite:///{tmp_path / 'there' / 'chat.db'}")
    assert beside.files_directory == tmp_path / "there" / "files"
    assert settings(tmp_path, files=str(tmp_path / "f")).files_directory == tmp_path / "f"
    for wrong in ({"files": "gs://mine"}, {"files": "s3://"}, {"s3_key_id": "key"}):
        with pytest.raises(ValueError, match="HUBLINE_CHAT_"):
            settings(tmp_path, **wrong)
