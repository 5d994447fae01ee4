"""What services tell Prometheus: every metric by name, unit and labels, and the page that it reads."""
