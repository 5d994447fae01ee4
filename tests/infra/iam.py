"""A small reading of IAM's rules: whether documents let a request through.

What it knows: Allow and Deny, patterns of actions and resources, `${*}` and its like, principals, and the
tests of conditions that infra/aws writes. What it does not know is a fault of the test, not a refusal.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re

ELEMENTS = {"Effect", "Action", "Resource", "Condition", "Principal"}


def allows(document, action, resource="", *, context=None, who=None):
    """Whether some statement allows it and none denies it; `who`: the asking principal, where it counts."""
    assert document["Version"] == "2012-10-17"
    effects = {
        each["Effect"]
        for each in document["Statement"]
        if _applies(each, action, resource, context or {}, who)
    }
    return effects == {"Allow"}


def _applies(statement, action, resource, context, who):
    assert set(statement) <= ELEMENTS, f"what is {set(statement) - ELEMENTS}?"
    return (
        any(_fits(pattern, action, fold=True) for pattern in statement["Action"])
        and ("Resource" not in statement or any(_fits(each, resource) for each in statement["Resource"]))
        and ("Principal" not in statement or statement["Principal"] in ("*", who))
        and all(
            _holds(test, key, wanted, context)
            for test, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(test, key, wanted, context):
    """Keys of conditions know no case."""
    found = {name.lower(): value for name, value in context.items()}.get(key.lower())
    if test.endswith("IfExists") and found is None:
        return True
    if found is None:
        return False
    compare = {"StringEquals": str.__eq__, "Bool": str.__eq__, "StringLike": _fits, "ArnEquals": _fits}
    values = [wanted] if isinstance(wanted, str) else wanted
    return any(compare[test.removesuffix("IfExists")](value, found) for value in values)


def _fits(pattern, text, *, fold=False):
    parts = re.split(r"(\$\{[*?$]\}|\*|\?)", pattern)
    signs = {"*": ".*", "?": "."}
    regex = "".join(signs.get(part) or re.escape(re.sub(r"^\$\{([*?$])\}$", r"\1", part)) for part in parts)
    return re.fullmatch(regex, text, re.IGNORECASE if fold else 0) is not None
