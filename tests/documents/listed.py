"""What the docs tell people to do and no test runs, or nothing here even judges, with the reason."""

from collections.abc import Mapping

# (page, program) -> why. A program that no command of that page calls is a fault.
PROGRAMS: Mapping[tuple[str, str], str] = {
    ("docs/aws.md", "podman"): "logs in to a registry of AWS, which is not here",
    ("docs/aws.md", "jq"): "its filter picks from an output that only a real `pulumi up` on AWS gives",
    (
        "docs/echo.md",
        "uv",
    ): "trains for 25 minutes, on libraries that no test has; MODEL.md says what came of it",
    ("docs/images.md", "docker"): "asks a public registry",
    ("docs/images.md", "skopeo"): "asks a public registry",
    (
        "docs/status.md",
        "oauth2-proxy",
    ): "a program of others; tests/integration/test_status_oidc.py runs these options",
    ("docs/policy.md", "docker"): "asks a public registry",
}

# page -> why commands of its blocks are judged and not run. A page that has no such command is a fault.
NOT_RUN: Mapping[str, str] = {
    "README.md": "`make test` runs all this; docs/demo.md has `make demo`, docs/images.md its images",
    "docs/aws.md": "asks AWS",
    "docs/backup.md": "a cluster has to be lost; tests/e2e/kubernetes/test_backup.py goes through the drill",
    "docs/chaos.md": "these tests are parts of `make test` and of `make e2e-long`",
    "docs/cluster-in-a-box.md": "builds for some 40 minutes; each `make test` begins with it",
    "docs/deploy.md": "names a store of others",
    "docs/echo.md": "trains for 25 minutes, on libraries that no test has",
    "docs/events.md": "asks AWS; tests/integration/test_events_sqs.py asks an emulator",
    "docs/gpu.md": "compares ways to GPUs, of which there is none",
    "docs/images.md": "builds the images of the tests, as each test does that is the first to ask for one",
    "docs/on-premises.md": "a platform on the lab's hosts, which tests/e2e/kubernetes/test_onprem.py has",
    "docs/policy.md": "tests/integration/test_policy.py runs Pulumi with the pack",
    "docs/scale.md": "these tests are parts of `make test` and of `make e2e-long`",
    "docs/status.md": "prepares oauth2-proxy; tests/integration/test_status_oidc.py does it, too",
    "docs/upgrade.md": "docs/images.md has it",
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
    ("docs/cluster-in-a-box.md", "inotify_init: too many open files"): "kubelet",
    ("docs/aws.md", "AWS Account ID not allowed"): "Pulumi's provider for AWS",
    ("docs/aws.md", "not authorized to perform: …"): "AWS",
    ("docs/aws.md", "Unauthorized"): "the API server",
    ("docs/aws.md", "… not supported in the requested Availability Zone"): "AWS",
    ("docs/aws.md", "AddonVersion … not supported"): "AWS",
}
