"""The HTTP interface: it speaks OSCAR's API, so that its clients work unchanged, and says more than it.

https://github.com/grycap/oscar/blob/master/docs/api.md
"""
