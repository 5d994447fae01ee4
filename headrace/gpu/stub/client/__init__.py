"""What is mounted into a user's container, for PYTHONPATH: needs Python 3.8 and numpy, not Headrace."""
