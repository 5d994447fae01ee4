"""The errors of Headrace, by what the caller can do about them."""


class HeadraceError(Exception):
    """Base of every error that Headrace raises on purpose."""


class ConfigurationError(HeadraceError):
    """A person must change a file, a setting or a command; repeating does not help."""


class TransientError(HeadraceError):
    """A server did not answer or answered that it can't now; the same call may succeed later."""


class RejectedError(HeadraceError):
    """This message or input can never be worked; give it up with the reason."""


class NotFoundError(HeadraceError):
    """The object, stream or record asked for is not there."""


class ChangedError(HeadraceError):
    """The object is there, but no longer the version that was asked for."""


class ExistsError(HeadraceError):
    """What was to be created is there already."""


class FatalError(HeadraceError):
    """This process can't go on safely and must stop."""
