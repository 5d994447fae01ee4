"""Dialects of S3 notifications, read into file events. Pure: bytes in, values out."""
