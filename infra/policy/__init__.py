"""The policy pack: what must not pass `pulumi up --policy-pack infra/policy`."""
