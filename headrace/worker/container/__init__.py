"""Workers in a pod: the supervisor beside the user's container, and what runs as process 1 in that one."""
