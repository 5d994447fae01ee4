"""Measurements, interleaved so that a noisy machine disturbs both sides alike. Never run by `make test`."""
