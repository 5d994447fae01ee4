"""What is known of AWS without asking it: names, ranges, rights. Pure."""
