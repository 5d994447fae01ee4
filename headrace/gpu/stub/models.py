"""ONNX models on the CPU, in the place of the GPU's own libraries. All of it blocks: call it in a thread."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.gpu.stub.client.headrace_stub.framing import Array
from headrace.gpu.stub.refusal import Reason, RefusedError

_LIBRARY = "onnxruntime"  # large, and only servers that are given models need it


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded one, and the bytes that it counts for."""

    session: Any  # onnxruntime has no types
    size_bytes: int

    @classmethod
    def load(cls, content: bytes) -> "Model":
        """One thread computes: a GPU works one call at a time. Raises RefusedError."""
        try:
            library = importlib.import_module(_LIBRARY)
        except ImportError as error:
            raise RefusedError(
                Reason.FAILED,
                f"model: the server has no {_LIBRARY}; install it there: pip install {_LIBRARY}",
            ) from error
        options = library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = library.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors share no other base
            raise RefusedError(Reason.FAILED, f"model of {len(content)} bytes: {error}") from error
        return cls(session, len(content))

    def run(self, feed: Mapping[str, Array], wanted: Sequence[str] | None) -> dict[str, Array]:
        """The outputs by name. Raises RefusedError."""
        names = [each.name for each in self.session.get_outputs()] if wanted is None else list(wanted)
        try:
            return dict(zip(names, self.session.run(names, dict(feed)), strict=True))
        except Exception as error:  # its errors share no other base
            raise RefusedError(Reason.FAILED, f"model: {error}") from error

    def told(self) -> dict[str, object]:
        """Its inputs, outputs and providers, as the client shows them."""
        return {
            "inputs": [_told(each) for each in self.session.get_inputs()],
            "outputs": [_told(each) for each in self.session.get_outputs()],
            "providers": self.session.get_providers(),
        }


def _told(tensor: Any) -> dict[str, object]:  # noqa: ANN401  (onnxruntime has no types)
    return {"name": tensor.name, "shape": tensor.shape, "type": tensor.type}
