"""GPU servers, and how workers elsewhere reach them."""
