"""The docs as a site: mkdocs is told here which files are its pages, and how Markdown is read."""
