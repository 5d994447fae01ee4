"""The pack's rules: pure functions of what Pulumi tells of a resource.

On their own: they import the standard library, and one another by relative imports only. So they run in
the pack's Python, in the project's, and where Pulumi's service has unpacked them. Only `pack` needs Pulumi's
SDK of policies.
"""
