"""What can be asked of the stub: each call a value, parsed strictly at the edge."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from headrace.gpu.stub.refusal import Reason, RefusedError
from headrace.model.quantity import MAX_QUANTITY
from headrace.model.value import Value

SessionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Size = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
Offset = Annotated[int, Field(ge=0, le=MAX_QUANTITY)]
Side = Annotated[int, Field(ge=1, le=2**20)]

_TOLD_FAULTS = 3


class Open(Value):
    """Control: reserve memory of a GPU for a session."""

    call: Literal["open"]
    session: SessionName
    gpu: int
    memory_bytes: Size


class Close(Value):
    """Control: end a session and its connections."""

    call: Literal["close"]
    session: SessionName


class Sessions(Value):
    """Control: all that are open."""

    call: Literal["sessions"]


class Status(Value):
    """Control: the server itself."""

    call: Literal["status"]


class Attach(Value):
    """The first call of a connection that works in a session."""

    call: Literal["attach"]
    session: SessionName


class Malloc(Value):
    """Memory of the GPU, zeroed."""

    call: Literal["malloc"]
    size: Size


class Free(Value):
    """Of memory or a model."""

    call: Literal["free"]
    handle: int


class Write(Value):
    """The payload into the GPU's memory."""

    call: Literal["write"]
    handle: int
    offset: Offset = 0


class Read(Value):
    """The GPU's memory as the answer's payload."""

    call: Literal["read"]
    handle: int
    offset: Offset = 0
    size: Size


class Matmul(Value):
    """out = a b, float32; `shape` has a's rows, a's columns and b's columns."""

    call: Literal["matmul"]
    a: int
    b: int
    out: int
    shape: Annotated[tuple[Side, ...], Field(min_length=3, max_length=3)]


class Load(Value):
    """The payload as an ONNX model."""

    call: Literal["load"]


class Run(Value):
    """A model on the payload's arrays; `inputs` describes them. `outputs` None: all of them."""

    call: Literal["run"]
    model: int
    inputs: tuple[dict[str, object], ...]
    outputs: tuple[str, ...] | None = None


class Synchronize(Value):
    """Answered when all calls before it are done."""

    call: Literal["synchronize"]


ControlRequest = Open | Close | Sessions | Status
DataRequest = Malloc | Free | Write | Read | Matmul | Load | Run | Synchronize
Request = ControlRequest | Attach | DataRequest

_ANY: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="call")])


def parse_request(head: bytes) -> Request:
    """A frame's head. Raises RefusedError, which names the first faults."""
    try:
        return _ANY.validate_json(head, by_alias=True, by_name=False)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)[:_TOLD_FAULTS]
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults)
        raise RefusedError(Reason.BAD_CALL, f"call {head[:200].decode(errors='replace')}: {told}") from error
