"""The platform on a Kubernetes cluster that is there already."""
