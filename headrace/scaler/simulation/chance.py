"""What befalls a boot, drawn from the seed, the pool and the boot's number: policies share their luck."""

from dataclasses import dataclass
from math import inf, log, sqrt
from random import Random

from headrace.scaler.simulation.setting import SimPool


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one boot: seconds until the node has joined, or never; how long it lives once it is usable."""

    joins_after_seconds: float
    fails: bool
    lives_seconds: float


def fate(pool: SimPool, number: int, *, seed: int) -> Fate:
    """The fate of the pool's boot of this number. A pool without faults draws nothing."""
    if not (pool.boot_cv or pool.failure_share or pool.deaths_per_hour):
        return Fate(pool.boot_seconds, fails=False, lives_seconds=inf)
    chance = Random(f"{seed}/{pool.name}/{number}")  # noqa: S311  (a simulated fault, not a key)
    fails = chance.random() < pool.failure_share
    spread = sqrt(log(1 + pool.boot_cv**2))  # of a lognormal distribution with this cv
    seconds = pool.boot_seconds * chance.lognormvariate(0, spread)
    lives = chance.expovariate(pool.deaths_per_hour / 3600) if pool.deaths_per_hour else inf
    return Fate(seconds, fails=fails, lives_seconds=lives)
