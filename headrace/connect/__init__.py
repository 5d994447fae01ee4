"""A cluster's stack for the commands of this machine: forwarded ports, and a state folder that they read."""
