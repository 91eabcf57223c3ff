"""Keys, tickets and rows: what every mask is derived from."""

from __future__ import annotations

import itertools

import pytest

from protocol.prg import (
    attempt_seed,
    derive,
    fresh_ticket,
    is_joined,
    is_ticket,
    join_tickets,
    keystream,
)

SEED = bytes(range(32))
TICKETS = join_tickets("a" * 32, "b" * 32)


def test_labels_are_told_apart_wherever_their_parts_end():
    labels = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("abc", ""),
        ("", "abc"),
        ("a\x1fbc",),
        ("a", "b", "c"),
        (),
    ]
    assert len({derive(SEED, *label) for label in labels}) == len(labels)


def test_everything_that_an_attempt_is_known_by_enters_its_seed():
    changed = {
        "seed": (SEED[::-1], "s", TICKETS, 1),
        "session": (SEED, "t", TICKETS, 1),
        "alice": (SEED, "s", join_tickets("c" * 32, "b" * 32), 1),
        "bob": (SEED, "s", join_tickets("a" * 32, "c" * 32), 1),
        "order": (SEED, "s", join_tickets("b" * 32, "a" * 32), 1),
        "attempt": (SEED, "s", TICKETS, 2),
    }
    found = [attempt_seed(*each) for each in [(SEED, "s", TICKETS, 1), *changed.values()]]
    assert all(len(each) == 32 for each in found)
    assert len(set(found)) == len(found)
    rows = [
        keystream(derive(each, "material", phase), 0, 1, 2).tobytes()
        for each in found
        for phase in range(3)
    ]
    assert all(a != b for a, b in itertools.combinations(rows, 2))


def test_tickets():
    ticket = fresh_ticket()
    assert is_ticket(ticket)
    assert is_joined(join_tickets(ticket, fresh_ticket()))
    assert ticket != fresh_ticket()


@pytest.mark.parametrize(
    "bad", [None, 5, "", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "../" + "a" * 29, "a" * 32 + "\n"]
)
def test_what_is_no_ticket(bad):
    assert not is_ticket(bad)
    assert not is_joined(f"{bad}-{fresh_ticket()}")
    assert not is_joined(f"{fresh_ticket()}-{bad}")
