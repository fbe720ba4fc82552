"""HTTP: the operator's wire, and what every relay tells about its health."""

from pulsetw.web.api import Publisher
from pulsetw.web.sites import OperatorOptions, operator_site, public_resource
from pulsetw.web.status import Readiness, broker_document

__all__ = [
    "OperatorOptions",
    "Publisher",
    "Readiness",
    "broker_document",
    "operator_site",
    "public_resource",
]
