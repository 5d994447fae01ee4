"""EventBridge's rules that feed the queue of S3's events. Pure.

One rule names all buckets, or as many as its pattern has room for.
"""

import json
from collections.abc import Iterable, Mapping

from infra.aws.estate import Estate

RULE = "uploads"
# Characters: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
PATTERN_LIMIT = 2048


def patterns(estate: Estate) -> Mapping[str, str]:
    """By rule, which events it takes: `uploads`, `uploads-2` and so on; none where there are no buckets."""
    groups = _groups(sorted(estate.buckets.values()))
    names = (RULE, *(f"{RULE}-{number}" for number in range(2, len(groups) + 1)))
    return {name: pattern(group) for name, group in zip(names, groups, strict=False)}


def arns(estate: Estate) -> list[str]:
    """Of the rules."""
    return [estate.account.arn("events", f"rule/{estate.account.own(rule)}") for rule in patterns(estate)]


def pattern(buckets: Iterable[str]) -> str:
    """Objects put into these. https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html"""
    return json.dumps(
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": list(buckets)}},
        }
    )


def _groups(buckets: Iterable[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for bucket in buckets:
        if found and len(pattern([*found[-1], bucket])) <= PATTERN_LIMIT:
            found[-1].append(bucket)
        else:
            found.append([bucket])
    return found
