"""A stack stays with the cluster where it first went up: another one is refused, as it goes up and down."""
