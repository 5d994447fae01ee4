"""Resources that are in Pulumi's state and nowhere else: what is passed in is noted there, and handed out.

They stand for a look or a judgement: whoever has one looks in `check`, which comes before anything is done,
in a preview too, and refuses there.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from pulumi import dynamic

Properties = dict[str, Any]


class Noting(dynamic.ResourceProvider):
    """Outputs: the inputs. A change of those named by `noted` is noted; nothing is ever made anew for it."""

    serialize_as_secret_always = False  # it is a reference to a class, and readable in the state
    noted: ClassVar[Sequence[str]] = ()

    def id_of(self, props: Properties) -> str:
        """Of a new resource."""
        raise NotImplementedError

    def create(self, props: Properties) -> dynamic.CreateResult:
        return dynamic.CreateResult(self.id_of(props), dict(props))

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in self.noted))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(dict(_news))
