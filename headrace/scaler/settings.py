"""The scaler's options: CLUES' own, in Headrace's terms, and those of its policy. A stack gives their values.

CLUES' options without a counterpart: RECONSIDER_JOB_TIME (files waiting are read from the queue, no pending
job is waited for), EXTRA_NODES_PERIOD (spares are looked after in each period), PERIOD_MONITORING_NODES and
PERIOD_MONITORING_JOBS (each period begins with a look). Lists of CLUES' options and their defaults:
https://github.com/grycap/clues/blob/master/etc/clues2.cfg-full-example
"""

from typing import Annotated

from pydantic import Field

from headrace.model.value import Value

BOOTS_UNTIL_OVERDUE = 1.5  # usual boots within which a node must be there, where no wait is given

Duration = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ScalerSettings(Value):
    """How the scaler observes, decides and waits."""

    period_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=10.0, description="between two decisions; an arrival brings one sooner (PERIOD_SCHEDULE)"
    )
    spare_slots: int = Field(
        default=0, ge=0, description="free workers that each function keeps ready (EXTRA_SLOTS_FREE)"
    )
    spare_nodes: int = Field(
        default=0,
        ge=0,
        description="idle nodes kept on beyond need, in all pools together; a pool's spareNodes come on top "
        "(EXTRA_NODES_FREE)",
    )
    max_booting_nodes: int = Field(
        default=0,
        ge=0,
        description="nodes on their way at once, of all pools; 0: no limit (MAX_BOOTING_NODES)",
    )
    retries_power_on: int = Field(
        default=3,
        ge=0,
        description="boots that fail in a row before a node is left alone until a person enables it "
        "(RETRIES_POWER_ON)",
    )
    retries_power_off: int = Field(
        default=3,
        ge=0,
        description="stops that fail in a row before a node is left alone until a person enables it "
        "(RETRIES_POWER_OFF)",
    )
    recovery_seconds: Duration = Field(
        default=30.0, description="from a failure until the node is tried again (PERIOD_RECOVERY_NODES)"
    )
    idle_seconds: Duration = Field(
        default=0.0, description="a node idle for less is never stopped; 0: the policy decides (IDLE_TIME)"
    )
    cooldown_seconds: Duration = Field(
        default=0.0, description="a node is not stopped for so long after its last start (COOLDOWN_NODES)"
    )
    max_wait_power_on_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="from the order until a node has joined, or its boot has failed; none: 1.5 x the pool's "
        "boot (MAX_WAIT_POWERON)",
    )
    max_wait_power_off_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=300.0,
        description="from the order until a node is off, or its stop has failed (MAX_WAIT_POWEROFF)",
    )
    max_wait_devices_seconds: Duration = Field(
        default=900.0,
        description="from a node's joining until its devices are there (a GPU's plugin may be silent for "
        "minutes), or its boot has failed; CLUES does not look at devices",
    )
    delay_power_on_seconds: Duration = Field(
        default=0.0, description="a node is not believed on for so long after the order (DELAY_POWON)"
    )
    delay_power_off_seconds: Duration = Field(
        default=0.0, description="a node is not believed off for so long after the order (DELAY_POWOFF)"
    )
    glitch_seconds: Duration = Field(
        default=120.0,
        description="a node that should be on is believed lost once it was not seen for so long "
        "(TIME_OFF_GLITCH_DETECTION)",
    )
    wait_worth: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.1, description="node-seconds that one second of one waiting file is worth"
    )

    def power_on_seconds(self, boot_seconds: float) -> float:
        """How long a node may take to join, where a boot takes `boot_seconds`.

        At least a period beyond the boot: what was ready in between is seen only then.
        """
        if self.max_wait_power_on_seconds is not None:
            return self.max_wait_power_on_seconds
        return max(BOOTS_UNTIL_OVERDUE * boot_seconds, boot_seconds + self.period_seconds)
