"""Traces: one for each task, from its event to its commit, sent to an OTLP collector where one is set."""
