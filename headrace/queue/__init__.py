"""The queue of tasks: port, JetStream adapter, in-memory adapter."""
