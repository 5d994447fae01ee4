"""What stands in for `onnxruntime.InferenceSession`: the same calls, worked on a GPU elsewhere.

Each session has a connection of its own, and so may run beside others. Options of `sess_options` and
`run_options` are for the processor that computes, which is not here: they are accepted and left alone.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any, Mapping, Sequence, Tuple, Union

import numpy as np

from .device import Tensor, device
from .framing import Array

Provider = Union[str, Tuple[str, Mapping[str, Any]]]


class InferenceSession:
    """A model loaded on the GPU; `device_id` of a provider's options picks one of several."""

    def __init__(
        self,
        path_or_bytes: Any,  # noqa: ANN401  (str, bytes or os.PathLike, as in ONNX Runtime)
        sess_options: object = None,  # noqa: ARG002  (accepted, see above)
        providers: Sequence[Provider] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
        **_: object,
    ) -> None:
        is_content = isinstance(path_or_bytes, (bytes, bytearray, memoryview))
        content = bytes(path_or_bytes) if is_content else Path(path_or_bytes).read_bytes()
        self._device = device(_device_id(providers, provider_options)).connect()
        self._end = weakref.finalize(self, self._device.close)
        self._model = self._device.load_model(content)
        asked = [each if isinstance(each, str) else each[0] for each in providers or ()]
        self._providers = asked or list(self._model.providers)

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: object = None,  # noqa: ARG002  (accepted, see above)
    ) -> list[Array]:
        """The outputs that are named, in this order; all of them where none is."""
        names = list(output_names) if output_names else [each.name for each in self._model.outputs]
        feed = {name: np.asarray(value) for name, value in input_feed.items()}
        found = self._device.run(self._model, feed, names)
        return [found[name] for name in names]

    def get_inputs(self) -> list[Tensor]:
        """Name, shape and type of each."""
        return list(self._model.inputs)

    def get_outputs(self) -> list[Tensor]:
        """Name, shape and type of each."""
        return list(self._model.outputs)

    def get_providers(self) -> list[str]:
        """Those that were asked for, as a function may insist on its GPU's; else the server's."""
        return list(self._providers)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (it always raises)
        raise AttributeError(
            f"InferenceSession.{name}: this function's GPU is on another machine, reached by a stub that has "
            "run, get_inputs, get_outputs and get_providers only"
        )


def _device_id(providers: Sequence[Provider] | None, options: Sequence[Mapping[str, Any]] | None) -> int:
    """The first one that a provider's options name; 0 where none does."""
    own = [each[1] for each in providers or () if not isinstance(each, str)]
    return next((int(each["device_id"]) for each in (*own, *(options or ())) if "device_id" in each), 0)
