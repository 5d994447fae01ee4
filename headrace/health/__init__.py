"""How a service answers over HTTP: that it lives and is ready, what an error becomes, and its server."""
