"""The images of the cluster's tests, on a base of Debian's packages; no container registry is asked."""
