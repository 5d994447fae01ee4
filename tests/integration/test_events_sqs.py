"""`events` as a process in a pod's place: S3 tells EventBridge, that an SQS queue, that `events`.

It and the worker may do on the emulator what the roles of the target aws let them do, and nothing else.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headrace.catalog.folder import load_function
from headrace.local.process import Process, answers, free_ports
from headrace.model.keys import ignored_key
from headrace.model.restoration import IgnoredTasks
from headrace.model.settings import ReceiverSettings, Settings, SqsSettings, WorkerSettings
from headrace.queue.jetstream import JetStreamQueue
from infra.aws import rights
from infra.aws.account import Account
from infra.aws.estate import QUEUE, Estate
from infra.aws.policy import Document
from tests.fixtures.aws import REGION, Aws, PodIdentity
from tests.fixtures.nats import NatsServer
from tests.unit.notifications import saved

WAIT_SECONDS = 120.0
ODD_KEYS = ("in/a+b %25 c.txt", "in/Zürich/日本 🚀.txt", "in/%2F.txt", "in/\"<>&'.txt", "in/a//b.txt")
MANY = 200
TOKEN = "hook-token"
SCRIPT = 'cp "$INPUT_FILE_PATH" "$TMP_OUTPUT_DIR/"\n'


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not await reached():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.05)


@dataclass
class Site:
    """One test's function, buckets and queues, all named alike, and the processes that it starts."""

    name: str
    directory: Path
    aws: Aws
    nats: NatsServer
    estate: Estate
    sqs: SqsSettings
    identity: PodIdentity
    queue: JetStreamQueue
    processes: list[Process] = field(default_factory=list)
    identities: list[PodIdentity] = field(default_factory=list)

    def settings(self, port: int, **changes: object) -> Settings:
        return Settings(
            storage=self.aws.storage,
            queue=self.nats.settings,
            receiver=ReceiverSettings(port=port, token=TOKEN, listing_seconds=3600.0),
            worker=WorkerSettings(
                work_directory=str(self.directory / "work"), secrets_directory=str(self.directory / "secrets")
            ),
            sqs=self.sqs.model_copy(update=changes),
            functions_directory=str(self.directory / "functions"),
            platform_bucket=self.estate.platform_bucket,
            buckets=dict(self.estate.buckets),
        )

    def install(self) -> None:
        """The function comes."""
        folder = self.directory / "functions" / self.name
        folder.mkdir(parents=True)
        (folder / "run.sh").write_text(SCRIPT)
        (folder / "function.yaml").write_text(
            "apiVersion: headrace.dev/v1alpha1\nkind: Function\n"
            f"metadata: {{name: {self.name}}}\n"
            "spec:\n  run: {script: run.sh}\n"
            "  input: [{bucket: uploads, prefix: in/}]\n  output: [{bucket: results, prefix: out/}]\n"
        )

    def restore(self) -> None:
        """A restore was here: it tells which files are old."""
        told = IgnoredTasks(until=0.0, tasks=("0" * 32,)).to_json()
        key = ignored_key(self.name, "1")
        self.aws.client("s3").put_object(Bucket=self.estate.platform_bucket, Key=key, Body=told)

    def put(self, *keys: str) -> None:
        client = self.aws.client("s3")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda key: client.put_object(Bucket=self.name, Key=key, Body=b"hello"), keys))

    def start(self, **changes: object) -> "Events":
        """`events`, listening."""
        port = free_ports(1)[0]
        file = self.directory / f"settings-{port}.json"
        file.write_bytes(self.settings(port, **changes).to_json())
        process = Process.start(
            "events",
            [sys.executable, "-m", "headrace.events", "--settings", str(file)],
            log=self.directory / f"events-{port}.log",
            environment={**bare(), **self.identity.environment},
        )
        self.processes.append(process)
        process.wait_until(lambda: answers(port), seconds=WAIT_SECONDS)
        return Events(process, port)

    def start_worker(self) -> None:
        file = self.directory / "settings-worker.json"
        file.write_bytes(self.settings(1).to_json())
        command = [sys.executable, "-m", "headrace.worker", "--settings", str(file), "--function", self.name]
        function = load_function(self.directory / "functions" / self.name).function
        may = rights.function(self.estate, function)
        self.identities.append(identity_of(f"{self.name}-worker", may, self.aws, directory=self.directory))
        environment = {**bare(), **self.identities[-1].environment}
        log = self.directory / "worker.log"
        self.processes.append(Process.start("worker", command, log=log, environment=environment))

    async def queued(self) -> list[str]:
        """The keys of the tasks that wait."""
        return [task.key for task in await self.queue.tasks(self.name, 10_000)]

    def told(self, action: str) -> list[dict[str, Any]]:
        """What all processes have logged of an action."""
        logs = "".join(path.read_text() for path in self.directory.glob("events-*.log"))
        lines = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
        return [line for line in lines if line["action"] == action]

    def send(self, *bodies: str) -> None:
        client = self.aws.client("sqs")
        for body in bodies:
            client.send_message(QueueUrl=self.sqs.queue_url, MessageBody=body)

    def left(self) -> tuple[int, int]:
        """Messages that are visible, and that are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        client = self.aws.client("sqs")
        answer = client.get_queue_attributes(QueueUrl=self.sqs.queue_url, AttributeNames=names)
        visible, hidden = (int(answer["Attributes"][name]) for name in names)
        return visible, hidden

    async def is_done(self) -> bool:
        """Whether no message is left."""
        return await asyncio.to_thread(self.left) == (0, 0)


@dataclass
class Events:
    """A process of `events`."""

    process: Process
    port: int

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    async def is_ready(self) -> bool:
        return (await self.readiness())[0] == 200

    async def post(self, body: bytes) -> int:
        """The status with which a webhook's notification is answered."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/events", body, {"Authorization": f"Bearer {TOKEN}"}
        )
        return await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=30).status)


