"""The embedded default: real servers and workers as processes of one machine."""
