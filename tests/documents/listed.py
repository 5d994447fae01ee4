"""What the docs tell people to do and nothing here runs or judges, with the reason."""

from collections.abc import Mapping

# (page, program) -> why. A program that no command of that page calls is a fault.
PROGRAMS: Mapping[tuple[str, str], str] = {
    ("docs/aws.md", "podman"): "logs in to a registry of AWS, which is not here",
    ("docs/aws.md", "jq"): "its filter picks from an output that only a real `pulumi up` on AWS gives",
    ("docs/deploy.md", "base64"): "decodes a secret of a running platform",
    ("docs/backup.md", "jq"): "its filter takes a Secret of a running platform",
    ("docs/backup.md", "gpg"): "asks for a passphrase at a terminal",
    (
        "docs/cluster-in-a-box.md",
        "eval",
    ): "takes in what a cluster in a box prints, which takes root and minutes",
    ("docs/cluster-in-a-box.md", "uv"): "asks a package registry",
    ("docs/cluster-in-a-box.md", "base64"): "decodes a secret of a running platform",
    ("docs/cluster-in-a-box.md", "curl"): "asks the API of a running platform",
    ("docs/cluster-in-a-box.md", "rm"): "removes what a cluster in a box leaves",
    (
        "docs/echo.md",
        "uv",
    ): "trains for 25 minutes, on libraries that no test has; MODEL.md says what came of it",
    ("docs/images.md", "docker"): "asks a public registry",
    ("docs/images.md", "skopeo"): "asks a public registry",
    ("docs/on-premises.md", "ssh"): "reaches hosts of a lab",
    ("docs/on-premises.md", "ssh-copy-id"): "reaches hosts of a lab",
    ("docs/on-premises.md", "ssh-keygen"): "makes and shows keys for hosts of a lab",
    ("docs/on-premises.md", "ssh-keyscan"): "reaches hosts of a lab",
    (
        "docs/status.md",
        "oauth2-proxy",
    ): "a program of others; tests/integration/test_status_oidc.py runs these options",
    ("docs/policy.md", "docker"): "asks a public registry",
    ("ansible/roles/cluster_node/README.md", "kubeadm"): "runs on a control plane",
}

# (page, text) -> what it is, where it only looks like a field, a file or a command.
NO_NAMES: Mapping[tuple[str, str], str] = {
    ("docs/api.md", "tenant.name"): "how functions of tenants are called",
    ("docs/events.md", "aws.s3"): "a source of EventBridge",
    ("docs/from-oscar.md", "functions.aws"): "a part of SCAR's files",
    ("docs/gitops.md", "stacks/Pulumi.lab.yaml"): "the reader's own stack",
    ("docs/metrics.md", "name.namespace.svc"): "how services of a cluster are called",
    ("docs/scaler.md", "scaler.hook"): "an action in the log",
    ("docs/troubleshooting.md", "tenant.name"): "how functions of tenants are called",
}

# (page, message) -> whose it is, where the docs quote what others say.
OTHERS: Mapping[tuple[str, str], str] = {
    ("docs/cluster-in-a-box.md", "images can't be built here; missing: …"): "tests/toolchain",
    ("docs/cluster-in-a-box.md", "no box is ready in …"): "tests/toolchain",
    ("docs/aws.md", "AWS Account ID not allowed"): "Pulumi's provider for AWS",
    ("docs/aws.md", "not authorized to perform: …"): "AWS",
    ("docs/aws.md", "Unauthorized"): "the API server",
    ("docs/aws.md", "… not supported in the requested Availability Zone"): "AWS",
    ("docs/aws.md", "AddonVersion … not supported"): "AWS",
}
