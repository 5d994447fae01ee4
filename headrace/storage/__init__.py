"""Object storage: port, S3 adapter for any endpoint, in-memory adapter."""
