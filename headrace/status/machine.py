"""What a stack on one machine is asked: its folder of functions, and what its scaler tells in a file."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from headrace.catalog.fault import Fault
from headrace.catalog.folder import Examined, examine, function_folders
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import Settings
from headrace.scaler.explaining import Explanation
from headrace.status.installed import seen
from headrace.status.sight import FunctionSeen
from headrace.status.sources import Answer


async def read_folder(settings: Settings) -> Answer[tuple[FunctionSeen, ...]]:
    """The functions of the settings' folder, those with faults among them. Raises ConfigurationError."""
    folder = Path(settings.functions_directory)
    examined = await asyncio.to_thread(lambda: examine(function_folders(folder)))
    return Answer(functions_in(examined, folder, settings))


def functions_in(examined: Examined, folder: Path, settings: Settings) -> tuple[FunctionSeen, ...]:
    """By name; of a folder that holds no sound function its own name is taken. Pure."""
    sound = [seen(each.function, each.digest, settings) for each in examined.installed]
    names = {each.name for each in sound}
    unsound = [
        FunctionSeen(name, "", None, fault=fault)
        for name, fault in _faults(examined.faults, folder).items()
        if name not in names
    ]
    return tuple(sorted((*sound, *unsound), key=lambda each: each.name))


def _faults(faults: Iterable[Fault], folder: Path) -> Mapping[str, str]:
    """By the name of a function's folder all that is wrong there."""
    found: dict[str, str] = {}
    for fault in faults:
        name = Path(fault.file).relative_to(folder).parts[0]
        found[name] = f"{found[name]}; {fault}" if name in found else str(fault)
    return found


async def read_plan_file(path: Path) -> Answer[Explanation]:
    """What the scaler told last. Raises TransientError where there is none, as of a stack that starts."""
    try:
        return Answer(Explanation.from_json(await asyncio.to_thread(path.read_bytes)))
    except FileNotFoundError as error:
        raise TransientError("the scaler has told nothing yet; is the stack up?") from error
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read ({error.strerror}); make it readable") from error
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} is not what a scaler of this version writes; start it anew"
        ) from error
