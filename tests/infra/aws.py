"""A stack on AWS as tests have it, and what AWS would answer."""

import json
from pathlib import Path

import yaml

from infra.configuration import parse
from infra.deployment import deploy
from infra.settings import StackSettings
from tests.infra.recording import declared

EXAMPLE = Path(__file__).parents[2] / "stacks" / "Pulumi.aws.yaml"
ANSWERS = {
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://control-plane.example",
        "certificateAuthority": {"data": "Y2VydGlmaWNhdGU="},
    },
    "aws:eks/nodeGroup:NodeGroup": {"resources": [{"autoscalingGroups": [{"name": "eks-group"}]}]},
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 3},
    "aws:kms/key:Key": {"arn": "arn:aws:kms:{}"},
    "aws:sqs/queue:Queue": {"arn": "arn:aws:sqs:{}", "url": "https://sqs.example/{}"},
    "aws:s3/bucket:Bucket": {"arn": "arn:aws:s3:::{}"},
    "aws:iam/role:Role": {"arn": "arn:aws:iam:{}"},
    "pulumi-python:dynamic/headrace:Password": {"value": "{}-hush-hush-hush"},
    "pulumi-python:dynamic/headrace:Authority": {"certificate": "authority", "key": "authority-hush"},
    "pulumi-python:dynamic/headrace:Certificate": {"certificate": "certificate", "key": "queue-key-hush"},
}


def example() -> dict:
    """The values of the example's stack, by key."""
    config = yaml.safe_load(EXAMPLE.read_text())["config"]
    return {key.removeprefix("headrace:"): value for key, value in config.items()}


def stack(tree: dict) -> StackSettings:
    """The settings that values by key spell out."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in tree.items()}
    return parse(StackSettings, texts, stack="test")


def deployed(tree: dict):
    """What such a stack declares, by name; its outputs under ''."""
    outputs = {}

    def program() -> None:
        outputs.update(deploy(stack(tree), Path(), name="test"))

    return {**declared(program, outputs=ANSWERS), "": outputs}
