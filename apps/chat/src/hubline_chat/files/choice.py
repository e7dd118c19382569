"""The storage that the settings name."""

from hubline import ConfigurationError
from hubline_chat.files.storage import DiskStorage, Storage
from hubline_chat.settings import ChatSettings

SCHEME = "s3://"


def storage_of(settings: ChatSettings) -> Storage:
    """Where files are kept.

    Raises:
        ConfigurationError: it is a bucket, and obstore is not installed.
    """
    if settings.files is None or not settings.files.startswith(SCHEME):
        return DiskStorage(settings.files_directory)
    try:
        from hubline_chat.files.s3 import BucketStorage
    except ImportError as error:
        problem = "HUBLINE_CHAT_FILES names a bucket, which needs obstore: pip install 'hubline[s3]'"
        raise ConfigurationError([problem]) from error
    bucket, _, prefix = settings.files.removeprefix(SCHEME).partition("/")
    return BucketStorage(
        bucket,
        prefix=prefix.strip("/"),
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        key_id=settings.s3_key_id,
        secret=None if settings.s3_key is None else settings.s3_key.get_secret_value(),
    )
