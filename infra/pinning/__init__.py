"""What a stack may not change by accident: its cluster, and the names under which it has data."""
