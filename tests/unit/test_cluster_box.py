"""The cluster in a box: what is decided without starting it."""

import hashlib
import io
import ipaddress
import json
import tarfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from lightkube.codecs import from_dict
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim

from tests.toolchain.cluster import addons, identities, kubeconfig, provisioner, standing
from tests.toolchain.cluster.addresses import NUMBERS, Subnets, candidates, loopback, tag
from tests.toolchain.cluster.certificates import Authority
from tests.toolchain.cluster.fakes import fake_node
from tests.toolchain.cluster.finding import is_keeper, keeper_arguments
from tests.toolchain.cluster.node import NAME, Node
from tests.toolchain.cluster.oci import Image, loaded
from tests.toolchain.cluster.place import Place
from tests.toolchain.cluster.programs import control_plane, fake_kubelets
from tests.toolchain.cluster.standing import Facts, Standing

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLACE = Place(Path("/state"))
BIN = Path("/engines/bin")
NODE = Node(PLACE, BIN, Path("/cni"), Path("/python"), Subnets(7), "hr-x")


# Addresses


def test_boxes_share_no_address_and_their_parts_neither():
    ranges = [
        ipaddress.ip_network(each)
        for number in NUMBERS
        for net in [Subnets(number)]
        for each in (net.services, f"{net.node}/32", f"{net.host}/32", net.pods)
    ]
    assert not [(a, b) for a, b in pairwise(sorted(ranges)) if a.overlaps(b)]
    assert all(each.subnet_of(ipaddress.ip_network("198.18.0.0/15")) for each in ranges)


def test_the_first_service_is_the_first_address_of_its_range():
    net = Subnets(9)
    assert net.addresses.first_service == str(ipaddress.ip_network(net.services)[1])


def test_a_control_plane_has_a_loopback_address_that_follows_from_its_folder():
    one, other = (loopback(Path(name)).own for name in ("/a", "/b"))
    assert one != other
    assert one == loopback(Path("/a")).own
    assert ipaddress.ip_address(one).is_loopback
    assert not one.startswith("127.0.")


def test_every_number_is_tried_once():
    assert sorted(candidates(Path("/a"))) == list(NUMBERS)


def test_the_name_of_a_link_is_short_enough():
    assert len(tag(Path("/a/very/long/path" * 9))) <= 15


# Certificates


def test_a_certificate_names_user_groups_and_places_and_is_signed():
    authority = Authority.read(Authority.new(NOW).pair)
    pair = authority.issue("jane", ["a", "b"], ["localhost", "127.0.0.1"], NOW)
    issued = x509.load_pem_x509_certificate(pair.certificate)
    issued.verify_directly_issued_by(authority.certificate)
    subject = {oid: [x.value for x in issued.subject.get_attributes_for_oid(oid)] for oid in _NAMES}
    assert subject == {NameOID.COMMON_NAME: ["jane"], NameOID.ORGANIZATION_NAME: ["a", "b"]}
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


_NAMES = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)


def test_keys_and_kubeconfigs_are_for_their_owner_alone(tmp_path: Path):
    place, at = Place(tmp_path), loopback(tmp_path)
    identities.write(place, at, identities.of_control_plane(at), NOW)
    secret = [*place.pki.glob("*.key"), *place.kubeconfigs.iterdir()]
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert identities.authority_of(place).pair.certificate == (place.pki / "ca.crt").read_bytes()


def test_a_kubeconfig_holds_all_that_it_needs():
    authority = Authority.new(NOW)
    pair = authority.issue("jane", [], [], NOW)
    content = kubeconfig.document("https://x:6443", authority.pair.certificate, pair, "jane")
    assert content["clusters"][0]["cluster"]["server"] == "https://x:6443"
    assert not [key for key in str(content).split("'") if key.endswith((".crt", ".key"))]


# Programs


def test_every_program_needs_only_what_is_there_and_has_an_identity():
    at = NODE.net.addresses
    programs = [*control_plane(PLACE, BIN, at), fake_kubelets(PLACE, BIN, at, []), *NODE.programs()]
    names = [program.name for program in programs]
    assert len(set(names)) == len(names)
    assert {need for program in programs for need in program.needs} <= set(names)
    who = {each.name for each in (*identities.of_control_plane(at), *identities.of_node(at))}
    asked = {
        word.partition(f"{PLACE.kubeconfigs}/")[2].removesuffix(".kubeconfig")
        for program in programs
        for word in program.command
        if str(PLACE.kubeconfigs) in word
    }
    assert asked <= who


def test_the_store_of_a_cluster_is_not_reached_by_pods():
    etcd = control_plane(PLACE, BIN, NODE.net.addresses)[0]
    assert [word for word in etcd.command if "198.18" in word] == []


def test_configuration_files_can_be_read_and_name_the_boxs_own_places():
    files = NODE.files()
    kubelet = yaml.safe_load(files["kubelet.yaml"])
    assert (kubelet["cgroupRoot"], kubelet["clusterDNS"]) == ("/hr-x", ["198.18.7.253"])
    assert kubelet["containerRuntimeEndpoint"] == f"unix://{PLACE.containerd}"
    assert yaml.safe_load(files["kube-proxy.yaml"])["mode"] == "nftables"
    assert json.loads(files["cni/10-bridge.conflist"])["plugins"][0]["type"] == "bridge"


def test_rights_are_bound_to_users_that_have_a_certificate():
    items = addons.manifests()["items"]
    users = {s["name"] for item in items for s in item.get("subjects", [])}
    assert users <= {each.user for each in identities.of_node(NODE.net.addresses)}


