"""Dialects of S3 notifications, read into file events. Pure: bytes in, values out."""

from headrace.notification.delivery import read_delivery

__all__ = ["read_delivery"]
