"""Playbooks, played by ansible-runner in a process of its own that ends with whoever started it."""
