"""Client of Headrace's stub GPU server: GPUs elsewhere, in a user's container.

`devices()` are those that the environment names. Needs Python 3.8 or later and numpy, nothing else.
"""

from .device import Counts, Device, Model, Tensor, devices
from .errors import OutOfMemoryError, RefusedError, ServerLostError, StubError
from .place import VARIABLE, Place

__all__ = [
    "VARIABLE",
    "Counts",
    "Device",
    "Model",
    "OutOfMemoryError",
    "Place",
    "RefusedError",
    "ServerLostError",
    "StubError",
    "Tensor",
    "devices",
]
