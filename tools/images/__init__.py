"""Builds the images of this checkout: `python -m tools.images`; docs/images.md is its manual.

It imports nothing of headrace: it runs before and without the package.
"""
