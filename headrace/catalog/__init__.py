"""Where functions come from: a folder of function.yaml files."""
