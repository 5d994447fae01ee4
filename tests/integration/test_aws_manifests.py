"""What the target aws puts on its cluster beside the platform, as a real API server judges it."""

import json

import pytest

from headrace.model.pool import NodePoolSpec
from infra import names
from infra.gpu_settings import DevicePlugin
from infra.manifests import device_plugin, network
from infra.manifests.device_plugin import Plugin
from infra.manifests.gpus import device_plugin_config
from infra.manifests.ground import open_namespace
from infra.manifests.volumes import storage_class
from infra.versions import DEVICE_PLUGIN
from tests.fixtures.cluster import control_plane  # noqa: F401  (a fixture)

WHERE = DevicePlugin(namespace="test-device-plugin")
PLUGIN = Plugin(DEVICE_PLUGIN, WHERE, ["gpu"], mps=True)
POOL = NodePoolSpec.from_json(
    '{"driver": "eks", "eks": {"nodeGroup": "gpu"}, "capacity": {"cpu": "4", "memory": "16Gi"},'
    ' "maxNodes": 1, "gpu": {"model": "A10G", "memory": "22Gi", "sharing": {"mps": 4}}}'
)
INSIDE = {
    "daemon set": device_plugin.plugin(PLUGIN),
    "MPS": device_plugin.mps_daemon(PLUGIN),
    "configuration": device_plugin_config({"gpu": POOL}, WHERE),
    "openings": network.openings(names.DEVICE_PLUGIN, WHERE.namespace, egress=network.to_aws()),
}


@pytest.fixture(scope="module")
def box(control_plane):  # noqa: F811  (the fixture)
    space = open_namespace(WHERE.namespace, names.DEVICE_PLUGIN)
    control_plane.apply(space)
    yield control_plane
    control_plane.delete(space)


@pytest.mark.parametrize("what", [*INSIDE, "class of volumes"])
def test_the_api_server_takes_it_and_drops_no_field(box, what):
    manifest = INSIDE.get(what, storage_class())
    box.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(manifest))
