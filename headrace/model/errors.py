"""The errors of Headrace, by what the caller can do about them."""

from headrace.model.troubles import Trouble


class HeadraceError(Exception):
    """Base of every error that Headrace raises on purpose.

    `trouble` is what the docs tell about: that of the kind, where the raiser names none nearer.
    """

    trouble = Trouble.UNKNOWN

    def __init__(self, *told: object, trouble: Trouble | None = None) -> None:
        super().__init__(*told)
        if trouble is not None:
            self.trouble = trouble


class ConfigurationError(HeadraceError):
    """A person must change a file, a setting or a command; repeating does not help."""

    trouble = Trouble.CONFIGURATION


class TransientError(HeadraceError):
    """A server did not answer or answered that it can't now; the same call may succeed later."""

    trouble = Trouble.AWAY


class RejectedError(HeadraceError):
    """This message or input can never be worked; give it up with the reason."""

    trouble = Trouble.REJECTED


class NotFoundError(HeadraceError):
    """The object, stream or record asked for is not there."""

    trouble = Trouble.NOT_FOUND


class ChangedError(HeadraceError):
    """The object is there, but no longer the version that was asked for."""

    trouble = Trouble.CHANGED


class ExistsError(HeadraceError):
    """What was to be created is there already."""

    trouble = Trouble.EXISTS


class FatalError(HeadraceError):
    """This process can't go on safely and must stop."""

    trouble = Trouble.FATAL
