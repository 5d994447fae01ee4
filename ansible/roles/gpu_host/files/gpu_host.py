#!/usr/bin/python3
"""Brings a host's GPUs to their settings: persistence, compute mode, MIG. Ansible runs it, and each boot.

`look SETTINGS` prints one JSON object: the kernel's modules, the programs, the driver's version, the GPUs,
how many devices containers get, the commands that are missing, what is in their way. `apply SETTINGS`
runs them; exit status 1, the reason on stderr: it could not. SETTINGS is a JSON object, or the path of a file
with one: `persistence`, `compute_mode`, `mig` (profile -> how many on each GPU; {}: MIG off; null: as it is),
`mig_gpus` (numbers; none: all).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OF_ALL = "index,persistence_mode,compute_mode,mig.mode.current,driver_version"
PROGRAMS = ("nvidia-ctk", "nvidia-cuda-mps-control")
MOST_SLICES = 7
UNTOLD = "[N/A]"
NONE_FOUND = 6  # what nvidia-smi ends with where there is nothing to delete


class HostError(Exception):
    """Why it can't be done, for people."""


@dataclass(frozen=True)
class Settings:
    """What each GPU is to be."""

    persistence: bool
    compute_mode: str
    mig: dict[str, int] | None
    mig_gpus: list[int]


@dataclass(frozen=True)
class Gpu:
    """One GPU as it is, in nvidia-smi's words. `layout`: the profiles of its MIG devices."""

    index: str
    persistence: str
    compute: str
    mig: str
    driver: str
    layout: tuple[str, ...]

    @property
    def has_mig(self) -> bool:
        """Whether it can be partitioned at all."""
        return self.mig in ("Enabled", "Disabled")


