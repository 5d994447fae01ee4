"""The DRA driver of remote GPUs: the publisher of servers, the plugin on each node, the backends."""
