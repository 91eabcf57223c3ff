"""The greeting of two parties: what is refused before anything becomes part of a plan, a key or a
file name."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from party.agreement import agree
from party.ending import Ending
from party.intent import Intent
from party.loading import load_job
from protocol.channel.memory import pair
from protocol.errors import ProtocolError
from protocol.prg import is_joined
from protocol.wire import Kind, Message


def intent(role):
    job = load_job("seed")
    shapes = {
        name: np.shape(each.default) for name, each in job.inputs.items() if each.owner == role
    }
    return Intent(role=role, job=job, iterations=3, reveal="both", shapes=shapes)


async def test_both_parties_join_the_same_two_tickets_and_never_the_same_again():
    found = []
    for _ in range(2):
        bob, alice = pair()  # each end is the connection to the one it is named after
        mine, theirs = await asyncio.gather(
            agree(bob, intent("alice"), None, None, Ending(None)),
            agree(alice, intent("bob"), None, None, Ending(None)),
        )
        assert mine.ticket == theirs.ticket
        assert is_joined(mine.ticket)
        found += mine.ticket.split("-")
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    "ticket", [None, 7, "", "00", "0" * 33, "A" * 32, "../../" + "0" * 26, "0" * 31 + "/"]
)
async def test_a_peers_ticket_is_checked(ticket):
    bob, alice = pair()
    alice.send(Message(Kind.HELLO, alice.session, body=intent("bob").body() | {"ticket": ticket}))
    with pytest.raises(
        ProtocolError, match="a greeting that does not say what it was started with"
    ):
        await agree(bob, intent("alice"), None, None, Ending(None))
