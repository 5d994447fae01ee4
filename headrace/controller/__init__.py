"""Service: each Function and Bucket object gets what it needs, a status, and an orderly end."""
