"""What goes wrong for a person, by stable codes, and where the docs tell about it.

A code never changes its meaning; a heading may be reworded, as its anchor is made of it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

PAGE = "troubleshooting.md"


class Trouble(StrEnum):
    """Codes of errors, as `--json` has them."""

    # By what the caller can do, where nothing nearer is known
    CONFIGURATION = "configuration"
    AWAY = "away"
    REJECTED = "rejected"
    NOT_FOUND = "not-found"
    CHANGED = "changed"
    EXISTS = "exists"
    FATAL = "fatal"
    UNKNOWN = "unknown"

    # Getting started
    NO_STACK = "no-stack"
    STACK_STOPPED = "stack-stopped"
    STATE_IN_USE = "state-in-use"
    STATE_UNREADABLE = "state-unreadable"
    PROGRAM_MISSING = "program-missing"
    PACKAGE_MISSING = "package-missing"
    PORT_TAKEN = "port-taken"
    START_FAILED = "start-failed"

    # Functions
    FUNCTIONS_FOLDER = "functions-folder"
    FUNCTION_FAULTY = "function-faulty"
    FUNCTION_NAME = "function-name"
    FUNCTION_UNKNOWN = "function-unknown"
    FILE_NOT_TAKEN = "file-not-taken"
    SECRET_MISSING = "secret-missing"  # noqa: S105  (a code)
    RUN_ELSEWHERE = "run-elsewhere"
    STILL_WAITING = "still-waiting"

    # Store and queue
    STORE_AWAY = "store-away"
    STORE_DENIED = "store-denied"
    STORE_ELSEWHERE = "store-elsewhere"
    STORE_NO_KEY = "store-no-key"
    STORE_UNSURE = "store-unsure"
    OBJECT_MISSING = "object-missing"
    QUEUE_AWAY = "queue-away"
    QUEUE_REFUSED = "queue-refused"
    QUEUE_UNTRUSTED = "queue-untrusted"
    STREAM_MISSING = "stream-missing"

    # Clusters
    KUBECTL_MISSING = "kubectl-missing"
    KUBECONFIG = "kubeconfig"
    CLUSTER_AWAY = "cluster-away"
    CLUSTER_DENIED = "cluster-denied"
    CLUSTER_UNTRUSTED = "cluster-untrusted"
    PLATFORM_MISSING = "platform-missing"
    VERSIONS_DIFFER = "versions-differ"


# The headings of docs/troubleshooting.md under which each is told.
HEADINGS: Mapping[Trouble, str] = {
    Trouble.CONFIGURATION: "Something must be changed first",
    Trouble.AWAY: "A server does not answer",
    Trouble.REJECTED: "The store or a service refuses this for good",
    Trouble.NOT_FOUND: "What was asked for is not there",
    Trouble.CHANGED: "It has changed meanwhile",
    Trouble.EXISTS: "It is there already",
    Trouble.FATAL: "A process can't go on",
    Trouble.UNKNOWN: "An error without a name of its own",
    Trouble.NO_STACK: "No stack here",
    Trouble.STACK_STOPPED: "No stack runs on the state folder",
    Trouble.STATE_IN_USE: "A stack lives in the state folder already",
    Trouble.STATE_UNREADABLE: "The state folder can't be read",
    Trouble.PROGRAM_MISSING: "A server's program is missing",
    Trouble.PACKAGE_MISSING: "A Python package is missing",
    Trouble.PORT_TAKEN: "A port is taken",
    Trouble.START_FAILED: "A server does not start",
    Trouble.FUNCTIONS_FOLDER: "There is no folder of functions",
    Trouble.FUNCTION_FAULTY: "A function is faulty",
    Trouble.FUNCTION_NAME: "A name that no function can have",
    Trouble.FUNCTION_UNKNOWN: "A function is not installed",
    Trouble.FILE_NOT_TAKEN: "A function does not take the file",
    Trouble.SECRET_MISSING: "A function's secret is missing",
    Trouble.RUN_ELSEWHERE: "A function can't run on this machine",
    Trouble.STILL_WAITING: "A file has not ended in time",
    Trouble.STORE_AWAY: "The store does not answer",
    Trouble.STORE_DENIED: "The store denies access",
    Trouble.STORE_ELSEWHERE: "The store is at another address",
    Trouble.STORE_NO_KEY: "There is no key for the store",
    Trouble.STORE_UNSURE: "The store lets two writers win",
    Trouble.OBJECT_MISSING: "A bucket or an object is missing",
    Trouble.QUEUE_AWAY: "The queue does not answer",
    Trouble.QUEUE_REFUSED: "The queue refuses the login",
    Trouble.QUEUE_UNTRUSTED: "The queue's certificate is not trusted",
    Trouble.STREAM_MISSING: "A function has no queue yet",
    Trouble.KUBECTL_MISSING: "kubectl is missing",
    Trouble.KUBECONFIG: "The kubeconfig can't be used",
    Trouble.CLUSTER_AWAY: "The cluster does not answer",
    Trouble.CLUSTER_DENIED: "The cluster denies access",
    Trouble.CLUSTER_UNTRUSTED: "The cluster's certificate is not trusted",
    Trouble.PLATFORM_MISSING: "The platform is not deployed",
    Trouble.VERSIONS_DIFFER: "Client and stack are of two versions",
}


def anchor(heading: str) -> str:
    """A heading's anchor, as Markdown's readers make it: GitHub's and those of the docs site alike."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def page_of(trouble: Trouble) -> str:
    """The page of the docs and the place in it: `troubleshooting.md#no-stack-here`."""
    return f"{PAGE}#{anchor(HEADINGS[trouble])}"