def bare() -> Mapping[str, str]:
    """What keeps a process from any key but those that it is given."""
    return {
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def on_the_emulator(document: Document) -> Document:
    """On AWS the right to a call is that to its batches; the emulator wants the latter by name."""
    batches = {"sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}
    statements = [
        {**each, "Action": [*each["Action"], *(f"{one}Batch" for one in each["Action"] if one in batches)]}
        for each in document["Statement"]
    ]
    return {**document, "Statement": statements}


def identity_of(role: str, may: Document, aws: Aws, *, directory: Path) -> PodIdentity:
    """Of pods that may do what the document says, by a new role."""
    folder = directory / role
    folder.mkdir()
    return PodIdentity(aws.role(role, *on_the_emulator(may)["Statement"]), folder)


def estate_of(name: str, aws: Aws) -> Estate:
    """What the stack of such a name has; the emulator asks no key."""
    account = Account(aws.account, REGION, name)
    buckets = {"uploads": name, "results": f"{name}-results"}
    key = account.arn("kms", "key/none")
    return Estate(account, f"{name}-platform", buckets, data_key=key, events_key=key)


@pytest.fixture
async def site(aws: Aws, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Site]:
    name = f"echo-{secrets.token_hex(4)}"
    estate = estate_of(name, aws)
    sqs = aws.sqs(estate.account.own(QUEUE), poll_seconds=2, visibility_seconds=10)
    assert aws.arn(sqs.dead_letter_url) == estate.dead_letters_arn
    for bucket in (estate.platform_bucket, *estate.buckets.values()):
        aws.bucket(bucket)
    aws.notify(name, sqs.queue_url)
    queue = JetStreamQueue.of(nats_server.settings)
    identity = identity_of(f"{name}-events", rights.receiver(estate), aws, directory=tmp_path)
    found = Site(name, tmp_path, aws, nats_server, estate, sqs, identity, queue)
    yield found
    for process in found.processes:
        process.kill()
    await queue.close()
    for each in (found.identity, *found.identities):
        each.close()


async def test_a_file_put_becomes_a_result_by_way_of_eventbridge_and_sqs(site: Site) -> None:
    site.install()
    site.restore()
    events = site.start()
    await until(events.is_ready)
    await asyncio.to_thread(site.put, *ODD_KEYS, "out/ignored.txt")

    async def are_queued() -> bool:
        return sorted(await site.queued()) == sorted(ODD_KEYS)

    await until(are_queued)
    await until(site.is_done)
    site.start_worker()
    client = site.aws.client("s3")

    async def are_worked() -> bool:
        answer = await asyncio.to_thread(client.list_objects_v2, Bucket=f"{site.name}-results")
        return len(answer.get("Contents", ())) == len(ODD_KEYS)

    await until(are_worked)
    assert site.told("events.task_found") == [], "the listing had no part in it"
    assert site.told("events.listing_failed") == [], "it could look at all that it needs"
    assert site.told("events.refused") == []
    assert "denied" not in (site.directory / "worker.log").read_text().lower()


async def test_a_kill_in_the_middle_of_200_messages_loses_none_and_repeats_none(site: Site) -> None:
    keys = [f"in/{number}.txt" for number in range(MANY)]
    await asyncio.to_thread(site.put, *keys)
    await asyncio.sleep(2)  # stores tell whole seconds: so the listing leaves these to the messages
    site.install()
    first = site.start()

    async def is_held_in_the_middle() -> bool:
        """It stands still with some tasks stored and with messages in hand, stored or not."""
        os.kill(first.process.pid, signal.SIGSTOP)
        if 0 < len(await site.queued()) < MANY and site.left()[1] > 0:
            return True
        os.kill(first.process.pid, signal.SIGCONT)
        return False

    await until(is_held_in_the_middle)
    first.process.kill()
    for _ in range(2):
        site.start()
    await until(site.is_done)
    assert sorted(await site.queued()) == sorted(keys)
    told = [line["task"] for line in site.told("events.task_stored")]
    assert len(told) == len(set(told)), "no task was stored twice"
    assert site.told("events.task_found") == [], "the listing had no part in it"


async def test_poison_is_among_the_dead_letters_with_its_reason_and_holds_up_nothing(site: Site) -> None:
    site.install()
    site.start()
    poison = {
        "hello": "the body is no JSON",
        '{"hello": 1}': "this JSON object is no notification",
        saved("documented/aws/sns_subscription").decode(): "this is an envelope of SNS",
        saved("eventbridge/cloudtrail").decode(): "detail-type is 'AWS API Call via CloudTrail'",
    }
    site.send(*poison)
    await asyncio.to_thread(site.put, "in/good.txt")
    await until(site.is_done)
    assert await site.queued() == ["in/good.txt"]
    client = site.aws.client("sqs")
    wish = {"QueueUrl": site.sqs.dead_letter_url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
    letters = client.receive_message(**wish)["Messages"]
    assert {letter["Body"] for letter in letters} == set(poison)
    for letter in letters:
        told = letter["MessageAttributes"]
        assert told["HeadraceReason"]["StringValue"].startswith(poison[letter["Body"]])
        assert told["HeadraceQueue"]["StringValue"] == site.sqs.queue_url


async def test_s3_may_notify_the_queue_without_eventbridge(site: Site) -> None:
    site.install()
    site.start()
    queue = [{"QueueArn": site.aws.arn(site.sqs.queue_url), "Events": ["s3:ObjectCreated:*"]}]
    site.aws.client("s3").put_bucket_notification_configuration(
        Bucket=site.name, NotificationConfiguration={"QueueConfigurations": queue}
    )
    await until(site.is_done)  # it tells of itself by s3:TestEvent
    await asyncio.to_thread(site.put, *ODD_KEYS)

    async def are_queued() -> bool:
        return sorted(await site.queued()) == sorted(ODD_KEYS)

    await until(are_queued)
    await until(site.is_done)
    assert site.told("events.refused") == []


async def test_a_stop_in_the_middle_of_a_poll_leaves_no_message_hidden(site: Site) -> None:
    site.install()
    events = site.start(poll_seconds=3)
    await until(events.is_ready)
    await asyncio.sleep(0.5)  # so that each receiver is in a poll
    events.process.terminate()
    await asyncio.to_thread(site.put, *ODD_KEYS)
    assert await asyncio.to_thread(events.process.child.wait, WAIT_SECONDS) == 0
    visible, hidden = site.left()
    assert hidden == 0
    assert len(await site.queued()) + visible == len(ODD_KEYS)


async def test_a_queue_that_cannot_be_reached_is_told_by_readiness_until_it_is_there(site: Site) -> None:
    site.install()
    missing = f"{site.sqs.queue_url}-later"
    later = f"{site.aws.arn(site.sqs.queue_url)}-later"
    site.aws.grant(f"{site.name}-events", {"Effect": "Allow", "Action": "sqs:*", "Resource": later})
    events = site.start(queue_url=missing)

    async def says_why() -> bool:
        status, answer = await events.readiness()
        return status == 503 and answer["error"].startswith(f"{missing} is not there")

    await until(says_why)
    site.aws.queue(missing.rpartition("/")[2])
    await until(events.is_ready)


async def test_a_server_that_is_away_is_told_by_readiness_and_the_receiver_goes_on(site: Site) -> None:
    site.install()
    events = site.start(endpoint=f"http://127.0.0.1:{free_ports(1)[0]}")

    async def says_why() -> bool:
        status, answer = await events.readiness()
        return status == 503 and "SQS can't be reached" in answer["error"]

    await until(says_why)
    await asyncio.to_thread(site.put, "in/a.txt")
    assert await events.post(saved("s3/aws_put").replace(b"uploads", site.name.encode())) == 200
