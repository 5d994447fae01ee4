"""What the cheapest schedule of a trace costs, known in advance: the yardstick of every policy."""
