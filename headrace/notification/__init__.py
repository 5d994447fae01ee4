"""Dialects of S3 notifications, read into file events. Pure: bytes in, values out."""

from headrace.notification.delivery import Reading, read_body, read_delivery

__all__ = ["Reading", "read_body", "read_delivery"]
