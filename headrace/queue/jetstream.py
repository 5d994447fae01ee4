"""The queue on NATS JetStream: a stream a function, a subject a task, a durable consumer for its workers."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig
from nats.js.errors import APIError, BadRequestError
from nats.js.errors import NotFoundError as NatsNotFoundError

from headrace.model.errors import NotFoundError, TransientError
from headrace.model.observation import Finished, Standing
from headrace.model.settings import QueueSettings
from headrace.model.task import Task
from headrace.queue import jetstream_layout as layout
from headrace.queue import jetstream_reading as reading
from headrace.queue import jetstream_told as telling
from headrace.queue.jetstream_batch import NAK, ask
from headrace.queue.jetstream_server import ANSWER_SECONDS, Server, translated
from headrace.queue.port import Backlog, Lease

ALWAYS = "2200-01-01T00:00:00Z"  # the server counts nanoseconds from now on: 2262 would be too late
SAMPLE = 16  # tasks whose sizes make the estimate of a backlog's bytes
RENEWAL_SECONDS = 1.0  # a waiting request is sent anew: the server forgets it at `resume` until then
SLACK_SECONDS = 2.0  # beyond a request's own end, for its answer to arrive
MUTE_SECONDS = 0.25  # a request that must not wait is left unanswered while max_leased tasks are out
DONE_SECONDS = 1.0  # an end that is not confirmed by then is made sure of in another way

# https://github.com/nats-io/nats-server/blob/main/server/errors.json
STORE_REFUSED = 10077  # any refusal to store; the description tells which
SUBJECT_TAKEN = "maximum messages per subject exceeded"
STREAM_DIFFERS = 10058
WAITING_IS_FIXED = "max waiting can not be updated"
SEQUENCE_NOT_FOUND = frozenset({10043, 10057})


@dataclass(frozen=True, slots=True)
class JetStreamLease:
    """A delivered message. The server knows it by its number in the stream, whoever holds it."""

    task: Task
    deliveries: int
    server: Server
    reply: str
    sequence: int

    async def extend(self) -> None:
        """See the port."""
        await self._tell(b"+WPI")

    async def done(self) -> None:
        """See the port.

        A server that was killed within 100 ms of a delivery comes back without knowing of it, and leaves
        its acknowledgement unanswered until the task is delivered again, which may be never when its only
        worker has its hands full of such tasks. So the message itself is deleted then, by its number.
        https://github.com/nats-io/nats-server/blob/main/server/consumer.go (processAckMsgLocked)
        """
        try:
            await self._tell(b"+ACK", seconds=DONE_SECONDS)
        except TransientError:
            with suppress(NotFoundError):
                await _delete(self.server, self.task.function, self.task.id, self.sequence)

    async def retry(self, delay_seconds: float = 0.0) -> None:
        """See the port."""
        nanoseconds = round(delay_seconds * 1e9)
        await self._tell(NAK + (b" " + orjson.dumps({"delay": nanoseconds}) if nanoseconds > 0 else b""))

    async def _tell(self, word: bytes, *, seconds: float = ANSWER_SECONDS) -> None:
        """Say a word about the task and wait until the server has taken it; quiet when the stream is gone."""
        if await self.server.request(self.reply, word, seconds=seconds) is not None:
            return
        try:
            raise await reading.silence(self.server, self.task.function, f"lease of {self.task.id}")
        except NotFoundError:
            return


class JetStreamQueue:
    """See the port. Connects at the first call; one object works on through any number of reconnections."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ear = telling.Ear(server)
        self._standings = telling.StandingEar(server)

    @classmethod
    def of(cls, settings: QueueSettings) -> "JetStreamQueue":
        """On the server that a service is told, by its token or user, and by TLS where that is demanded."""
        return cls(Server(settings))

    async def ensure(self, function: str, *, lease_seconds: float, max_leased: int) -> None:
        """See the port."""
        jetstream = await self._server.jetstream()
        with translated(f"set up the stream of {function}"):
            try:
                await jetstream.add_stream(layout.stream(function))
            except BadRequestError as error:
                if error.err_code != STREAM_DIFFERS:
                    raise
                await jetstream.update_stream(layout.stream(function))
            await self._ensure_consumer(
                jetstream, layout.stream_name(function), layout.consumer(lease_seconds, max_leased)
            )

    async def _ensure_consumer(self, server: JetStreamContext, stream: str, wanted: ConsumerConfig) -> None:
        try:
            await server.add_consumer(stream, wanted)
        except APIError as error:
            if error.description != WAITING_IS_FIXED:
                raise
            # One that an older version made keeps its own for life: made anew it would forget a pause.
            kept = (await server.consumer_info(stream, layout.CONSUMER)).config.max_waiting
            await server.add_consumer(stream, replace(wanted, max_waiting=kept))

    async def put(self, task: Task) -> bool:
        """See the port. Puts made at once share the connection, and each is answered when it is stored."""
        answer = await self._server.request(layout.subject(task.function, task.id), task.to_json())
        if answer is None:
            raise await reading.silence(self._server, task.function, f"put of {task.id}")
        error = orjson.loads(answer.data).get("error")
        if error is None:
            return True
        if (error["err_code"], error["description"]) == (STORE_REFUSED, SUBJECT_TAKEN):
            return False
        with translated(f"put task {task.id} of {task.function}"):
            raise APIError(**error)

    async def pull(self, function: str, limit: int, *, wait_seconds: float) -> Sequence[Lease]:
        """See the port."""
        now = asyncio.get_running_loop().time
        deadline = now() + wait_seconds
        while True:
            left = max(0.0, deadline - now())
            leases = await self._pull_once(function, limit, min(left, RENEWAL_SECONDS))
            if leases or left <= RENEWAL_SECONDS:
                return leases

    async def _pull_once(self, function: str, limit: int, wait_seconds: float) -> Sequence[Lease]:
        # no_wait and expires together: wait for the first message, then send what is there and end.
        wait = {"expires": round(wait_seconds * 1e9)} if wait_seconds > 0 else {}
        answer = await ask(
            self._server,
            f"$JS.API.CONSUMER.MSG.NEXT.{layout.stream_name(function)}.{layout.CONSUMER}",
            {"batch": limit, "no_wait": True} | wait,
            limit=limit,
            seconds=wait_seconds + SLACK_SECONDS if wait else MUTE_SECONDS,
            may_be_mute=not wait,
        )
        if answer.refusal:
            raise await reading.silence(self._server, function, "pull")
        leases = await asyncio.gather(*(self._lease(function, message) for message in answer.messages))
        return [lease for lease in leases if lease is not None]

    async def _lease(self, function: str, message: Msg) -> Lease | None:
        try:
            task = layout.read_task(function, message.subject, message.data)
        except layout.RubbishError as reason:
            layout.report_rubbish(function, message.subject, reason)
            await self._server.request(message.reply, b"+TERM it is no task")
            return None
        known = message.metadata
        return JetStreamLease(task, known.num_delivered, self._server, message.reply, known.sequence.stream)

    async def backlog(self, function: str) -> Backlog:
        """See the port."""
        jetstream = await self._server.jetstream()
        with translated(f"backlog of {function}"):
            stream, consumer, oldest = await asyncio.gather(
                jetstream.stream_info(layout.stream_name(function)),
                reading.consumer_info(self._server, function),
                reading.oldest(self._server, function, SAMPLE),
            )
        count = stream.state.messages
        mean = sum(task.size for task in oldest) / len(oldest) if oldest else 0.0
        return Backlog(
            tasks=count,
            leased=min(count, consumer.num_ack_pending or 0),
            oldest_received=oldest[0].received if oldest else None,
            bytes_estimate=round(mean * count),
            paused=bool(consumer.paused),
        )

    async def total(self, tenant: str) -> int:  # noqa: ARG002  (the account that is connected to is whose it is)
        """See the port."""
        return await reading.total(self._server)

    async def ids(self, function: str) -> frozenset[str]:
        """See the port."""
        return await reading.ids(self._server, function)

    async def find(self, function: str, task_id: str) -> tuple[Task, int] | None:
        """See the port."""
        stored = await reading.last(self._server, function, task_id)
        if stored is None:
            return None
        try:
            task = layout.read_task(function, stored.subject, stored.body)
        except layout.RubbishError:
            return None
        return task, await reading.older_than(self._server, function, stored.sequence)

    async def tasks(self, function: str, limit: int) -> Sequence[Task]:
        """See the port."""
        return await reading.oldest(self._server, function, limit)

    async def remove(self, function: str, task_id: str) -> bool:
        """See the port."""
        stored = await reading.last(self._server, function, task_id)
        if stored is None:
            return False
        return await _delete(self._server, function, task_id, stored.sequence)

    async def pause(self, function: str) -> None:
        """See the port."""
        jetstream = await self._server.jetstream()
        with translated(f"pause {function}"):
            await jetstream.pause_consumer(layout.stream_name(function), layout.CONSUMER, ALWAYS)

    async def resume(self, function: str) -> None:
        """See the port."""
        jetstream = await self._server.jetstream()
        with translated(f"resume {function}"):
            await jetstream.resume_consumer(layout.stream_name(function), layout.CONSUMER)

    async def drop(self, function: str) -> None:
        """See the port."""
        jetstream = await self._server.jetstream()
        with translated(f"drop the stream of {function}"):
            try:
                await jetstream.delete_stream(layout.stream_name(function))
            except NatsNotFoundError:
                return

    async def tell(self, told: Finished | Standing) -> None:
        """See the port."""
        await telling.tell(self._server, told)

    async def told(self) -> Sequence[Finished]:
        """See the port."""
        return await self._ear.heard()

    async def standings(self) -> Mapping[str, Standing]:
        """See the port."""
        return await self._standings.heard()

    @property
    def unheard(self) -> Collection[str]:
        """See the port: of one account all is heard, or the call fails."""
        return ()

    async def close(self) -> None:
        """See the port."""
        await self._server.close()


async def _delete(server: Server, function: str, task_id: str, sequence: int) -> bool:
    """Take one message out of a stream. False: it was not there. Raises NotFoundError without a stream."""
    jetstream = await server.jetstream()
    with translated(f"remove {task_id} of {function}"):
        try:
            return await jetstream.delete_msg(layout.stream_name(function), sequence)
        except APIError as error:
            if error.err_code in SEQUENCE_NOT_FOUND:
                return False
            raise
