"""The only place that talks to the API server of Kubernetes: a port, the real adapter and one in memory."""