# Finding and standing


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["python", *keeper_arguments(PLACE, "cluster")], True),
        (["unshare", "--net", "python", *keeper_arguments(PLACE, "cluster")], True),
        (["python", *keeper_arguments(PLACE, "control-plane")], True),
        (["python", *keeper_arguments(Place(Path("/state2")), "cluster")], False),
        (["python", "-m", "tests.toolchain.cluster", "down", "--state", "/state"], False),
        ([""], False),
    ],
)
def test_a_keeper_is_known_by_its_command_line(command: list[str], found: bool):
    assert is_keeper(command, PLACE.root) is found


def test_a_standing_is_read_as_it_was_written(tmp_path: Path):
    place = Place(tmp_path)
    assert standing.read(place) is None
    written = Standing("failed", Facts("/bin", "https://x", "node-0", "198.18.1.254"), {"etcd": 2}, "why")
    standing.write(place, written)
    assert standing.read(place) == written


# Fake nodes


def test_a_fake_node_is_played_by_kwok_and_offers_what_is_asked():
    node = fake_node("n", pool="gpu", resources={"nvidia.com/gpu": "8"}, extra={"zone": "a"})
    assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert node["metadata"]["labels"]["headrace.dev/pool"] == "gpu"
    assert node["metadata"]["labels"]["zone"] == "a"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    assert node["status"]["allocatable"]["pods"] == "110"


# Images


def image(content: bytes = b"\x7fELF") -> Image:
    return Image("localhost/x:1", {"bin/x": content, "lib/y": b"y"}, ("/bin/x",), {"bin/z": "x"}, "x86_64")


def test_an_archive_is_the_same_for_the_same_image(tmp_path: Path):
    one, same, other = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    image().write(one)
    image().write(same)
    image(b"else").write(other)
    assert one.read_bytes() == same.read_bytes()
    assert one.read_bytes() != other.read_bytes()


def test_an_archive_holds_the_image_by_its_digests(tmp_path: Path):
    archive = tmp_path / "image.tar"
    image().write(archive)
    with tarfile.open(archive) as tar:
        content = {entry.name: tar.extractfile(entry).read() for entry in tar}
    blobs = {name.rpartition("/")[2]: blob for name, blob in content.items() if "/sha256/" in name}
    assert {digest: hashlib.sha256(blob).hexdigest() for digest, blob in blobs.items()} == {
        d: d for d in blobs
    }
    (described,) = json.loads(content["index.json"])["manifests"]
    assert described["annotations"]["io.containerd.image.name"] == "localhost/x:1"
    manifest = json.loads(blobs[described["digest"].removeprefix("sha256:")])
    config = json.loads(blobs[manifest["config"]["digest"].removeprefix("sha256:")])
    assert (config["architecture"], config["config"]["Cmd"]) == ("amd64", ["/bin/x"])
    layer = blobs[manifest["layers"][0]["digest"].removeprefix("sha256:")]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert [(entry.name, entry.linkname, entry.mode) for entry in tar] == [
            ("bin/x", "", 0o755),
            ("bin/z", "x", 0o755),
            ("lib/y", "", 0o755),
        ]


def test_the_libraries_of_a_program_are_read_from_what_ldd_tells():
    told = (
        "\tlinux-vdso.so.1 (0x00007ffe)\n"
        "\tlibtinfo.so.6 => /lib/x86_64-linux-gnu/libtinfo.so.6 (0x00007f95)\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f95)\n"
    )
    assert loaded(told) == [
        Path("/lib/x86_64-linux-gnu/libtinfo.so.6"),
        Path("/lib64/ld-linux-x86-64.so.2"),
    ]
    assert loaded("\tnot a dynamic executable\n") == []


# Volumes


def claim(annotations: dict[str, str], **spec: str) -> PersistentVolumeClaim:
    ours = {provisioner.ASKED: addons.PROVISIONER}
    return from_dict(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "ns", "uid": "u1", "annotations": ours | annotations},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "local",
                **spec,
            },
        }
    )


CHOSEN = {provisioner.CHOSEN_NODE: NAME}


@pytest.mark.parametrize(
    ("asked", "waiting"),
    [
        (claim(CHOSEN), True),
        (claim({}), False),
        (claim({**CHOSEN, provisioner.ASKED: "another"}), False),
        (claim(CHOSEN, volumeName="pvc-u1"), False),
    ],
    ids=["its pod has a node", "no pod has", "another provisioner's", "bound already"],
)
def test_a_volume_is_made_for_a_claim_of_ours_whose_pod_has_a_node(
    asked: PersistentVolumeClaim, waiting: bool
):
    assert provisioner.is_waiting(asked) is waiting


def test_a_volume_is_its_claims_and_its_nodes():
    made = provisioner.volume_of(claim(CHOSEN), Path("/volumes")).to_dict()
    assert made["spec"]["claimRef"]["uid"] == "u1"
    assert made["spec"]["local"]["path"] == "/volumes/pvc-u1"
    (term,) = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == [NAME]


@pytest.mark.parametrize(
    ("maker", "phase", "released"),
    [
        (addons.PROVISIONER, "Released", True),
        (addons.PROVISIONER, "Bound", False),
        ("another", "Released", False),
    ],
)
def test_a_volume_goes_when_its_claim_is_gone_and_we_made_it(maker: str, phase: str, released: bool):
    volume: PersistentVolume = from_dict(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "pv", "annotations": {provisioner.MADE_BY: maker}},
            "status": {"phase": phase},
        }
    )
    assert provisioner.is_released(volume) is released
