"""An event relay: from application servers, through a broker, to every client that may see it.

Start with `pulsetw.service.Relay` to embed it, `pulsetw.pubsub.manager.PubSubManager` to publish
and listen, `pulsetw.catalogue` to declare channels; ``twistd pulsetw`` runs it.
"""

from pulsetw.version import __version__

__all__ = ["__version__"]
