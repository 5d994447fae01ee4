"""A set of functions on a platform that is there already."""
