"""`python -m tests.e2e.kubernetes.usurper --settings FILE`: a scaler that takes itself for the leader.

So two act at once, as when a leader's clock stood still: what keeps them apart is that every act is absolute
or conditional, not the lease.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from headrace.kube.lightkube import LightKube
from headrace.logs.json_lines import configure_logging
from headrace.model.settings import Settings
from headrace.queue.jetstream import JetStreamQueue
from headrace.scaler.kubernetes.leading import Life, Parts


class Convinced:
    """See headrace.scaler.kubernetes.leading.Lead. It never doubts."""

    def leading(self) -> bool:
        """See the protocol."""
        return True

    async def elected(self) -> None:
        """See the protocol."""


async def _main(settings: Settings) -> None:
    assert settings.kubernetes is not None
    kube, queue = LightKube.of(settings.kubernetes), JetStreamQueue.of(settings.queue)
    await Life(Parts(kube, queue, settings.kubernetes, Convinced())).run()


def main(settings: Annotated[Path, typer.Option()]) -> None:
    """Act until killed."""
    configure_logging(())
    asyncio.run(_main(Settings.from_json(settings.read_bytes())))


if __name__ == "__main__":
    typer.run(main)
