"""What AWS stores or starts: encrypted, and without a way to the node's own rights."""

from collections.abc import Iterator

from .tree import Node
from .values import Fault, Resource, Rule, Surroundings

_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_INSTANCE = "aws:ec2/instance:Instance"
_CONFIGURATION = "aws:ec2/launchConfiguration:LaunchConfiguration"
_MACHINES = (_TEMPLATE, _INSTANCE, _CONFIGURATION)
_NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
_QUEUE = "aws:sqs/queue:Queue"
_TOPIC = "aws:sns/topic:Topic"
_CLUSTER = "aws:eks/cluster:Cluster"
# Which input of a resource says that what it holds is encrypted.
_SWITCHES = {
    "aws:ebs/volume:Volume": "encrypted",
    "aws:efs/fileSystem:FileSystem": "encrypted",
    "aws:rds/instance:Instance": "storageEncrypted",
    "aws:rds/cluster:Cluster": "storageEncrypted",
}
_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
_EBS = "ebs.csi.aws.com"


def _plain(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    inputs = resource.inputs
    switch = _SWITCHES.get(resource.type)
    if switch is not None and inputs.at(switch).is_not_true:
        yield _fault(switch, inputs.at(switch), f"write {switch}: true")
    elif resource.type == _QUEUE:
        yield from _queue(inputs)
    elif resource.type == _TOPIC and inputs.at("kmsMasterKeyId").is_absent:
        yield _fault("kmsMasterKeyId", inputs.at("kmsMasterKeyId"), "name a key of KMS")
    elif resource.type == _CLUSTER and inputs.at("encryptionConfig").is_absent:
        yield _fault("encryptionConfig", inputs.at("encryptionConfig"), "name a key of KMS for secrets")
    elif resource.type == _CLASS and inputs.at("provisioner").says(_EBS):
        told = inputs.at("parameters", "encrypted")
        if told.is_not_true:
            yield _fault("parameters.encrypted", told, 'write parameters.encrypted: "true"')
    elif resource.type in _MACHINES:
        yield from _disks(resource)
    elif resource.type == _NODE_GROUP and inputs.at("launchTemplate").is_absent:
        yield _fault("launchTemplate", inputs.at("launchTemplate"), "name one whose disks are encrypted")


def _queue(inputs: Node) -> Iterator[Fault]:
    managed = inputs.at("sqsManagedSseEnabled")
    if inputs.at("kmsMasterKeyId").is_absent and managed.is_not_true:
        yield _fault("sqsManagedSseEnabled", managed, "name a key in kmsMasterKeyId, or write it: true")


def _disks(resource: Resource) -> Iterator[Fault]:
    """A machine has its image's disk even where none is written; of templates each stands below `ebs`."""
    inputs = resource.inputs
    first = "blockDeviceMappings" if resource.type == _TEMPLATE else "rootBlockDevice"
    if inputs.at(first).is_absent:
        yield _fault(first, inputs.at(first), "write the disk of the image there, encrypted")
    for number, mapping in enumerate(inputs.at("blockDeviceMappings").entries(), 1):
        told = mapping.at("ebs", "encrypted")
        if not mapping.at("ebs").is_absent and told.is_not_true:
            yield _fault(f"blockDeviceMappings {number}", told, "write ebs.encrypted: true")
    for key in ("rootBlockDevice", "ebsBlockDevices"):
        for disk in inputs.at(key).entries():
            if disk.at("encrypted").is_not_true:
                yield _fault(key, disk.at("encrypted"), f"write {key}.encrypted: true")


def _fault(where: str, told: Node, remedy: str) -> Fault:
    return Fault(where, f"{told.told}, so nothing that it keeps is encrypted", "encryption", remedy)


def _metadata(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    options = resource.inputs.at("metadataOptions")
    template = resource.inputs.at("launchTemplate")
    if resource.type == _NODE_GROUP and template.is_absent:
        yield Fault(
            "launchTemplate",
            f"{template.told}, so its machines answer pods as EKS has it",
            "one with metadataOptions",
            "name a launch template with httpTokens required and httpPutResponseHopLimit 1",
        )
    if resource.type not in _MACHINES or options.at("httpEndpoint").says("disabled"):
        return
    tokens, hops = options.at("httpTokens"), options.at("httpPutResponseHopLimit")
    if tokens.denies("required"):
        yield Fault(
            "metadataOptions.httpTokens",
            tokens.told,
            "required",
            "write it: without tokens any request that a pod can be made to send gets the node's rights",
        )
    if hops.denies(1):
        yield Fault(
            "metadataOptions.httpPutResponseHopLimit",
            hops.told,
            "1",
            "write it: an answer that goes further reaches the pods of the node",
        )


ENCRYPTED = Rule(
    "unencrypted",
    "What is stored is encrypted",
    "queues of SQS, topics of SNS, disks of EBS (volumes, launch templates, node groups of EKS, instances, "
    "storage classes), EFS, RDS, secrets of EKS",
    "encryption not switched on; a node group without `launchTemplate`; of a queue "
    "neither `kmsMasterKeyId` nor `sqsManagedSseEnabled`",
    each=_plain,
)
METADATA = Rule(
    "instance-metadata",
    "Pods do not get at the rights of their node",
    "launch templates, instances, node groups of EKS",
    "`metadataOptions` without `httpTokens: required` and `httpPutResponseHopLimit: 1`; a node group without "
    "`launchTemplate`, whose machines have the service's own",
    each=_metadata,
)
