"""Messages that the kubelet and a plugin exchange: `.proto` files, and what `make messages` makes of them."""
