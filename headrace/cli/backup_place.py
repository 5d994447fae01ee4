"""Where backups lie, from the command line's words: a folder, or a bucket of an object store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import boto3
import typer
from botocore.exceptions import BotoCoreError

from headrace.backup.repository import Repository
from headrace.backup.shelf import FolderShelf
from headrace.backup.stored_shelf import StoredShelf
from headrace.cli.target import SCHEME, parse_location
from headrace.model.errors import ConfigurationError
from headrace.model.settings import StorageSettings
from headrace.storage.port import Storage
from headrace.storage.s3 import S3Storage

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="A folder, or s3://BUCKET/PREFIX of another object store.")
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        help="The address of TARGET's store. [default: what AWS_ENDPOINT_URL or the profile says, or AWS]"
    ),
]
Snapshot = Annotated[
    str | None, typer.Option(help="A backup's name, or how it begins. [default: the newest]")
]
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class OwnStore:
    """The store of the stack that is backed up. Without an endpoint it is AWS's, which outlives the stack."""

    settings: StorageSettings
    storage: Storage


@asynccontextmanager
async def opened(
    target: str, endpoint: str | None, *, writing: bool, own: OwnStore | None = None
) -> AsyncIterator[Repository]:
    """The place of backups while the block runs. Credentials come as they do for the AWS command line.

    Raises ConfigurationError for a place that can't be used, or that lies in the store of the stack itself.
    """
    if not target.startswith(SCHEME):
        shelf = FolderShelf(Path(target).resolve())
        async with shelf.held() if writing else shelf.shared():
            yield Repository(shelf)
        return
    place = parse_location(target)
    settings = read_credentials(target, endpoint)
    if own is not None and own.settings.endpoint.rstrip("/") == settings.endpoint.rstrip("/"):
        raise _own(target, settings)
    storage = S3Storage(settings)
    try:
        prefix = place.key if not place.key or place.key.endswith("/") else f"{place.key}/"
        stored = StoredShelf(storage, place.bucket, prefix)
        async with stored.held():
            # By a forward, a Service or a name the same store has another address.
            if writing and own is not None and own.settings.endpoint and await stored.lies_in(own.storage):
                raise _own(target, settings)
            yield Repository(stored)
    finally:
        await storage.close()


def _own(target: str, settings: StorageSettings) -> ConfigurationError:
    return ConfigurationError(
        f"{target} at {settings.endpoint} is in the very store that is to be backed up, and would be "
        "lost with it; name another store with --endpoint, or a folder"
    )


def read_credentials(target: str, endpoint: str | None) -> StorageSettings:
    """What boto3 finds in variables, profiles and the machine's own role. Raises ConfigurationError."""
    try:
        session = boto3.session.Session()  # type: ignore[no-untyped-call]  # boto3 has no types
        found = session.get_credentials()  # type: ignore[no-untyped-call]  # as above
        region = session.region_name or REGION
        client = session.client("s3", region_name=region)  # type: ignore[no-untyped-call]  # as above
    except BotoCoreError as error:
        raise ConfigurationError(f"{target}: the AWS configuration can't be used: {error}") from error
    if found is None:
        raise ConfigurationError(
            f"{target}: found no credentials, allowed those that the AWS command line takes; set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    frozen = found.get_frozen_credentials()
    return StorageSettings(
        endpoint=endpoint or client.meta.endpoint_url,
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token or "",
        region=session.region_name or REGION,
    )
