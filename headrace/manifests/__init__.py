"""What Headrace writes for Kubernetes, as functions of the model: definitions, worker pods and more. Pure."""
