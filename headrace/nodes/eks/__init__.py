"""The driver `eks`: nodes that are instances of a managed node group of Amazon EKS."""
