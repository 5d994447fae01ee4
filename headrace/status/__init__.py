"""The status service: one page, one JSON document, its changes as they come, and a few actions."""
