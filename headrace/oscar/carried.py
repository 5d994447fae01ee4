"""The fields of a service that a function says too: where they go, and what of them can't."""

import re
from collections.abc import Callable, Iterator, Mapping

from headrace.model.function import MAX_SCRIPT_BYTES
from headrace.model.images import parse_image
from headrace.model.quantity import parse_quantity
from headrace.oscar.finding import (
    Finding,
    joined,
    mapped,
    marked_placeholder,
    plain,
    refused,
    shown,
    warning,
    worded_placeholder,
)
from headrace.oscar.service import CPU, MEMORY, Service
from headrace.oscar.storage import Site, judge_storage

Rule = Callable[[Service, Site], Iterator[Finding]]
# What OSCAR alone gives to a script: https://github.com/grycap/oscar/blob/master/docs/fdl.md#envvarsmap
_GIVEN = re.compile(r"\bOSCAR_SERVICE_(?:NAME|TOKEN|BASE_PATH)\b|/oscar/(?:bin|config)\b")
_SECRET = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|CREDENTIAL", re.IGNORECASE)


def _text(field: str, text: str, target: str, *, lack: str = "") -> Iterator[Finding]:
    """A text that goes over as it is; `lack`: what to do where there is none."""
    if not text and not lack:
        yield plain(field)
        return
    yield mapped(field, target)
    mark = marked_placeholder(text)
    if mark:
        yield refused(field, f"found the placeholder {shown(mark)}; fill it in")
    elif not text:
        yield refused(field, lack)
    elif worded_placeholder(text):
        yield warning(field, f"found {shown(text)}, which looks like a placeholder; fill it in")


def _name(service: Service, _: Site) -> Iterator[Finding]:
    yield from _text("name", service.name, "metadata.name", lack="is missing; write the service's name")


def _image(service: Service, _: Site) -> Iterator[Finding]:
    image = service.image
    yield from _text("image", image, "spec.image", lack="is missing; write the container image")
    if image and not marked_placeholder(image):
        yield from _image_faults(image)
    if image and "@sha256:" not in image:
        yield warning(
            "image", f"{shown(image)} names no digest, so it can change; production stacks refuse that"
        )
    yield warning(
        "spec.security",
        "OSCAR runs images as root and lets them write to their own files, so profile is baseline, which the "
        "stack must allow (functionsSecurity), and writableRoot true; drop both if the image needs neither",
    )


def _image_faults(image: str) -> Iterator[Finding]:
    try:
        parse_image(image)
    except ValueError as error:
        yield refused("image", str(error))


def _script(service: Service, _: Site) -> Iterator[Finding]:
    size = len(service.script.encode())
    yield mapped("script", "spec.run.script")
    if not service.script.strip():
        yield refused("script", "is missing; write the script that works a file")
    elif size > MAX_SCRIPT_BYTES:
        yield refused(
            "script", f"found {size} bytes, allowed {MAX_SCRIPT_BYTES}; put the rest into the image"
        )
    given = ", ".join(sorted(set(_GIVEN.findall(service.script))))
    if given:
        yield warning("script", f"it names {given}, which OSCAR alone gives; write what it needs of it")
    if "\r\n" in service.script:
        yield warning("script", "its lines end with CR LF, on which /bin/sh fails; save it with LF")
    yield warning(
        "spec.delivery",
        "OSCAR tries a file once, without a time limit, and calls a failed script a success; here a file has "
        "a day and three attempts, and an exit status other than 0 is a failure. Write what a file may take",
    )


def _quantity(field: str, target: str, default: str) -> Rule:
    def rule(service: Service, _: Site) -> Iterator[Finding]:
        yield from _text(field, getattr(service, field) or default, target)

    return rule


def _disk(service: Service, _: Site) -> Iterator[Finding]:
    target = "spec.resources.ephemeralStorage"
    yield from _text("ephemeral_storage_request", service.ephemeral_storage_request, target)
    yield warning(
        target, "OSCAR sets no limit on disk, here it is one: inputs, outputs and what the script writes"
    )


def _total(field: str, per_worker: str, default: str) -> Rule:
    """A limit on all jobs at once becomes one on workers."""

    def rule(service: Service, _: Site) -> Iterator[Finding]:
        total = getattr(service, field)
        if not total:
            yield plain(field)
            return
        try:
            workers = workers_within(total, getattr(service, per_worker) or default)
        except ValueError as error:
            yield refused(field, str(error))
            return
        if workers < 1:
            yield refused(field, f"found {shown(total)}, less than one worker's {per_worker}; raise it")
            return
        yield mapped(field, "spec.scale.maxWorkers")
        yield warning(field, f"it bounds workers here: at most {workers} have it together")

    return rule


def workers_within(total: str, each: str) -> int:
    """How many workers of `each` a total has room for. Raises ValueError for what is no quantity above 0."""
    amount = parse_quantity(each)
    if amount == 0:
        raise ValueError(f"found {shown(each)} for one worker, allowed > 0; write what it needs")
    return int(parse_quantity(total) / amount)


def _gpu(service: Service, _: Site) -> Iterator[Finding]:
    yield mapped("enable_gpu", "spec.gpu.count") if service.enable_gpu else plain("enable_gpu")


