"""Where traces go, and how many of them."""

from collections.abc import Mapping

from pydantic import Field

from headrace.model.value import Value


class TraceSettings(Value):
    """An OTLP/HTTP collector. https://opentelemetry.io/docs/specs/otlp/#otlphttp"""

    endpoint: str = Field(
        pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$",
        description="the collector's address, http(s)://host:port; spans go to its path /v1/traces",
    )
    headers: Mapping[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="headers by name that the collector asks for, such as a token",
    )
    sample_ratio: float = Field(
        default=1.0, ge=0.0, le=1.0, allow_inf_nan=False, description="the share of files that are traced"
    )

    @property
    def address(self) -> str:
        """Where spans are posted."""
        return f"{self.endpoint.rstrip('/')}/v1/traces"
