"""Fresh shares of a model that stays shared: both parties, one exchange, no dealer.

    1  agree on the newest generation that both hold, and exchange 32 fresh bytes
    2  write: shares of the next generation, and those of the old one      → the file, durably
    3  say "written"; wait for the peer's
    4  write: the next generation alone

Killed anywhere, each has at least the generation before, and whoever has gone on has the next as
well, until it knows that the peer has it too (3). So the newest that both hold is one of the two,
whatever they do next: predict, train or rotate again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from protocol import __version__
from protocol.channel import Waiting
from protocol.errors import ProtocolError
from protocol.prg import fresh_seed, fresh_ticket
from protocol.wire import PROTOCOL_VERSION, Kind, Message

from .agreement import greet
from .links import Addresses, open_links
from .messages import expect, reason
from .shared import SharedModel, joined

WRITTEN = "written"


async def rotate(
    model: SharedModel,
    path: Path,
    to: Addresses,
    note: Callable[[str], None],
    waiting: Callable[[Waiting], None],
) -> SharedModel:
    """Rotate the model in the file `path` together with the peer, who does the same; the new one.
    MpcError in one sentence."""
    async with open_links(model.role, to, note, waiting) as links:
        try:
            peer, own = await links.peer(), fresh_seed()
            mine = {
                "must agree": {
                    "software version": __version__,
                    "protocol version": PROTOCOL_VERSION,
                    "what is done": "a rotation",
                },
                "shapes": {},
                "ticket": fresh_ticket(),
                "share": model.offer(),
                "salt": own,
            }
            theirs = await greet(peer, model.role, mine)
            old = model.common(theirs.get("share"), peer.role)
            seed = joined(own, theirs.get("salt"), model.role, peer.role)
            new = model.rotated(old, seed)
            new.save(path)
            peer.send(Message(Kind.END, peer.session, body={"stage": WRITTEN}))
            if ((await expect(peer, Kind.END)).body or {}).get("stage") != WRITTEN:
                raise ProtocolError(f"{peer.role} is at another point of the rotation")
            new = new.settled(new.generations[0])
            new.save(path)
            links.tell(Message(Kind.BYE, to.session))
            return new
        except BaseException as error:
            links.abort(reason(error), back=False)
            raise
