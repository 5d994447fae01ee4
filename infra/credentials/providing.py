"""What Pulumi calls to make a credential: the edge with the clock. A changed input makes it anew."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from pulumi import dynamic

from infra.credentials import making

Properties = dict[str, Any]
ROTATION = "rotation"
ENDS = "ends"
PAIR = ("certificate", "key", ENDS)


class _Maker(dynamic.ResourceProvider):
    """Makes something once; it stays until an input that counts differs, or it ends before long."""

    serialize_as_secret_always = False  # it is a reference to a class, and readable in the state
    counting: ClassVar[Sequence[str]] = (ROTATION,)
    outputs: ClassVar[Sequence[str]]  # beside the inputs that count

    def make(self, props: Mapping[str, Any]) -> Properties:
        """The outputs, by those names."""
        raise NotImplementedError

    def create(self, props: Properties) -> dynamic.CreateResult:
        kept = {name: props[name] for name in self.counting}
        return dynamic.CreateResult(secrets.token_hex(8), {**kept, **self.make(props)})

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> dynamic.DiffResult:
        changed = [name for name in self.counting if _olds.get(name) != _news.get(name)]
        if not changed and ENDS in _olds and making.is_due(_olds[ENDS], datetime.now(UTC)):
            changed = [ENDS]
        return dynamic.DiffResult(changes=bool(changed), replaces=changed)


class PasswordMaker(_Maker):
    """Inputs: length, rotation."""

    counting = (ROTATION, "length")
    outputs = ("value",)

    def make(self, props: Mapping[str, Any]) -> Properties:
        return {"value": making.password(int(props["length"]))}


class AuthorityMaker(_Maker):
    """Inputs: name, rotation."""

    counting = (ROTATION, "name")
    outputs = PAIR

    def make(self, props: Mapping[str, Any]) -> Properties:
        return _outputs(making.authority(props["name"], datetime.now(UTC)))


class CertificateMaker(_Maker):
    """Inputs: names, rotation, authority's certificate and key."""

    counting = (ROTATION, "names", "authority")
    outputs = PAIR

    def make(self, props: Mapping[str, Any]) -> Properties:
        made = making.certificate(
            list(props["names"]), props["authority"], props["authority_key"], datetime.now(UTC)
        )
        return _outputs(made)


def _outputs(pair: making.Pair) -> Properties:
    return {"certificate": pair.certificate, "key": pair.key, ENDS: pair.ends.isoformat()}
