"""What the store's answers to the making and removing of a bucket mean, on a client that plays them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from headrace.model.errors import ChangedError, NotFoundError
from headrace.storage.buckets import Buckets
from headrace.storage.listing import Page


class Played:
    """A client and the boto3 client in it: the bucket is there or not, and one call answers as it is told."""

    def __init__(self, *, there: bool, code: str = "", retries: int = 0) -> None:
        self.there, self.code, self.retries = there, code, retries
        self.wishes: list[dict[str, Any]] = []

    async def call(self, what: str, operation: Any) -> Any:
        return operation(self)

    def head_bucket(self, **wish: Any) -> None:
        if not self.there:
            raise NotFoundError(f"{wish['Bucket']} is not there")

    def get_bucket_versioning(self, **_: Any) -> dict[str, str]:
        return {}

    def list_objects_v2(self, **wish: Any) -> dict[str, Any]:
        self.head_bucket(**wish)
        return {"HeadracePage": Page((), None)}

    def create_bucket(self, **wish: Any) -> None:
        self._answer(wish)

    def delete_bucket(self, **wish: Any) -> None:
        self._answer(wish)

    def _answer(self, wish: dict[str, Any]) -> None:
        self.wishes.append(wish)
        if self.code:
            metadata = {"HTTPStatusCode": 409, "RetryAttempts": self.retries}
            raise ClientError({"Error": {"Code": self.code}, "ResponseMetadata": metadata}, "Bucket")


@pytest.mark.parametrize(
    ("code", "retries", "is_ours"),
    [
        ("", 0, True),
        ("BucketAlreadyOwnedByYou", 0, False),
        ("BucketAlreadyExists", 0, False),
        ("BucketAlreadyOwnedByYou", 1, True),  # sent twice: the first may have made it
    ],
)
async def test_who_made_a_bucket_is_told_by_the_stores_answer(code: str, retries: int, is_ours: bool):
    client = Played(there=False, code=code, retries=retries)
    assert await Buckets(client, "us-east-1").ensure("b") is is_ours
    assert client.wishes == [{"Bucket": "b"}]


async def test_a_bucket_that_is_there_is_not_made():
    client = Played(there=True)
    assert await Buckets(client, "us-east-1").ensure("b") is False
    assert client.wishes == []


async def test_elsewhere_than_in_its_first_region_the_store_wants_to_hear_which():
    client = Played(there=False)
    await Buckets(client, "eu-central-1").ensure("b")
    region = {"LocationConstraint": "eu-central-1"}
    assert client.wishes == [{"Bucket": "b", "CreateBucketConfiguration": region}]


async def test_a_bucket_that_the_store_finds_full_after_all_has_changed():
    client = Played(there=True, code="BucketNotEmpty")
    with pytest.raises(ChangedError, match=r"bucket b is not deleted: .*BucketNotEmpty.* empty it first"):
        await Buckets(client, "us-east-1").remove("b")


async def test_any_other_refusal_to_remove_a_bucket_is_the_stores():
    client = Played(there=True, code="OperationAborted")
    with pytest.raises(ClientError, match="OperationAborted"):
        await Buckets(client, "us-east-1").remove("b")


async def test_a_bucket_that_is_gone_is_not_removed_again():
    client = Played(there=False)
    await Buckets(client, "us-east-1").remove("b")
    assert client.wishes == []
