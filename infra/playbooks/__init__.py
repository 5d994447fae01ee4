"""Playbooks as resources: `pulumi up` plays one through ansible-runner when what it reads has changed.

Not called `ansible`: Pulumi puts infra/ first on the import path, where it would hide the library.
"""
