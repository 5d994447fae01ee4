"""Rendered files against a cluster where the same stack is up: what applying them would change."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from infra.gitops.collecting import NOTES, PULUMI_NOTES
from infra.manifests.parts import SETTINGS_MARK
from tests.toolchain.cluster.box import Box

Document = dict[str, Any]
PULUMI = "pulumi-kubernetes"
THREADS = 4
# What the API server counts or notes at each write.
_WRITTEN = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


def objects(files: Mapping[str, str]) -> list[Document]:
    """The objects in rendered files."""
    found = [yaml.safe_load(text) for text in files.values()]
    return [each for each in found if each["kind"] != "Kustomization"]


def would_change(box: Box, documents: Sequence[Document]) -> dict[str, tuple[Document, Document]]:
    """Objects that are not the same after they were applied in Pulumi's name: before and after, by name.

    The API server is asked to try it only. A field that Pulumi set and a file lacks would go, one that a file
    has besides would come: neither is left out. Not compared are the notes that only one of both ways writes,
    and marks made of secrets.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        pairs = list(threads.map(lambda each: _tried(box, each), documents))
    named = zip(documents, pairs, strict=True)
    return {_name(each): (before, after) for each, (before, after) in named if before != after}


def _tried(box: Box, document: Document) -> tuple[Document, Document]:
    meta = document["metadata"]
    place = [f"--namespace={meta['namespace']}"] if "namespace" in meta else []
    live = box.get(_kind(document), meta["name"], *place, "--show-managed-fields")
    managers = [each["manager"] for each in live["metadata"]["managedFields"]]
    (pulumi, *_) = [each for each in managers if each.startswith(PULUMI)]
    tried = box.kubectl(
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", f"--field-manager={pulumi}",
        "--filename=-", "--output=json", stdin=json.dumps(document),
    )  # fmt: skip
    return _bare(live), _bare(json.loads(tried))


def _kind(document: Document) -> str:
    """As kubectl tells kinds of the same name apart."""
    group, slash, _ = document["apiVersion"].partition("/")
    return f"{document['kind']}.{group}" if slash else document["kind"]


def _bare(document: Document) -> Document:
    meta = {key: value for key, value in document["metadata"].items() if key not in _WRITTEN}
    meta["annotations"] = dict(_kept_notes(meta.get("annotations", {})))
    bare = {key: value for key, value in document.items() if key != "status"} | {"metadata": meta}
    template = bare.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
    template.pop(SETTINGS_MARK, None)
    return bare


def _kept_notes(notes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in notes.items():
        if key not in NOTES and not key.startswith(PULUMI_NOTES):
            yield key, value


def _name(document: Document) -> str:
    meta = document["metadata"]
    return "/".join(filter(None, (document["kind"], meta.get("namespace"), meta["name"])))
