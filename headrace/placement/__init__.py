"""Which way to a GPU a function takes, and what a pod of it gets. Pure."""
