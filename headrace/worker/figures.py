"""What a worker counts of each task that leaves its hands."""

from headrace.metrics import catalogue
from headrace.metrics.port import Meter
from headrace.model.tenancy import own_name, tenant_of
from headrace.worker.course import Result, Step, result_of, stretches
from headrace.worker.held import Held


def count(meter: Meter, held: Held) -> None:
    """Of one task that has left."""
    function = _labels(held.task.function)
    result = result_of(held)
    meter.count(catalogue.ATTEMPTS, *function, result.value)
    for each in stretches(held):
        meter.observe(catalogue.STEP_SECONDS, each.seconds, *function, each.step.value)
        if each.step is Step.COMPUTE and held.number == 1:
            meter.observe(catalogue.FILE_WAIT, max(0.0, each.start - held.task.received), *function)
    if result is Result.DONE:
        meter.observe(catalogue.FILE_SECONDS, max(0.0, held.published - held.task.received), *function)
        # A stored task may claim any size.
        meter.count(catalogue.INPUT_BYTES, *function, by=max(0, held.task.size))
        meter.count(catalogue.OUTPUT_BYTES, *function, by=held.output_bytes)


def _labels(function: str) -> tuple[str, str]:
    return own_name(function), tenant_of(function)
