"""What a settings document may say of stores and queues, and what it leaves to the process."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from headrace.model.settings import Settings, SqsSettings, StorageSettings
from tests.unit.intake_bench import settings_with

QUEUE = "https://sqs.eu-central-1.amazonaws.com/111122223333/events"


@pytest.mark.parametrize(
    ("endpoint", "region", "address"),
    [
        ("http://10.0.0.1:9000", "eu-central-1", "http://10.0.0.1:9000"),
        ("", "us-east-1", "https://s3.us-east-1.amazonaws.com"),
        ("", "eu-central-1", "https://s3.eu-central-1.amazonaws.com"),
        ("", "us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com"),
        ("", "cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
        ("", "eusc-de-east-1", "https://s3.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_without_an_endpoint_the_store_is_awss_own_of_the_region(
    endpoint: str, region: str, address: str
) -> None:
    assert StorageSettings(endpoint=endpoint, region=region).address == address


@pytest.mark.parametrize(("access", "secret", "has_key"), [("a", "s", True), ("", "", False)])
def test_a_key_is_whole_or_the_processs_own(access: str, secret: str, has_key: bool) -> None:
    assert StorageSettings(access_key=access, secret_key=secret).has_key is has_key


@pytest.mark.parametrize(("given", "missing"), [("accessKey", "secretKey"), ("secretKey", "accessKey")])
def test_half_a_key_is_refused_by_name_and_not_shown(given: str, missing: str) -> None:
    document = json.loads(settings_with().to_json())
    document["storage"] = {given: "hush"}
    with pytest.raises(ValidationError, match=f"found {given} without {missing}") as refused:
        Settings.from_json(json.dumps(document))
    assert "hush" not in str(refused.value)


def sqs(**changed: Any) -> SqsSettings:
    given = {"queueUrl": QUEUE, "deadLetterUrl": f"{QUEUE}-dead", "region": "eu-central-1", **changed}
    return SqsSettings.from_json(json.dumps(given))


def test_the_usual_poll_is_the_longest_and_shorter_than_what_it_brings_is_hidden() -> None:
    found = sqs()
    assert (found.poll_seconds, found.receivers, found.visibility_seconds, found.endpoint) == (20, 4, 60, "")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"queueUrl": "events"}, "queueUrl"),
        ({"deadLetterUrl": ""}, "deadLetterUrl"),
        ({"deadLetterUrl": QUEUE}, "name two queues"),
        ({"queueUrl": f"{QUEUE}.fifo"}, "queueUrl is .*, a FIFO queue; it must be a standard queue"),
        ({"deadLetterUrl": f"{QUEUE}-dead.fifo"}, "deadLetterUrl is .*, a FIFO queue"),
        ({"region": ""}, "region"),
        ({"endpoint": "sqs.example"}, "endpoint"),
        ({"receivers": 0}, "receivers"),
        ({"receivers": 33}, "receivers"),
        ({"pollSeconds": 21}, "pollSeconds"),
        ({"visibilitySeconds": 4}, "visibilitySeconds"),
        ({"visibilitySeconds": 3601}, "visibilitySeconds"),
        ({"visibilitySeconds": 20}, "visibilitySeconds is 20; it must be more than pollSeconds, 20"),
        ({"accessKey": "a"}, "accessKey"),
    ],
)
def test_what_sqs_would_refuse_or_be_slow_with_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        sqs(**changed)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        sqs(queueUrl=f"{QUEUE}.fifo", deadLetterUrl=f"{QUEUE}-dead.fifo", visibilitySeconds=20)
    assert all(
        word in str(refused.value) for word in ("visibilitySeconds is", "queueUrl is", "deadLetterUrl is")
    )


def test_a_document_without_sqs_reads_none() -> None:
    assert settings_with().sqs is None
    assert settings_with(sqs=sqs().model_dump()).sqs == sqs()
