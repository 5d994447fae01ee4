"""The fault that a person reads."""


class ImagesError(Exception):
    """An image can't be built or pushed; the message says which, why and what to do."""
