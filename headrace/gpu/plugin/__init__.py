"""The plugin on each node: it makes sessions on servers, and variables in containers, of what claims hold."""
