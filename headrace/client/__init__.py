"""A client of the API for Python programs, without and with asyncio (docs/api.md)."""

from headrace.client.asynchronous import AsyncClient
from headrace.client.errors import ApiError, UnreachableError
from headrace.client.sending import Login
from headrace.client.synchronous import Client
from headrace.client.values import Job, Outcome, Service, Submitted, TaskState

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Job",
    "Login",
    "Outcome",
    "Service",
    "Submitted",
    "TaskState",
    "UnreachableError",
]
