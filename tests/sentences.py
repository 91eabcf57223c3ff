"""What a user is told: one sentence, and what it must name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol.errors import MpcError


def rejected(kind: type[MpcError], action: Callable[[], Any], named: list[str]) -> str:
    with pytest.raises(kind) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in named if word not in message] == [], message
    return message
