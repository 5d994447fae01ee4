"""What an answer of SQS that is no success means to the caller."""

import pytest

from headrace.events.sqs import fault
from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError, TransientError

QUEUE = "https://sqs.eu-central-1.amazonaws.com/1/events"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (None, "", TransientError),
        (500, "InternalFailure", TransientError),
        (503, "ServiceUnavailable", TransientError),
        (400, "RequestThrottled", TransientError),
        (400, "ThrottlingException", TransientError),
        (400, "KMS.ThrottlingException", TransientError),
        (403, "OverLimit", TransientError),
        (403, "ExpiredToken", TransientError),
        (400, "AWS.SimpleQueueService.NonExistentQueue", NotFoundError),
        (400, "QueueDoesNotExist", NotFoundError),
        (403, "AccessDenied", ConfigurationError),
        (403, "InvalidClientTokenId", ConfigurationError),
        (400, "AccessDeniedException", ConfigurationError),
        (400, "KMS.AccessDeniedException", ConfigurationError),
        (400, "KMS.DisabledException", ConfigurationError),
        (400, "KmsNotFound", ConfigurationError),
        (404, "InvalidAddress", ConfigurationError),
        (400, "AWS.SimpleQueueService.UnsupportedOperation", ConfigurationError),
        (400, "InvalidParameterValue", RejectedError),
        (400, "InvalidMessageContents", RejectedError),
    ],
)
def test_a_code_tells_what_the_caller_can_do(status: int | None, code: str, kind: type[Exception]) -> None:
    error = fault(QUEUE, status=status, code=code, detail="what it said")
    assert type(error) is kind
    assert QUEUE in str(error)
