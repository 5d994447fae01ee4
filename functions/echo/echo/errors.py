"""What can be wrong with a file; the message begins with the file's name and is meant for its owner."""


class InputError(Exception):
    """This file can't be worked, now or later."""
