"""The table of engines: what each is built from, what it leaves, which versions on PATH will do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.toolchain.versions import Range


@dataclass(frozen=True, slots=True)
class Binary:
    """A program made from the main package `package`."""

    name: str
    package: str
    ask: tuple[str, ...] = ()  # what makes it tell its version
    fits: Range | None = None  # versions taken from PATH; None: it is always built


@dataclass(frozen=True, slots=True)
class Copied:
    """Files of a module: `pattern` in its folder `source`, laid below `target`."""

    module: str
    source: str
    pattern: str
    target: str


@dataclass(frozen=True, slots=True)
class Engine:
    """What one go.mod pins; its folder in engines/ has the same name."""

    name: str
    version: str
    binaries: tuple[Binary, ...]
    values: Mapping[str, str] = field(default_factory=dict)  # set by the linker: Go variable to value
    tags: tuple[str, ...] = ()
    embeds: tuple[Copied, ...] = ()  # laid beside the sources before the build
    shares: tuple[Copied, ...] = ()  # laid in share/<engine>
    is_for_long_tests: bool = False  # made where it is asked for, and for tests of minutes


# The control plane is one version throughout: what it refuses must not depend on the machine.
_KUBE = Range((1, 36), (1, 37))
_KUBECTL = Range(
    (1, 35), (1, 38)
)  # one minor version apart, https://kubernetes.io/releases/version-skew-policy/
_CONTAINERD = Range((2, 1), (3,))


def _kube(name: str) -> Binary:
    return Binary(name, f"k8s.io/kubernetes/cmd/{name}", ("--version",), _KUBE)


def _containerd(name: str, *ask: str) -> Binary:
    return Binary(name, f"github.com/containerd/containerd/v2/cmd/{name}", ask, _CONTAINERD)


def _stage(folder: str) -> Copied:
    kind, _, _ = folder.partition("/")
    return Copied("sigs.k8s.io/kwok", f"kustomize/stage/{folder}", f"{kind}-*.yaml", folder)


# kubeadm, coredns and kwok are pinned to the versions that kube uses, and come after it: they take what it
# compiled.
ENGINES = (
    Engine(
        "etcd",
        "3.7.3",
        (Binary("etcd", "go.etcd.io/etcd/server/v3", ("--version",), Range((3, 6), (4,))),),
    ),
    Engine(
        "kube",
        "1.36.3",
        (
            _kube("kube-apiserver"),
            _kube("kube-controller-manager"),
            _kube("kube-scheduler"),
            _kube("kubelet"),
            _kube("kube-proxy"),
            Binary("kubectl", "k8s.io/kubernetes/cmd/kubectl", ("version", "--client"), _KUBECTL),
        ),
        values={"k8s.io/component-base/version.gitVersion": "v1.36.3"},
    ),
    # An engine of its own: what a machine has of kube stays as it is.
    Engine(
        "kubeadm",
        "1.36.3",
        (Binary("kubeadm", "k8s.io/kubernetes/cmd/kubeadm", ("version", "-o=short"), _KUBE),),
        values={"k8s.io/component-base/version.gitVersion": "v1.36.3"},
    ),
    Engine("coredns", "1.14.1", (Binary("coredns", ".", ("-version",), Range((1, 11), (2,))),)),
    Engine(
        "kwok",
        "0.8.0",
        (Binary("kwok", "sigs.k8s.io/kwok/cmd/kwok", ("--version",), Range((0, 8), (0, 9))),),
        shares=(_stage("node/fast"), _stage("node/heartbeat-with-lease"), _stage("pod/fast")),
    ),
    Engine(
        "kube-router",
        "2.1.0",
        (Binary("kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),),
    ),
    Engine(
        "containerd",
        "2.4.2",
        (
            _containerd("containerd", "--version"),
            _containerd("containerd-shim-runc-v2", "-v"),
            _containerd("ctr", "--version"),
        ),
        values={"github.com/containerd/containerd/v2/version.Version": "v2.4.2"},
        tags=("no_btrfs", "no_devmapper", "no_zfs"),
    ),
    Engine("pause", "1.0.0", (Binary("pause", "."),)),  # what the sandbox image of the cluster's pods holds
    Engine(
        "pulumi",
        "3.250.0",
        (
            Binary(
                "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ("version",), Range((3, 200), (4,))
            ),
        ),
        values={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "3.250.0"},
    ),
    # The released versions of the provider don't build from their module; this is the commit of 4.25.0. It
    # tells no version when asked, so none is taken from PATH.
    Engine(
        "pulumi-kubernetes",
        "4.25.0",
        (Binary("pulumi-resource-kubernetes", "."),),
        values={"main.version": "4.25.0"},
        embeds=(
            Copied(
                "github.com/pulumi/pulumi-kubernetes/provider/v4",
                "cmd/pulumi-resource-kubernetes",
                "schema.json",
                ".",
            ),
        ),
    ),
    # What people log in by, before the status page.
    Engine(
        "oauth2-proxy",
        "7.15.6",
        (
            Binary(
                "oauth2-proxy", "github.com/oauth2-proxy/oauth2-proxy/v7", ("--version",), Range((7, 6), (8,))
            ),
        ),
        values={"github.com/oauth2-proxy/oauth2-proxy/v7/pkg/version.VERSION": "v7.15.6"},
        is_for_long_tests=True,
    ),
    Engine("oidc-provider", "3.52.0", (Binary("oidc-provider", "."),), is_for_long_tests=True),
    Engine(
        "prometheus",
        "3.15.1",
        (
            Binary(
                "prometheus",
                "github.com/prometheus/prometheus/cmd/prometheus",
                ("--version",),
                Range((3,), (4,)),
            ),
            Binary(
                "promtool", "github.com/prometheus/prometheus/cmd/promtool", ("--version",), Range((3,), (4,))
            ),
        ),
        values={"github.com/prometheus/common/version.Version": "3.15.1"},
        tags=("remove_all_sd", "enable_kubernetes_sd"),  # clouds are most of what it would be built from
        is_for_long_tests=True,
    ),
)


def outputs(engine: Engine) -> tuple[str, ...]:
    """What an engine leaves, relative to the toolchain's root: its binaries, then its shared folders."""
    folders = tuple(f"share/{engine.name}/{share.target}" for share in engine.shares)
    return tuple(f"bin/{binary.name}" for binary in engine.binaries) + folders
