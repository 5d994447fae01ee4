"""How many workers and nodes there shall be, from the files waiting."""