def smi(*arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    """What nvidia-smi prints."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise HostError(f"nvidia-smi: {error.strerror}") from error
    said = (done.stdout + done.stderr).rstrip()
    if done.returncode not in allowed:
        told = said.splitlines()[-1] if said else "it printed nothing"
        raise HostError(f"nvidia-smi {' '.join(arguments)}: exit code {done.returncode}, {told}")
    return said


def found() -> list[Gpu]:
    """The GPUs of this host, in the order of their numbers."""
    rows = smi(f"--query-gpu={OF_ALL}", "--format=csv,noheader").splitlines()
    blocks = re.split(r"^GPU \d+:", smi("--list-gpus"), flags=re.MULTILINE)[1:]
    layouts = [tuple(re.findall(r"^\s+MIG (\S+)\s+Device", block, re.MULTILINE)) for block in blocks]
    return [_gpu(row, layout) for row, layout in zip(rows, layouts, strict=True)]


def _gpu(row: str, layout: tuple[str, ...]) -> Gpu:
    index, persistence, compute, mig, driver = row.split(", ")
    return Gpu(index, persistence, compute, mig, driver, layout)


def steps(gpu: Gpu, settings: Settings) -> list[list[str]]:
    """The arguments of nvidia-smi that bring a GPU to its settings, but for MIG."""
    wanted = []
    if settings.persistence and gpu.persistence != "Enabled":
        wanted.append(["-i", gpu.index, "-pm", "1"])
    if gpu.compute.upper() not in (settings.compute_mode, UNTOLD):
        wanted.append(["-i", gpu.index, "-c", settings.compute_mode])
    return wanted


def profiles_of(gpu: Gpu, settings: Settings) -> list[str] | None:
    """The profiles that it is to have, the largest first, as smaller ones could block them; None: any."""
    mig, chosen = settings.mig, settings.mig_gpus
    if mig is None or (chosen and int(gpu.index) not in chosen) or not (mig or gpu.has_mig):
        return None
    return sorted((name for name, number in mig.items() for _ in range(number)), key=size, reverse=True)


def size(profile: str) -> tuple[int, int]:
    """The slices and gigabytes of a profile like 1g.5gb."""
    slices, gigabytes = re.findall(r"\d+", profile)[:2]
    return int(slices), int(gigabytes)


def mig_steps(gpu: Gpu, profiles: list[str] | None) -> list[list[str]]:
    """The same of MIG. An instance that is as it has to be is deleted too where another is not."""
    is_on = gpu.mig == "Enabled"
    if profiles is None or (is_on == bool(profiles) and Counter(gpu.layout) == Counter(profiles)):
        return []
    wanted = []
    if is_on:
        wanted += [["mig", "-i", gpu.index, "-dci"], ["mig", "-i", gpu.index, "-dgi"]]
    if is_on != bool(profiles):
        wanted.append(["-i", gpu.index, "-mig", "1" if profiles else "0"])
    return wanted + ([created(gpu, profiles)] if profiles else [])


def created(gpu: Gpu, profiles: Sequence[str]) -> list[str]:
    """Makes instances, each with its compute instance."""
    return ["mig", "-i", gpu.index, "-cgi", ",".join(profiles), "-C"]


def hindrance(gpu: Gpu, profiles: Sequence[str]) -> str:
    """Why its MIG layout can't be changed to these profiles now; empty: it can."""
    if not gpu.has_mig:
        return f"GPU {gpu.index}: found one that has no MIG; leave it out by gpu_host_mig_gpus"
    offered = re.findall(r"MIG (\S+) +\d+ ", smi("mig", "-i", gpu.index, "-lgip"))
    if unknown := sorted(set(profiles) - set(offered)):
        return (
            f"GPU {gpu.index}: found no MIG profile {', '.join(unknown)}, allowed {', '.join(offered)}; "
            "name such in gpu_host_mig"
        )
    asked = ("--query-compute-apps=pid,process_name", "--format=csv,noheader")
    running = smi("-i", gpu.index, *asked).splitlines()
    if running:
        return (
            f"GPU {gpu.index}: found {len(running)} processes on it ({running[0]}), allowed none "
            "while its MIG layout is changed; end them, or drain the node"
        )
    return ""


def surplus(settings: Settings) -> str:
    """What is too much of one GPU; empty: nothing."""
    slices = sum(size(name)[0] * number for name, number in (settings.mig or {}).items())
    if slices > MOST_SLICES:
        return f"gpu_host_mig: found {slices} compute slices, allowed {MOST_SLICES} of one GPU; take fewer"
    return ""


def plan(settings: Settings) -> dict[str, object]:
    """The GPUs as they are, and what is missing."""
    gpus = found()
    profiles = {gpu: profiles_of(gpu, settings) for gpu in gpus}
    changes = {gpu: mig_steps(gpu, profiles[gpu]) for gpu in gpus}
    hindrances = (hindrance(gpu, profiles[gpu] or ()) for gpu, wanted in changes.items() if wanted)
    return {
        "driver": gpus[0].driver if gpus else "",
        "gpus": [gpu.index for gpu in gpus],
        "devices": sum(len(gpu.layout) or 1 for gpu in gpus),
        "steps": [
            f"nvidia-smi {' '.join(each)}" for gpu in gpus for each in (*steps(gpu, settings), *changes[gpu])
        ],
        "hindrances": [each for each in (surplus(settings), *hindrances) if each],
    }


def has_module() -> bool:
    """Whether this kernel could load NVIDIA's; no on a host without modinfo, whose drivers come otherwise."""
    try:
        asked = subprocess.run(["/sbin/modinfo", "nvidia"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return asked.returncode == 0


def look(settings: Settings) -> dict[str, object]:
    """What this host has, and the plan where its driver is loaded and answers."""
    loaded = Path("/proc/driver/nvidia/version").exists()
    there: dict[str, object] = {
        "nouveau": Path("/sys/module/nouveau").exists(),
        "loaded": loaded,
        "built": has_module(),
        "programs": [name for name in PROGRAMS if (Path("/usr/bin") / name).exists()],
    }
    try:
        return there | {"refused": ""} | (plan(settings) if loaded else {})
    except HostError as error:
        return there | {"refused": str(error)}


def apply(settings: Settings) -> None:
    """Run what is missing."""
    if hindrances := plan(settings)["hindrances"]:
        raise HostError(f"the MIG layout can't be changed: {hindrances}")
    for number, gpu in enumerate(found()):
        for each in steps(gpu, settings):
            smi(*each)
        try:
            lay_out(number, gpu, mig_steps(gpu, profiles_of(gpu, settings)))
        except HostError:
            put_back(gpu)
            raise
    if missing := plan(settings)["steps"]:
        raise HostError(f"had no effect: {missing}")


def lay_out(number: int, gpu: Gpu, commands: list[list[str]]) -> None:
    """Change a GPU's MIG layout; `number` is its place among those that are found."""
    for each in commands:
        smi(*each, allowed=(0, NONE_FOUND) if each[-1] in ("-dci", "-dgi") else (0,))
        if "-mig" in each and found()[number].mig == gpu.mig:
            raise HostError(f"GPU {gpu.index}: its MIG mode changes when it is reset; reboot the host")


def put_back(gpu: Gpu) -> None:
    """A MIG layout that can't be made is replaced by the one that was there."""
    if gpu.mig == "Disabled":
        smi("-i", gpu.index, "-mig", "0")
    elif gpu.layout:
        smi(*created(gpu, gpu.layout))


def main() -> None:
    """Do what the first argument says."""
    try:
        command, given = sys.argv[1:]
        settings = Settings(**json.loads(given if given.startswith("{") else Path(given).read_text()))
        if command == "apply":
            apply(settings)
        else:
            sys.stdout.write(json.dumps(look(settings)) + "\n")
    except HostError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
