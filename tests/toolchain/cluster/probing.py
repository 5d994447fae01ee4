"""Asks a box's programs whether they are ready, as cluster-admin."""

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass

from tests.toolchain.cluster.place import Place
from tests.toolchain.cluster.programs import Probe

PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Prober:
    """Knows the box's authority; goes through no proxy."""

    opener: urllib.request.OpenerDirector

    @classmethod
    def of(cls, place: Place) -> "Prober":
        """The certificates must be written."""
        context = ssl.create_default_context(cafile=str(place.pki / "ca.crt"))
        context.load_cert_chain(place.pki / "admin.crt", place.pki / "admin.key")
        no_proxy = urllib.request.ProxyHandler({})
        return cls(urllib.request.build_opener(no_proxy, urllib.request.HTTPSHandler(context=context)))

    def is_ready(self, probe: Probe) -> bool:
        if probe.file is not None and not probe.file.exists():
            return False
        return not probe.url or self.answer(probe.url, probe.text)

    def answer(self, url: str, text: str) -> bool:
        """Whether it answers with success and `text` in it."""
        try:
            with self.opener.open(url, timeout=PATIENCE_SECONDS) as reply:
                return text.encode() in reply.read()
        except (OSError, urllib.error.URLError):
            return False
