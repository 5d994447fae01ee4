"""Collects what a run left behind with a plain S3 client. Shares no code with the system, like the oracle."""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import urllib3
from botocore.config import Config

from tests.e2e.oracle import Evidence, Upload

THREADS = 4


def plain_client(endpoint: str, access_key: str, secret_key: str) -> Any:
    """An S3 client that repeats nothing by itself, so that its caller knows what was acknowledged."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4",
            retries={"max_attempts": 0},
            max_pool_connections=2 * THREADS,
            connect_timeout=5,
            read_timeout=60,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _list(client: Any, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", ())


def list_keys(client: Any, bucket: str, prefix: str = "") -> list[str]:
    """Every key below a prefix."""
    return [item["Key"] for item in _list(client, bucket, prefix)]


def read_journal(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The lines that the functions appended; none where nothing started."""
    return tuple(json.loads(line) for line in path.read_text().splitlines()) if path.exists() else ()


class Collector:
    """Reads all that a run left, after it has come to rest. What is listed unchanged is not read twice."""

    def __init__(self, client: Any, *, platform: str, result_buckets: Iterable[str], journal: Path) -> None:
        self._client = client
        self._platform = platform
        self._result_buckets = tuple(result_buckets)
        self._journal = journal
        self._pool = urllib3.PoolManager(maxsize=THREADS, retries=False)
        self._read: dict[tuple[str, ...], bytes] = {}

    def gather(self, uploads: Iterable[Upload]) -> Evidence:
        """The evidence for the oracle."""
        results = {
            (bucket, key): body
            for bucket in self._result_buckets
            for key, body in self._read_all(bucket).items()
        }
        return Evidence(
            uploads=tuple(uploads),
            records=self._read_all(self._platform, "records/"),
            failures=frozenset(list_keys(self._client, self._platform, "failures/")),
            results=results,
            journal=read_journal(self._journal),
        )

    def _read_all(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        found = [(bucket, item["Key"], item["ETag"]) for item in _list(self._client, bucket, prefix)]
        with ThreadPoolExecutor(THREADS) as threads:
            return dict(zip((key for _, key, _ in found), threads.map(self._read_once, found), strict=True))

    def _read_once(self, found: tuple[str, str, str]) -> bytes:
        if found not in self._read:
            bucket, key, etag = found
            url = self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
            answer = self._pool.request("GET", url)
            if (answer.status, answer.headers["ETag"]) != (200, etag):
                raise RuntimeError(
                    f"s3://{bucket}/{key}: status {answer.status}; it changes while it is read"
                )
            self._read[found] = answer.data
        return self._read[found]
