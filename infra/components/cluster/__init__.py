"""The platform on a Kubernetes cluster, whoever has made that one."""
