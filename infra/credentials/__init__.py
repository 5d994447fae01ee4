"""The one way to passwords, keys and certificates: made by `pulumi up`, kept in its state, secret there.

Where files are applied instead, infra/gitops keeps them by the same rules.

Not called `secrets`: Pulumi puts infra/ first on the import path, where it would hide the library's module.
"""
