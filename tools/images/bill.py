"""The bill of materials of an image: CycloneDX 1.6 as JSON, the same bytes for the same image."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from tools.images.archive import contents_of, tree_of
from tools.images.faults import ImagesError
from tools.images.installed import Kind, Package, installed, is_wanted

ADDRESS = re.compile(r"https?://[A-Za-z0-9-][A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*")


def write_bill(archive: Path, path: Path, *, name: str, reference: str, epoch: int) -> int:
    """Writes the archive's bill; returns the number of packages. Raises ImagesError as `bill` does."""
    contents = contents_of(archive)
    packages = installed(tree_of(archive, contents.layers, is_wanted), contents.config)
    text = bill(packages, name=name, reference=reference, digest=contents.digest, epoch=epoch)
    path.write_text(text, encoding="utf-8")
    return len(packages)


def bill(packages: Sequence[Package], *, name: str, reference: str, digest: str, epoch: int) -> str:
    """Raises ImagesError where the schema of CycloneDX refuses it, which is a defect of this tool."""
    components = [_component(each) for each in packages]
    image = Component(
        name=name, version=digest, type=ComponentType.CONTAINER, bom_ref=f"{name}@{digest}",
        purl=PackageURL("oci", None, name, digest, {"repository_url": reference.rpartition(":")[0]}),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))],
    )  # fmt: skip
    document = Bom(
        components=components, serial_number=uuid5(NAMESPACE_URL, f"oci:{name}@{digest}"),
        metadata=BomMetaData(component=image, timestamp=datetime.fromtimestamp(epoch, UTC)),
    )  # fmt: skip
    document.register_dependency(image, components)
    text = JsonV1Dot6(document).output_as_string(indent=1) + "\n"
    if fault := fault_in(text):
        raise ImagesError(f"{name}: its bill of materials breaks CycloneDX's schema: {fault}")
    return text


def fault_in(text: str) -> str:
    """What CycloneDX's own schema says against a document; nothing where it is right."""
    return str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) or "")


def _component(package: Package) -> Component:
    purl = _purl(package)
    return Component(
        name=package.name, version=package.version, bom_ref=purl.to_string(), purl=purl,
        type=ComponentType.PLATFORM if package.kind is Kind.OTHER else ComponentType.LIBRARY,
        licenses=_licences(package.licences), external_references=_references(package.homepage),
    )  # fmt: skip


def _purl(package: Package) -> PackageURL:
    told = {"arch": package.architecture, "distro": package.distribution}
    namespace = "debian" if package.kind is Kind.DEBIAN else None
    qualifiers = {name: value for name, value in told.items() if value}
    return PackageURL(package.kind.value, namespace, package.name, package.version, qualifiers)


def _licences(told: Sequence[str]) -> list[License]:
    """A component has one expression or several named ones, never both."""
    factory = LicenseFactory()
    made = [factory.make_from_string(each) for each in told]
    if len(made) > 1:
        return [factory.make_with_name(each) if isinstance(one, LicenseExpression) else one
                for each, one in zip(told, made, strict=True)]  # fmt: skip
    return made


def _references(homepage: str) -> list[ExternalReference]:
    """Packages may write anything there; the schema wants an address."""
    if not ADDRESS.fullmatch(homepage):
        return []
    return [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(homepage))]
