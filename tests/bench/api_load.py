"""Many clients at once against the API of a stack: `python -m tests.bench.api_load [SECONDS [CLIENTS]]`.

Each client sends files by /job and /run for so long. Beside them one sends a byte now and then, one cuts
its uploads, one sends far more than is allowed. It tells what was answered, how the files ended that were
taken, and the memory of the API's process.
"""

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from headrace.client import ApiError, AsyncClient, Login, UnreachableError
from tests.api_site import MachineSite, running_api, service

MIB = 1024**2
LIMIT = 8 * MIB
SETTLE_SECONDS = 300.0
NAME = "load"


@dataclass
class Figures:
    """What was seen."""

    answers: Counter[str] = field(default_factory=Counter)
    taken: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


async def client(login: tuple[str, Login], until: float, figures: Figures, number: int) -> None:
    """Sends files, every tenth by /run."""
    url, who = login
    turn = number
    async with AsyncClient(url, who, seconds=120.0) as own:
        while time.monotonic() < until:
            turn += 1
            body, began = secrets.token_bytes(1000 + 50_000 * (turn % 3)), time.monotonic()
            try:
                if turn % 10:
                    figures.taken.append((await own.job(NAME, body)).task)
                    figures.answers["job 2xx"] += 1
                else:
                    figures.taken.append((await own.run(NAME, body)).task)
                    figures.answers["run 200"] += 1
                figures.seconds.append(time.monotonic() - began)
            except ApiError as error:
                figures.answers[f"{'job' if turn % 10 else 'run'} {error.status}"] += 1
                if error.task:
                    figures.taken.append(error.task)
            except UnreachableError:
                figures.answers["no answer"] += 1


async def far_too_large(login: tuple[str, Login], until: float, figures: Figures) -> None:
    """Sends 25 times the limit, without saying so before."""

    async def pieces():  # type: ignore[no-untyped-def]
        for _ in range(25 * LIMIT // MIB):
            yield bytes(MIB)

    async with httpx2.AsyncClient(auth=login[1].auth, timeout=120.0) as http:
        while time.monotonic() < until:
            answer = await http.post(f"{login[0]}/job/{NAME}", content=pieces())
            figures.answers[f"too large {answer.status_code}"] += 1
            await asyncio.sleep(1.0)


async def cut(site: MachineSite, token: str, until: float, figures: Figures) -> None:
    """Says 1 MiB, sends half of it and closes."""
    host, port = site.endpoint.removeprefix("http://").split(":")
    head = (
        f"POST /job/{NAME} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
        f"content-length: {MIB}\r\n\r\n"
    )
    while time.monotonic() < until:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + bytes(MIB // 2))
        await writer.drain()
        writer.transport.abort()
        figures.answers["cut"] += 1
        await asyncio.sleep(0.5)


async def slow(site: MachineSite, token: str, until: float, figures: Figures) -> None:
    """Sends a byte every half second, and the last ones at the end."""
    host, port = site.endpoint.removeprefix("http://").split(":")
    size = 10_000
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /job/{NAME} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
    writer.write(f"{head}content-length: {size}\r\n\r\n".encode())
    sent = 0
    while time.monotonic() < until - 1:
        writer.write(b"!")
        sent += 1
        await asyncio.sleep(0.5)
    writer.write(b"!" * (size - sent))
    line = (await reader.readline()).decode()
    figures.answers[f"slow {line.split()[1]}"] += 1
    writer.close()


async def watched(site: MachineSite, until: float, figures: Figures) -> None:
    """Notes the memory every second."""
    while time.monotonic() < until:
        figures.memory.append(site.resident_bytes())
        await asyncio.sleep(1.0)


async def settled(login: tuple[str, Login], figures: Figures) -> Counter[str]:
    """How the tasks ended."""
    stages: Counter[str] = Counter()
    deadline = time.monotonic() + SETTLE_SECONDS
    room = asyncio.Semaphore(16)
    async with AsyncClient(*login, seconds=60.0) as own:

        async def one(task: str) -> None:
            async with room:
                left = max(1.0, deadline - time.monotonic())
                stages[(await own.wait(NAME, task, seconds=left)).stage] += 1

        await asyncio.gather(*(one(each) for each in figures.taken))
    return stages


async def load(site: MachineSite, seconds: float, clients: int) -> None:
    """Measure and print."""
    login = (site.endpoint, Login(site.user, site.password))
    async with AsyncClient(*login, seconds=120.0) as root:
        token = (await root.create(service(NAME, "true"))).token
    figures, until = Figures(), time.monotonic() + seconds
    await asyncio.gather(
        *(client(login, until, figures, number) for number in range(clients)),
        far_too_large(login, until, figures),
        cut(site, token, until, figures),
        slow(site, token, until, figures),
        watched(site, until, figures),
    )
    stages = await settled(login, figures)
    quarter = len(figures.memory) // 4
    times = statistics.quantiles(figures.seconds, n=100)
    document = {
        "clients": clients,
        "seconds": seconds,
        "answers": dict(figures.answers),
        "taken": len(set(figures.taken)),
        "ended": dict(stages),
        "seconds_median": times[49],
        "seconds_99": times[98],
        "memory_mib": {
            "after a quarter": figures.memory[quarter] // MIB,
            "most": max(figures.memory) // MIB,
            "at the end": figures.memory[-1] // MIB,
            "settled": site.resident_bytes() // MIB,
        },
    }
    print(json.dumps(document, indent=2))


def main() -> None:
    """Measure once, on a stack of its own."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with (
        tempfile.TemporaryDirectory() as folder,
        running_api(Path(folder), upload_bytes=LIMIT, run_seconds=60.0) as site,
    ):
        asyncio.run(load(site, seconds, clients))


if __name__ == "__main__":
    main()
