"""Names that objects on Kubernetes carry: the API group, labels, annotations, finalizers, shared objects."""

GROUP = "headrace.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

# Labels
FUNCTION = f"{GROUP}/function"  # the function's name: on worker pods and all that the controller makes for it
DIGEST = f"{GROUP}/digest"  # `short_digest` of the function that a worker pod belongs to
GPU_WAY = (
    f"{GROUP}/gpu"  # by which way a worker pod comes to its GPUs: `remote`, `mig.mig-1g.5gb`; none: no GPU
)
POOL = f"{GROUP}/pool"  # the pool's name: on nodes, and on the pods that run there
NODE = f"{GROUP}/node"  # on a node of a cloud: the name by which the scaler starts and stops it
# By which NVIDIA's device plugin finds the part of its configuration that a node follows.
DEVICE_PLUGIN_CONFIG = "nvidia.com/device-plugin.config"
ASSESSMENT = f"{GROUP}/assessment"  # the id of the comparison that copies of functions, and a bucket, are for
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"  # worker, receiver, scaler, controller, queue, store

# Annotations
ENABLED = f"{GROUP}/enabled"  # on a node: "false" once a person has disabled it, "true" once enabled again
STOPPING = (
    f"{GROUP}/stopping-since"  # on a node or a GPU server: seconds since the epoch of its order to stop
)
STARTED = f"{GROUP}/ordered-at"  # on a node: seconds since the epoch at which its start was ordered

# Remote GPUs, as Kubernetes' dynamic resource allocation names them
GPU_DRIVER = f"gpu.{GROUP}"  # the driver, the device class, and the domain of its attributes
SERVER_GPU = f"{GPU_DRIVER}/gpu"  # in a container's limits: a whole GPU of some server
SILENT = f"{GPU_DRIVER}/silent"  # the taint of devices whose server does not answer

FINALIZER = f"{GROUP}/controller"  # the controller has something to do before the object may go

HEADRACE = "headrace"  # the value of PART_OF; the prefix of the managers' names

# Objects of the platform's namespace that one part writes, and others read or grant rights on by name
LISTING_LEASE = f"{HEADRACE}-listing"  # whose holder is the receiver that lists
SCALER_LEASE = f"{HEADRACE}-scaler"
CONTROLLER_LEASE = f"{HEADRACE}-controller"
PUBLISHER_LEASE = f"{HEADRACE}-publisher"  # whose holder publishes the servers' GPUs
SCALER_MEMORY = f"{HEADRACE}-scaler-memory"  # a config map: what the scaler has learned
NODE_SLOTS = f"{HEADRACE}-node-slots"  # a config map: which instances of a cloud are which nodes
PLAN = f"{HEADRACE}-plan"  # a config map: what the scaler has decided, for people
PLAN_KEY = "plan.json"
OPERATOR_SECRET = f"{HEADRACE}-operator"  # settings for a person's commands
STATUS_SERVICE = "status"  # the status page's, in the platform's namespace

# Entries of the secrets that hold a service's settings
SETTINGS_KEY = "settings.json"
AUTHORITY_KEY = "ca.crt"  # the authority that signed the queue's certificate

DIGEST_LENGTH = 10


def enabled_of(node: str) -> str:
    """The annotation of a pool that says of a node without an object what ENABLED says on one."""
    return f"{ENABLED}.{node}"


def short_digest(digest: str) -> str:
    """So much of a function's digest as names and labels carry."""
    return digest[:DIGEST_LENGTH]
