"""What is allowed in a function but seldom meant. Pure."""

from headrace.model.function import Function


def hints_of(function: Function) -> tuple[str, ...]:
    """What its author might have meant otherwise, each with what to write then."""
    return tuple(
        f"its input of the bucket {each.bucket!r} with prefix {each.prefix!r} also takes the folders beside "
        f"it, as in {f'{each.prefix}-old/a.txt'!r}; write {f'{each.prefix}/'!r} for the folder alone"
        for each in function.spec.input
        if each.prefix and each.prefix[-1].isalnum()
    )
