"""The service that turns notifications and listings into tasks."""
