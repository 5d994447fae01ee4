"""The real node of a box: its programs and their configuration files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.toolchain.cluster.addresses import Subnets
from tests.toolchain.cluster.place import Place
from tests.toolchain.cluster.programs import DOMAIN, Probe, Program

NAME = "node-0"
BRIDGE = "pods0"
SANDBOX = "localhost/headrace-pause:1"
KUBELET_ROOT = Path("/var/lib/kubelet")  # in the box's own mounts


@dataclass(frozen=True, slots=True)
class Node:
    """`plugins` is the folder of CNI's programs, `python` runs the provisioner, `tag` names cgroups."""

    place: Place
    bin: Path
    plugins: Path
    python: Path
    net: Subnets
    tag: str

    def files(self) -> Mapping[str, str]:
        """The configuration files by their name in the box's `config`."""
        return {
            "containerd.toml": self._containerd(),
            "cni/10-bridge.conflist": json.dumps(self._bridge()),
            "kubelet.yaml": json.dumps(self._kubelet()),
            "kube-proxy.yaml": json.dumps(self._proxy()),
            "Corefile": self._corefile(),
            "resolv.conf": f"nameserver {self.net.node}\n",
        }

    def programs(self) -> tuple[Program, ...]:
        """All of them wait for the control plane; pods run when the last is ready."""
        config, node = self.place.config, self.net.node
        containerd = (str(self.bin / "containerd"), f"--config={config / 'containerd.toml'}")
        images = (str(self.bin / "ctr"), f"--address={self.place.containerd}", "--namespace=k8s.io", "images")
        pause = self.place.data / "pause.tar"
        proxy = (str(self.bin / "kube-proxy"), f"--config={config / 'kube-proxy.yaml'}")
        names = (str(self.bin / "coredns"), f"-conf={config / 'Corefile'}")
        policies = (str(self.bin / "kube-router"), *self._firewall())
        claims = (str(self.python), "-m", "tests.toolchain.cluster.provisioner", *self._volumes())
        api = ("kube-apiserver",)
        return (
            Program("containerd", containerd, Probe(file=self.place.containerd)),
            Program("sandbox-image", (*images, "import", str(pause)), needs=("containerd",), task=True),
            Program("addons", self._apply(config / "addons.json"), needs=api, task=True),
            Program("kubelet", self._run_kubelet(), self._is_ready(), (*api, "sandbox-image")),
            Program("kube-proxy", proxy, Probe(f"http://{node}:10256/healthz"), ("kubelet",)),
            Program("kube-router", policies, Probe(f"http://{node}:20244/healthz"), ("addons", "kubelet")),
            Program("coredns", names, Probe(f"http://{node}:8181/ready"), ("addons",)),
            Program("provisioner", claims, needs=("addons",)),
        )

    def _is_ready(self) -> Probe:
        return Probe(f"{self.net.addresses.api}/api/v1/nodes/{NAME}", text='"type":"Ready","status":"True"')

    def _run_kubelet(self) -> tuple[str, ...]:
        return (
            str(self.bin / "kubelet"),
            f"--config={self.place.config / 'kubelet.yaml'}",
            f"--kubeconfig={self.place.kubeconfig('kubelet')}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.net.node}",
            f"--root-dir={KUBELET_ROOT}",
        )

    def _firewall(self) -> tuple[str, ...]:
        """kube-router as what enforces network policies, and nothing else of it."""
        return (
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            f"--kubeconfig={self.place.kubeconfig('kube-router')}",
            f"--hostname-override={NAME}",
            f"--service-cluster-ip-range={self.net.services}",
            "--health-port=20244",
        )

    def _apply(self, manifests: Path) -> tuple[str, ...]:
        apply = ("apply", "--server-side", f"--filename={manifests}")
        return (str(self.bin / "kubectl"), f"--kubeconfig={self.place.admin}", *apply)

    def _volumes(self) -> tuple[str, ...]:
        config = self.place.kubeconfig("provisioner")
        return (f"--kubeconfig={config}", f"--volumes={self.place.volumes}")

    def _containerd(self) -> str:
        # restrict_oom_score_adj: without CAP_SYS_RESOURCE runc ends with "can't get final child's PID".
        data, run = self.place.data / "containerd", self.place.run
        return f"""version = 3
root = "{data}"
state = "{run / "containerd"}"
[grpc]
address = "{self.place.containerd}"
[plugins.'io.containerd.cri.v1.runtime']
enable_cdi = true
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{self.plugins}"]
conf_dir = "{self.place.config / "cni"}"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{SANDBOX}"
"""

    def _bridge(self) -> dict[str, Any]:
        ranges = {
            "type": "host-local",
            "ranges": [[{"subnet": self.net.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": ranges}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}

    def _kubelet(self) -> dict[str, Any]:
        pki = self.place.pki
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.net.node,
            "healthzBindAddress": self.net.node,
            "tlsCertFile": str(pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(pki / "kubelet.key"),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "clusterDNS": [self.net.node],
            "clusterDomain": DOMAIN,
            "resolvConf": str(self.place.config / "resolv.conf"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.tag}",
            "failCgroupV1": False,
            "failSwapOn": False,
            # The host's own settings are never touched: inside.py shows kubelet the values that it wants.
            "protectKernelDefaults": True,
            # A disk that is nearly full is the machine's matter: no test loses its pods or images by it.
            "evictionHard": dict.fromkeys(_EVICTIONS, "0%"),
            "imageGCHighThresholdPercent": 100,
            "serializeImagePulls": False,
            # After so long a pod is looked at again whose devices could not be prepared; usual is a minute.
            "syncFrequency": "5s",
            "containerRuntimeEndpoint": f"unix://{self.place.containerd}",
        }

    def _proxy(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": NAME,
            "clientConnection": {"kubeconfig": str(self.place.kubeconfig("kube-proxy"))},
            "bindAddress": self.net.node,
            "healthzBindAddress": f"{self.net.node}:10256",
            "metricsBindAddress": f"{self.net.node}:10249",
            "clusterCIDR": self.net.pods,
            # Limits of the whole machine, not of the box's network: left as they are.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        }

    def _corefile(self) -> str:
        # Two servers: in one, the template would answer before the cluster is asked.
        return f"""{DOMAIN} in-addr.arpa {{
    errors
    health
    ready
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {self.place.kubeconfig("coredns")}
        ttl 2
    }}
    cache 2
    loadbalance
}}
. {{
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""


_EVICTIONS = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")
