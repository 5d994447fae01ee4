"""Started by `pulumi … --policy-pack infra/policy`: in the pack's Python, this folder first on its path."""

from pathlib import Path

from headrace_policy.pack import serve

serve(Path(__file__).with_name("exceptions.yaml"))
