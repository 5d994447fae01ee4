"""The kubelet's messages: the modules in the checkout are what their definitions give."""

from pathlib import Path

from headrace.gpu.kubelet import dra_pb2
from tools.messages import FOLDER, generate


def test_generated_modules_are_current(tmp_path: Path):
    generate(FOLDER, tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    there = {path.name: path.read_text() for path in FOLDER.glob("*_pb2.py*")}
    assert made == there, "run `make messages`"


def test_names_and_numbers_are_those_that_the_kubelet_speaks():
    device = dra_pb2.Device.DESCRIPTOR
    assert {field.name: field.number for field in device.fields} == {
        "request_names": 1,
        "pool_name": 2,
        "device_name": 3,
        "cdi_device_ids": 4,
        "share_id": 5,
    }
    assert device.full_name == "k8s.io.kubelet.pkg.apis.dra.v1.Device"
