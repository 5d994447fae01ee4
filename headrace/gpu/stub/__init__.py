"""A GPU server that computes on the CPU, and its client: real TCP, real quotas, for tests and demos."""
