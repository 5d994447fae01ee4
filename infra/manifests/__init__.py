"""What the stack declares on Kubernetes, as plain documents: pure functions of the settings."""
