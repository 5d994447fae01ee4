"""Backup and restore of a stack: its records, its buckets, what waits in its queue, its objects."""
