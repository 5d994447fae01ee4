"""What the role gpu_host tells nvidia-smi to do, from how a GPU is and how it has to be."""

import importlib.util
import sys
from types import ModuleType

import pytest

from headrace.model.gpu_sharing import MOST_SLICES
from tools.roles_reference import ROLES


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_host", ROLES / "gpu_host" / "files" / "gpu_host.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


role = _loaded()
# What nvidia-smi of driver 580.159.04 says of an H200 that a process computes on.
REAL = {
    "--query-gpu=index,persistence_mode,compute_mode,mig.mode.current,driver_version": (
        "0, Enabled, Default, Disabled, 580.159.04"
    ),
    "--list-gpus": "GPU 0: NVIDIA H200 (UUID: GPU-70fe7a69-34ea-ca23-0453-c5656a1a92ce)",
    "--query-compute-apps=pid,process_name": "490, python3",
    "-lgip": """\
+-------------------------------------------------------------------------------+
| GPU instance profiles:                                                        |
| GPU   Name               ID    Instances   Memory     P2P    SM    DEC   ENC  |
|                                Free/Total   GiB              CE    JPEG  OFA  |
|===============================================================================|
|   0  MIG 1g.18gb         19     7/7        16.00      No     16     1     0   |
|                                                               1     1     0   |
+-------------------------------------------------------------------------------+
|   0  MIG 1g.18gb+me      20     1/1        16.00      No     16     1     0   |
|                                                               1     1     1   |
+-------------------------------------------------------------------------------+
|   0  MIG 3g.71gb          9     2/2        69.75      No     60     3     0   |
|                                                               3     3     0   |
+-------------------------------------------------------------------------------+
|   0  MIG 7g.141gb         0     1/1        140.00     No     132    7     0   |
|                                                               8     7     1   |
+-------------------------------------------------------------------------------+""",
}
WHOLE, SLICED = ("Disabled", ()), ("Enabled", ("3g.20gb", "1g.5gb"))
GONE = ["mig -i 0 -dci", "mig -i 0 -dgi"]


@pytest.mark.parametrize(
    ("state", "mig", "chosen", "commands"),
    [
        pytest.param(WHOLE, None, [], [], id="as it is"),
        pytest.param(SLICED, None, [], [], id="as it is, with a layout of somebody else's"),
        pytest.param(SLICED, {"1g.5gb": 1, "3g.20gb": 1}, [], [], id="the same in another order"),
        pytest.param(
            WHOLE, {"1g.5gb": 2, "3g.20gb": 1}, [],
            ["-i 0 -mig 1", "mig -i 0 -cgi 3g.20gb,1g.5gb,1g.5gb -C"], id="the largest first",
        ),
        pytest.param(
            SLICED, {"1g.5gb": 1, "1g.10gb": 1}, [], [*GONE, "mig -i 0 -cgi 1g.10gb,1g.5gb -C"],
            id="another layout",
        ),
        pytest.param(
            ("Enabled", ()), {"7g.40gb": 1}, [], [*GONE, "mig -i 0 -cgi 7g.40gb -C"],
            id="instances that no device uses are deleted too",
        ),
        pytest.param(SLICED, {}, [], [*GONE, "-i 0 -mig 0"], id="off"),
        pytest.param(WHOLE, {}, [], [], id="off already"),
        pytest.param(("[N/A]", ()), {}, [], [], id="off where there is no MIG"),
        pytest.param(WHOLE, {"1g.5gb": 7}, [1, 2], [], id="another GPU's"),
    ],
)  # fmt: skip
def test_a_layout_is_reached_by_the_fewest_commands(
    state: tuple[str, tuple[str, ...]], mig: dict[str, int] | None, chosen: list[int], commands: list[str]
) -> None:
    gpu = role.Gpu("0", "Enabled", "Default", state[0], "535.104.05", state[1])
    settings = role.Settings(persistence=True, compute_mode="DEFAULT", mig=mig, mig_gpus=chosen)
    assert role.steps(gpu, settings) == []
    found = role.mig_steps(gpu, role.profiles_of(gpu, settings))
    assert [" ".join(each) for each in found] == commands


def test_more_slices_than_a_gpu_has_are_told() -> None:
    settings = role.Settings(persistence=True, compute_mode="DEFAULT", mig={"4g.20gb": 2}, mig_gpus=[])
    assert role.surplus(settings).startswith("gpu_host_mig: found 8 compute slices, allowed 7 of one GPU")
    assert role.MOST_SLICES == MOST_SLICES


def test_persistence_and_compute_mode_are_set_where_they_are_other() -> None:
    gpu = role.Gpu("3", "Disabled", "Default", "[N/A]", "535.104.05", ())
    settings = role.Settings(persistence=True, compute_mode="EXCLUSIVE_PROCESS", mig=None, mig_gpus=[])
    assert role.steps(gpu, settings) == [["-i", "3", "-pm", "1"], ["-i", "3", "-c", "EXCLUSIVE_PROCESS"]]


def test_what_a_real_gpu_says_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "smi", lambda *told: next(REAL[each] for each in told if each in REAL))
    wish = {"mig": {"1g.18gb": 2, "3g.71gb": 1}, "mig_gpus": [0]}
    found = role.plan(role.Settings(persistence=True, compute_mode="EXCLUSIVE_PROCESS", **wish))
    assert (found["driver"], found["gpus"], found["devices"]) == ("580.159.04", ["0"], 1)
    assert found["steps"] == [
        "nvidia-smi -i 0 -c EXCLUSIVE_PROCESS",
        "nvidia-smi -i 0 -mig 1",
        "nvidia-smi mig -i 0 -cgi 3g.71gb,1g.18gb,1g.18gb -C",
    ]
    (hindrance,) = found["hindrances"]
    assert hindrance.startswith("GPU 0: found 1 processes on it (490, python3), allowed none while its MIG")


def test_a_profile_of_another_gpu_is_told_with_those_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "smi", lambda *told: next(REAL[each] for each in told if each in REAL))
    wish = role.Settings(persistence=True, compute_mode="DEFAULT", mig={"1g.5gb": 2}, mig_gpus=[])
    (hindrance,) = role.plan(wish)["hindrances"]
    assert hindrance == (
        "GPU 0: found no MIG profile 1g.5gb, allowed 1g.18gb, 1g.18gb+me, 3g.71gb, 7g.141gb; name such in "
        "gpu_host_mig"
    )


def test_a_host_without_modinfo_has_no_module_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("/sbin/modinfo")

    monkeypatch.setattr(role.subprocess, "run", missing)
    assert not role.has_module()
