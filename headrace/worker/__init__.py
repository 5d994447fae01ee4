"""The service that pulls tasks, stages, runs, commits, publishes and acknowledges."""
