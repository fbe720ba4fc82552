"""The channels that exist: what their events look like, whom they are meant for, what their rules allow.

An application declares channels in a module of its own, and names the module in the setting ``catalogue.modules``::

    from attrs import frozen
    from pulsetw.catalogue import Channel

    @frozen
    class PriceChanged:                      # the type is price_changed
        sku: str
        new_price: float                     # newPrice on the wire
        old_price: float | None = None       # may be left out

    CHANNELS = [Channel("shop:prices", events=[PriceChanged])]
"""

from pulsetw.catalogue.catalogue import Catalogue
from pulsetw.catalogue.channel import Audience, Channel, Derived
from pulsetw.catalogue.names import check_name, check_pattern, is_pattern
from pulsetw.catalogue.rule import Rule, Who

__all__ = [
    "Audience",
    "Catalogue",
    "Channel",
    "Derived",
    "Rule",
    "Who",
    "check_name",
    "check_pattern",
    "is_pattern",
]
