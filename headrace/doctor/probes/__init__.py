"""Gathers the facts that groups of checks judge: reads, asks, and changes nothing."""
