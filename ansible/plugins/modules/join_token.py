"""Whether an API server is the one that is meant, and takes a bootstrap token. Standard library only."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import urllib.error
import urllib.request
from http.client import HTTPResponse

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: join_token
short_description: Tells whether an API server takes a bootstrap token
version_added: 0.1.0
description:
  - Reads the authority of the API server as C(kubeadm join) does, compares its public key with the hashes
    that are allowed, and only then shows the token to the server. It changes nothing.
author: Headrace's authors
options:
  server:
    description: The API server as host:port.
    type: str
    required: true
  token:
    description: The bootstrap token.
    type: str
    required: true
  hashes:
    description: SHA-256 hashes of public keys of authorities, each C(sha256:) and 64 hexadecimal digits.
    type: list
    elements: str
    default: []
  authority:
    description: The authority's certificate as PEM, where it is known; then no hashes are needed.
    type: str
    default: ""
  seconds:
    description: How long an answer may take.
    type: int
    default: 10
attributes:
  check_mode:
    description: It changes nothing, also without it.
    support: full
"""

EXAMPLES = r"""
- name: Try the token
  headrace.hosts.join_token:
    server: 10.0.0.1:6443
    token: "{{ cluster_node_token }}"
    hashes: ["sha256:0f5c…"]
"""

RETURN = r"""
trouble:
  description: Why a host could not join; empty where it can.
  type: str
  returned: always
"""

INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"


def public_key(certificate: bytes) -> bytes:
    """The bytes of a certificate that its hash is of: the seventh part of what is signed, with its header."""
    _, signed, _ = _part(certificate, 0)
    _, at, end = _part(certificate, signed)
    parts = []
    while at < end:
        tag, _, after = _part(certificate, at)
        parts.append((tag, at, after))
        at = after
    if parts[0][0] == 0xA0:  # the version, which may be left out
        parts = parts[1:]
    _, begin, after = parts[5]
    return certificate[begin:after]


def _part(text: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin and end of the content of what begins there, as DER writes it."""
    tag, length, content = text[at], text[at + 1], at + 2
    if length & 0x80:
        digits = length & 0x7F
        length = int.from_bytes(text[content : content + digits], "big")
        content += digits
    return tag, content, content + length


def hash_of(pem: str) -> str:
    """As kubeadm prints it. Raises ValueError for what is no certificate."""
    return "sha256:" + hashlib.sha256(public_key(ssl.PEM_cert_to_DER_cert(pem))).hexdigest()


def authority_in(info: dict[str, dict[str, str]]) -> str:
    """The certificate in what a cluster tells everybody of itself. A kubeconfig, written by kubeadm."""
    for line in info["data"]["kubeconfig"].splitlines():
        name, _, value = line.strip().partition(":")
        if name == "certificate-authority-data":
            return base64.b64decode(value.strip()).decode()
    raise ValueError("its ConfigMap cluster-info has no authority")


def trouble(server: str, token: str, hashes: list[str], authority: str, seconds: int) -> str:
    """Empty where all is well."""
    try:
        if not authority:
            unknown = ssl.create_default_context()
            unknown.check_hostname = False
            unknown.verify_mode = ssl.CERT_NONE  # nothing secret is said, and what is heard is compared
            authority = authority_in(json.load(_ask(server, INFO, unknown, "", seconds)))
            if hash_of(authority) not in hashes:
                return f"found an authority with the hash {hash_of(authority)}, allowed {', '.join(hashes)}"
        _ask(server, CONFIG, ssl.create_default_context(cadata=authority), token, seconds)
    except urllib.error.HTTPError as error:
        return _refused(error.code)
    except (OSError, ValueError, KeyError, IndexError) as error:
        return f"found no answer to trust ({getattr(error, 'reason', error)})"
    return ""


def _refused(code: int) -> str:
    if code == 401:
        return "found that it does not take the token: it has expired, or was never made there"
    if code == 404:
        return "found no ConfigMaps of kubeadm in it"
    return f"found the answer {code} to the token"


def _ask(server: str, path: str, context: ssl.SSLContext, token: str, seconds: int) -> HTTPResponse:
    request = urllib.request.Request(f"https://{server}{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    return opener.open(request, timeout=seconds)


def main() -> None:
    """Ansible runs this."""
    options = {
        "server": {"type": "str", "required": True},
        "token": {"type": "str", "required": True, "no_log": True},
        "hashes": {"type": "list", "elements": "str", "default": []},
        "authority": {"type": "str", "default": ""},
        "seconds": {"type": "int", "default": 10},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    module.exit_json(changed=False, trouble=trouble(**module.params))


if __name__ == "__main__":
    main()
