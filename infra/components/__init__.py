"""Groups of resources that belong together; every child has its parent and its provider said."""