def _input(service: Service, site: Site) -> Iterator[Finding]:
    for index, storage in enumerate(service.input):
        field, target = joined("input", index), joined("spec.input", index)
        yield mapped(f"{field}.path", f"{target}.bucket")
        yield mapped(f"{field}.storage_provider", target)
        yield from judge_storage(field, storage, site)
        for name in sorted(storage.model_fields_set & {"suffix", "prefix"}):
            yield warning(f"{field}.{name}", "OSCAR filters outputs only, so every file starts the function")
    if service.input:
        return
    yield mapped("input", "spec.input")
    if site.entrance:
        place = f"s3://{site.entrance}/{service.name}/"
        yield warning("input", f"there is none: files that are put below {place} start the function")
    else:
        yield refused(
            "input",
            "there is none: OSCAR starts it by requests alone, Headrace starts functions by files; write an "
            "input (storage_provider: minio, path: BUCKET/FOLDER), or import with --entrance BUCKET",
        )


def _output(service: Service, site: Site) -> Iterator[Finding]:
    for index, storage in enumerate(service.output):
        field, target = joined("output", index), joined("spec.output", index)
        yield mapped(f"{field}.path", f"{target}.bucket")
        yield mapped(f"{field}.storage_provider", target)
        yield mapped(f"{field}.suffix", f"{target}.suffix")
        yield mapped(f"{field}.prefix", f"{target}.namePrefix")
        yield from judge_storage(field, storage, site)
    if not service.output:
        yield plain("output")


def _synchronous(service: Service, _: Site) -> Iterator[Finding]:
    least, most = service.synchronous.min_scale, service.synchronous.max_scale
    yield mapped("synchronous.min_scale", "spec.scale.minWorkers")
    if not most:
        yield plain("synchronous.max_scale")
        return
    yield mapped("synchronous.max_scale", "spec.scale.maxWorkers")
    yield warning("synchronous.max_scale", f"it bounds all workers here, not requests' alone: at most {most}")
    if least > most:
        yield refused("synchronous", f"found min_scale {least} above max_scale {most}; lower it")


def _environment(service: Service, _: Site) -> Iterator[Finding]:
    for part in ("variables", "secrets"):
        if not getattr(service.environment, part):
            yield plain(f"environment.{part}")
    for name, text in service.environment.variables.items():
        field = joined("environment.variables", name)
        yield mapped(field, f"spec.environment.{name}")
        if marked_placeholder(text) or worded_placeholder(text):
            yield warning(field, f"found {shown(text)}, which looks like a placeholder; fill it in")
        elif text and _SECRET.search(name):
            yield warning(field, "its name is that of a secret; keep its value in a secret instead")
    names = sorted(service.environment.secrets)
    if names:
        yield mapped("environment.secrets", "spec.secrets")
        yield warning("environment.secrets", secrets_advice(service.name, names))


def secrets_advice(name: str, entries: list[str]) -> str:
    """How a function comes to its secrets, whose values are never written into it."""
    lines = ", ".join(f"{entry}=…" for entry in entries)
    return (
        f"no value is written; give the secret {name!r} its entries: on one machine as lines {lines} of "
        f".headrace/secrets/{name}.env (mode 0600), on a cluster by `pulumi -C functions config set --secret "
        f"--path secrets.{name}.ENTRY VALUE`"
    )


def _pull_secrets(service: Service, _: Site) -> Iterator[Finding]:
    for index, name in enumerate(service.image_pull_secrets):
        field = joined("image_pull_secrets", index)
        yield from _text(field, name, joined("spec.imagePullSecrets", index), lack="is empty; name it")
    if not service.image_pull_secrets:
        yield plain("image_pull_secrets")


def _metadata(field: str) -> Rule:
    def rule(service: Service, _: Site) -> Iterator[Finding]:
        if not getattr(service, field):
            yield plain(field)
            return
        yield mapped(field, f"metadata.{field}")
        yield warning(field, "they go on the Function object, not on its pods as in OSCAR")

    return rule


def _volume(service: Service, _: Site) -> Iterator[Finding]:
    volume = service.volume
    if volume is None:
        yield plain("volume")
        return
    claim = claim_of(service)
    yield mapped("volume.mount_path", "spec.volumes[0].mountPath")
    yield from _text("volume.name", claim, "spec.volumes[0].name")
    if not volume.size:
        yield plain("volume.size")
    else:
        yield warning(
            "volume.size",
            f"Headrace makes no volumes: make a PersistentVolumeClaim {claim!r} of {volume.size} in the "
            "functions' namespace first",
        )
    if volume.lifecycle_policy.lower() in ("", "retain"):
        yield plain("volume.lifecycle_policy")
    else:
        yield warning("volume.lifecycle_policy", "the claim stays when the function is deleted")


def claim_of(service: Service) -> str:
    """The claim's name: OSCAR names a volume without one as its service."""
    return (service.volume.name.strip() if service.volume is not None else "") or service.name


CARRIED: Mapping[str, Rule] = {
    "name": _name,
    "image": _image,
    "script": _script,
    "input": _input,
    "output": _output,
    "memory": _quantity("memory", "spec.resources.memory", MEMORY),
    "cpu": _quantity("cpu", "spec.resources.cpu", CPU),
    "ephemeral_storage_request": _disk,
    "total_memory": _total("total_memory", "memory", MEMORY),
    "total_cpu": _total("total_cpu", "cpu", CPU),
    "enable_gpu": _gpu,
    "synchronous": _synchronous,
    "environment": _environment,
    "image_pull_secrets": _pull_secrets,
    "labels": _metadata("labels"),
    "annotations": _metadata("annotations"),
    "volume": _volume,
}
# These say something even where the definition doesn't have them: that they lack, or what holds instead.
ALWAYS = ("name", "image", "script", "input", "memory", "cpu", "ephemeral_storage_request")
