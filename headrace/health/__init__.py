"""How a service tells whoever runs it that it lives and is ready."""
