"""What an answer of the store means to the caller."""

import pytest

from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from headrace.storage.endpoint import loopback_host
from headrace.storage.faults import DETAIL_LENGTH, fault


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (None, "", TransientError),
        (500, "InternalError", TransientError),
        (503, "SlowDown", TransientError),
        (408, "", TransientError),
        (429, "", TransientError),
        (400, "RequestTimeout", TransientError),
        (400, "ExpiredToken", TransientError),
        (409, "OperationAborted", TransientError),
        (409, "ConditionalRequestConflict", TransientError),
        (409, "ExistingObjectIsDirectory", RejectedError),
        (400, "KeyTooLongError", RejectedError),
        (405, "MethodNotAllowed", RejectedError),
        (501, "NotImplemented", RejectedError),
        (404, "NoSuchKey", NotFoundError),
        (404, "NoSuchBucket", NotFoundError),
        (412, "PreconditionFailed", ChangedError),
        (401, "", ConfigurationError),
        (403, "SignatureDoesNotMatch", ConfigurationError),
        (301, "PermanentRedirect", ConfigurationError),
    ],
)
def test_a_status_tells_what_the_caller_can_do(status: int | None, code: str, kind: type[Exception]):
    error = fault("s3://b/k", status=status, code=code, detail="said\nmore")
    assert type(error) is kind
    assert "s3://b/k" in str(error)
    assert "more" not in str(error), "only the first line of what the library says"


def test_a_message_stays_short():
    assert len(str(fault("s3://b/k", status=500, code="", detail="x" * 10_000))) < DETAIL_LENGTH + 200


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("http://127.0.0.1:8333", "127.0.0.1"),
        ("http://localhost:8333", "localhost"),
        ("http://[::1]:8333", "::1"),
        ("https://s3.eu-west-1.amazonaws.com", None),
        ("http://10.0.0.1:8333", None),
        ("http://localhost.example:80", None),
    ],
)
def test_only_this_machine_is_without_proxy(endpoint: str, host: str | None):
    assert loopback_host(endpoint) == host
