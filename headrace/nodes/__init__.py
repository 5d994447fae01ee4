"""Nodes seen and switched: a port and its drivers."""
