"""A pod that asks others for their metrics, as Prometheus would, and tells what each answered."""

import json
from collections.abc import Mapping

from tests.e2e.kubernetes.site import Site, wait_until

NAME = "reader"
_PROGRAM = """\
import json, sys, urllib.request

def read(address):
    for _ in range(int(sys.argv[2])):
        try:
            return urllib.request.urlopen(f"http://{address}/metrics", timeout=3).read().decode()
        except OSError as error:
            said = f"no answer: {error}"
    return said

print(json.dumps({name: read(address) for name, address in json.loads(sys.argv[1]).items()}))
"""


def read_from(site: Site, namespace: str, addresses: Mapping[str, str], *, tries: int) -> Mapping[str, str]:
    """What is told at each address (host:port), by its name, to a new pod of a namespace, which is made.

    Each try takes 3 s at most; a policy takes a moment to know of a new pod.
    """
    site.box.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    container = {
        "name": NAME,
        "image": site.images["headrace"],
        "command": ["python", "-c", _PROGRAM, json.dumps(dict(addresses)), str(tries)],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    site.box.apply(pod)
    wait_until(lambda: site.get("pod", NAME, namespace)["status"].get("phase") == "Succeeded", "it has asked")
    told: Mapping[str, str] = json.loads(site.box.kubectl("logs", NAME, f"--namespace={namespace}"))
    site.box.kubectl("delete", "pod", NAME, f"--namespace={namespace}")
    return told
