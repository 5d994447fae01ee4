"""The port MessageQueue on Amazon SQS, by boto3 in threads of its own: a poll takes one for 20 seconds."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from headrace.events.messages import AT_ONCE, Left, Message, attributes_of, wait_seconds
from headrace.model.errors import (
    ConfigurationError,
    HeadraceError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from headrace.model.settings import SqsSettings
from headrace.storage.credentials import own_session
from headrace.storage.endpoint import CONNECT_SECONDS, RETRIES, loopback_host

ANSWER_SECONDS = 10  # beyond the time that a poll waits
_RECEIVES, _SENT = "ApproximateReceiveCount", "SentTimestamp"
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html and each call's own
# Some have a service's name before them, which is left out here.
_MISSING = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
_PASSING = frozenset(
    {"RequestThrottled", "ThrottlingException", "KmsThrottled", "OverLimit", "RequestExpired"}
    | {"ExpiredToken", "ExpiredTokenException"}  # the key is renewed before the next try
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "UnrecognizedClientException"}
    | {"SignatureDoesNotMatch", "InvalidSecurity", "InvalidAddress", "UnsupportedOperation"}
)


class SqsQueue:
    """See the port. Credentials are the process's own."""

    def __init__(self, settings: SqsSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._made: Any = None  # boto3 builds its clients' classes at run time
        # As many again as poll, so that what a poll brought is never kept waiting by the others' polls.
        self._threads = ThreadPoolExecutor(2 * settings.receivers, thread_name_prefix="sqs")

    async def check(self) -> None:
        """See the port."""
        for url in (self._settings.queue_url, self._settings.dead_letter_url):
            await self._ask("get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])

    async def receive(self) -> Sequence[Message]:
        """See the port."""
        answer = await self._ask(
            "receive_message",
            MaxNumberOfMessages=AT_ONCE,
            WaitTimeSeconds=self._settings.poll_seconds,
            VisibilityTimeout=self._settings.visibility_seconds,
            MessageSystemAttributeNames=[_RECEIVES, _SENT],
        )
        return tuple(_message(each) for each in answer.get("Messages", ()))

    async def delete(self, messages: Sequence[Message]) -> Sequence[Left]:
        """See the port."""
        entries = [{"Id": str(n), "ReceiptHandle": each.receipt} for n, each in enumerate(messages)]
        answer = await self._ask("delete_message_batch", Entries=entries)
        return tuple(
            Left(messages[int(each["Id"])], f"{each['Code']} {each.get('Message', '')}", each["SenderFault"])
            for each in answer.get("Failed", ())
        )

    async def defer(self, messages: Sequence[Message]) -> None:
        """See the port."""
        entries = [
            {"Id": str(n), "ReceiptHandle": each.receipt, "VisibilityTimeout": wait_seconds(each)}
            for n, each in enumerate(messages)
        ]
        await self._ask("change_message_visibility_batch", Entries=entries)

    async def bury(self, message: Message, reason: str) -> None:
        """See the port."""
        told = attributes_of(message, reason, queue=self._settings.queue_url)
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
        await self._ask(
            "send_message",
            QueueUrl=self._settings.dead_letter_url,
            MessageBody=message.body,
            MessageAttributes=attributes,
        )

    async def close(self) -> None:
        """Give threads and connections back; a poll that is under way is left to itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            if self._made is not None:
                self._made.close()

    async def _ask(self, call: str, **options: object) -> Mapping[str, Any]:
        wish = {"QueueUrl": self._settings.queue_url, **options}
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._ask_now, call, wish)

    def _ask_now(self, call: str, wish: Mapping[str, Any]) -> Mapping[str, Any]:
        with _translated(wish["QueueUrl"]):
            with self._lock:
                if self._made is None:
                    self._made = _connect(self._settings)
            answer: Mapping[str, Any] = getattr(self._made, call)(**wish)
        return answer


def _connect(settings: SqsSettings) -> Any:  # noqa: ANN401  (boto3's clients have no type)
    return own_session().client(
        "sqs",
        endpoint_url=settings.endpoint or None,
        region_name=settings.region,
        config=Config(  # type: ignore[no-untyped-call]  # boto3 has no types
            connect_timeout=CONNECT_SECONDS,
            read_timeout=settings.poll_seconds + ANSWER_SECONDS,
            retries={"mode": "standard", "total_max_attempts": RETRIES + 1},
            max_pool_connections=2 * settings.receivers,
            proxies={} if loopback_host(settings.endpoint) else None,
            ignore_configured_endpoint_urls=True,  # the settings alone say where it is
        ),
    )


def _message(found: Mapping[str, Any]) -> Message:
    told = found["Attributes"]
    return Message(
        id=found["MessageId"],
        receipt=found["ReceiptHandle"],
        body=found["Body"],
        receives=int(told[_RECEIVES]),
        sent=int(told[_SENT]) / 1000,
    )


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        raise fault(url, status=status, code=code, detail=str(error)) from error
    except NoCredentialsError as error:
        raise ConfigurationError(
            f"{url}: this process has no credentials of its own; give the pod an identity: {error}"
        ) from error
    except BotoCoreError as error:
        raise fault(url, status=None, code="", detail=str(error)) from error


def fault(url: str, *, status: int | None, code: str, detail: str) -> HeadraceError:
    """The error for an answer that is no success; None: there was no answer."""
    short = code.rpartition(".")[2]
    if status is None or status >= 500 or short in _PASSING:
        return TransientError(f"{url}: SQS can't be reached or can't answer now; it is tried again: {detail}")
    if short in _MISSING:
        return NotFoundError(f"{url} is not there: {code}")
    if status in (401, 403) or short in _DENIED or code.upper().startswith("KMS"):
        return ConfigurationError(
            f"{url}: access denied ({code}); check the queue's address and region, and the rights of this "
            f"service on it and on its key: {detail}"
        )
    return RejectedError(f"{url}: SQS refuses this ({status} {code}); repeating does not help: {detail}")
