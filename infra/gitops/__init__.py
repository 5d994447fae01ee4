"""For clusters that follow a repository: a stack's objects as files without secrets, and those apart."""
