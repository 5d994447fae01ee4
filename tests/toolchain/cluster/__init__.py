"""A Kubernetes cluster in a box, for tests: real programs in a state folder of its own, several side by side.

`python -m tests.toolchain.cluster up --state DIR` starts one; README.md beside this file tells how it is
made. One process, the keeper, starts all others and ends with them; the full box lives in namespaces of its
own (processes, mounts, network), so that the host keeps nothing of it but the folder.
"""
