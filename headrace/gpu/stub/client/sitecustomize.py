"""Puts the remote InferenceSession into `onnxruntime` as it is imported: the program need not know.

Python imports this module at its start where PYTHONPATH names this folder. It is API remoting by
interception, as rCUDA's library stands in for libcudart. numpy is not imported before ONNX Runtime is: other
programs of the container may not have it. A sitecustomize that would have been found without this one runs
as well.
"""

from __future__ import annotations

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

REPLACED = "onnxruntime"


class Interceptor(MetaPathFinder):
    """Finds `onnxruntime` where the finders behind it do, and has its session replaced."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec; None for all other modules, and where there is none."""
        if fullname != REPLACED:
            return None
        others = [each for each in sys.meta_path if each is not self and hasattr(each, "find_spec")]
        found = (each.find_spec(fullname, path, target) for each in others)
        spec = next((each for each in found if each is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = Replacing(spec.loader)
        return spec


class Replacing(Loader):
    """Loads as another loader does, then replaces the session. All else is that loader's."""

    def __init__(self, loader: Any) -> None:  # noqa: ANN401  (loaders have more methods than their base)
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As importlib asks for it."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """As importlib asks for it."""
        self._loader.exec_module(module)
        from headrace_stub.onnx import InferenceSession  # noqa: PLC0415  (needs numpy)

        vars(module)["InferenceSession"] = InferenceSession

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the other loader has)
        return getattr(self._loader, name)


def _chain() -> None:
    """Run the next sitecustomize on sys.path, under its own name, as if this folder were not there."""
    own = os.path.realpath(Path(__file__).parent)
    others = [each for each in sys.path if os.path.realpath(each or ".") != own]
    spec = PathFinder.find_spec(__name__, others)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules[__name__] = module
        spec.loader.exec_module(module)


def _start() -> None:
    if os.environ.get("HEADRACE_STUB_DEVICES"):
        sys.meta_path.insert(0, Interceptor())
    _chain()


# "Importing a module does nothing" can't hold here: Python imports this one for what it does.
if __name__ == "sitecustomize":
    _start()
