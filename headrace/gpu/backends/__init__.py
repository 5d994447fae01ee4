"""What carries a worker's calls to another host's GPU: one module a backend."""
