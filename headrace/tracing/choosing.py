"""The tracer that settings ask for. OpenTelemetry is imported only where one is."""

from headrace.model.errors import ConfigurationError
from headrace.model.trace import TraceSettings
from headrace.tracing.port import UNTRACED, Tracer


def tracer_of(settings: TraceSettings | None, service: str, instance: str) -> Tracer:
    """Of a service, `instance` of which this process is.

    Raises ConfigurationError where traces are asked for and can't be made.
    """
    if settings is None:
        return UNTRACED
    try:
        from headrace.tracing.otlp import otlp_tracer  # noqa: PLC0415  (unset, it must cost nothing)
    except ImportError as error:
        raise ConfigurationError(
            f"settings: found trace, allowed only with OpenTelemetry, which is not installed ({error}); "
            "install headrace[trace], or take trace out"
        ) from error
    return otlp_tracer(settings, service, instance)
