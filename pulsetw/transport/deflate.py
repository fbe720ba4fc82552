"""Compression that is shared: one deflated frame of a publication for all who take it (RFC 7692).

Every message is compressed by itself, with no memory of those before it (``server_no_context_takeover``), so the same
bytes are right for every client, and none has a compressor. What clients send may be compressed, too, each message by
itself, so that an inflater lives as long as its message.
"""

import zlib
from collections.abc import Callable
from typing import Any

from autobahn.websocket.compress_deflate import PerMessageDeflateOffer, PerMessageDeflateOfferAccept

from pulsetw.transport.frame import deflated_frame, text_frame

# Below so many bytes there is little to gain, and deflating costs more than sending to a few.
_WORTH_BYTES = 256
# RFC 7692 7.2.1: what a sync flush ends with; it is not sent, the receiver puts it back.
_TAIL = b"\x00\x00\xff\xff"


def smaller_frame(text: bytes) -> bytes:
    """One text message, deflated where that makes it smaller."""
    if len(text) < _WORTH_BYTES:
        return text_frame(text)
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    payload = (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
    return deflated_frame(payload) if len(payload) < len(text) else text_frame(text)


class _Accepted(PerMessageDeflateOfferAccept):  # type: ignore[misc]  # Autobahn has no types
    """Says what we do also to clients that did not ask for it (RFC 7692 7.1.1), so that they need keep no window."""

    def get_extension_string(self) -> str:
        return "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def acceptance(*, is_on: bool) -> Callable[[list[Any]], Any]:
    """Autobahn's ``perMessageCompressionAccept``: takes the first offer that can be kept, where it is on."""

    def accept(offers: list[Any]) -> Any:
        for offer in offers if is_on else ():
            # Who asks for a smaller window than ours cannot take what the others get.
            if isinstance(offer, PerMessageDeflateOffer) and not offer.request_max_window_bits:
                return _Accepted(offer, request_no_context_takeover=True, no_context_takeover=True)
        return None

    return accept
