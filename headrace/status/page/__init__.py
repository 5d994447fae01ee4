"""The status page: its sources, and how they become one file that loads nothing from anywhere."""
