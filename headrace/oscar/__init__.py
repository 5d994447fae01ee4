"""OSCAR's definitions (FDL, and the JSON of its API) <-> Headrace's functions. Pure: trees in, values out.

The way in: `read_fdl` or `read_service` make `Read` services of a tree of plain values; `function_of` makes a
function of one, or says by the name of each field why not. The way back: `service_of`.
OSCAR's types: https://github.com/grycap/oscar/blob/master/pkg/types/service.go
"""

from headrace.oscar.exporting import service_of
from headrace.oscar.fdl import Definition, Fdl, read_fdl
from headrace.oscar.finding import Finding, Kind
from headrace.oscar.importing import Imported, Refused, function_of
from headrace.oscar.reading import Read, read_service
from headrace.oscar.service import Service
from headrace.oscar.storage import Site

__all__ = [
    "Definition",
    "Fdl",
    "Finding",
    "Imported",
    "Kind",
    "Read",
    "Refused",
    "Service",
    "Site",
    "function_of",
    "read_fdl",
    "read_service",
    "service_of",
]
