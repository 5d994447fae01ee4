"""Headrace: a file dropped in a bucket becomes an inference result in another bucket."""

__version__ = "0.1.0"
