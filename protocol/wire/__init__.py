"""Messages as bytes and numbers: vocabulary, codec, exactly-once delivery, credit. Pure: no socket,
no clock."""

from __future__ import annotations

from .codec import DEFAULT_LIMITS, MessageLimits
from .credit import CreditWindow
from .messages import PROTOCOL_VERSION, ROLES, Kind, Message
from .reliable import Reliable

__all__ = [
    "DEFAULT_LIMITS",
    "PROTOCOL_VERSION",
    "ROLES",
    "CreditWindow",
    "Kind",
    "Message",
    "MessageLimits",
    "Reliable",
]
