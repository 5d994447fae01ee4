"""The page: one HTML file, made of its sources."""
