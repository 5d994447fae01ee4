"""Service: Function and Bucket objects get what they need, a status and an orderly end; pools a status."""
