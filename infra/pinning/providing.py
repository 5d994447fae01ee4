"""What Pulumi calls to look whether a stack is still where it was: on its cluster, under its names."""

from collections.abc import Iterator, Mapping

from pulumi import dynamic

from headrace.model.errors import HeadraceError
from infra.noted import Noting, Properties
from infra.pinning.reading import uid_of_cluster

KUBECONFIG, CONTEXT, EXPECTED, UID, NAMES = "kubeconfig", "context", "expected", "uid", "names"


class Pinner(Noting):
    """Inputs: kubeconfig, context, expected (a uid, or empty), names (by setting). Outputs: those and uid.

    The uid is added to the inputs where these are checked, which is before anything else is done, in a
    preview too; Pulumi hands them back the next time.
    """

    noted = (KUBECONFIG, CONTEXT, EXPECTED, UID, NAMES)

    def read_uid(self, props: Properties) -> str:
        """Of the cluster that is meant now."""
        return uid_of_cluster(props[KUBECONFIG], props[CONTEXT])

    def id_of(self, props: Properties) -> str:
        return str(props[UID])

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        allowed = news[EXPECTED] or _olds.get(UID, "")
        found, fault = self._looked(news, allowed)
        faults = [*([fault] if fault else []), *renamed(_olds.get(NAMES) or {}, news[NAMES])]
        # Without a property: Pulumi would print its value.
        return dynamic.CheckResult({**news, UID: found}, [dynamic.CheckFailure("", each) for each in faults])

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        self._refuse_other(props)
        return dynamic.ReadResult(id_, dict(props))

    def delete(self, _id: str, _props: Properties) -> None:
        self._refuse_other(_props)

    def _refuse_other(self, props: Properties) -> None:
        _, fault = self._looked(props, props[UID])
        if fault:
            raise RuntimeError(fault)

    def _looked(self, props: Properties, allowed: str) -> tuple[str, str]:
        """The uid that was found, and what is wrong."""
        try:
            found = self.read_uid(props)
        except HeadraceError as error:
            return "", f"the cluster can't be looked at: {error}"
        return found, told(found, allowed, props[CONTEXT]) if found != (allowed or found) else ""


class Keeper(Noting):
    """Without inputs: Pulumi alone knows of its resource, and whether that is protected."""

    def id_of(self, _props: Properties) -> str:
        return "last"


def renamed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Names that changed, each as a fault."""
    for setting, name in now.items():
        if before.get(setting, name) != name:
            yield (
                f"{setting}: found {name!r}, allowed {before[setting]!r}, under which this protected stack "
                "has its data: another name would be another, empty one. Take the change back; to begin "
                "anew, set protect to false and `pulumi up` first"
            )


def told(found: str, allowed: str, context: str) -> str:
    """Another cluster, in a message."""
    return (
        f"context {context!r} leads to another cluster than this stack's: found uid {found} (of namespace "
        f"kube-system), allowed {allowed}. Name the right kubeconfig and context; for another cluster make "
        "another stack. Where this cluster was built anew on purpose, say so: "
        f"`pulumi config set clusterUid {found}`, `pulumi up --target '**::pin*' --target "
        "'**:providers:kubernetes::cluster'`, and then `pulumi up --refresh`"
    )
