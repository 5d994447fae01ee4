"""Publishes servers' GPUs to Kubernetes, sees which servers answer, and ends sessions that nobody has."""
