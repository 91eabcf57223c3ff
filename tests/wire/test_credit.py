"""Credit: the sender never exceeds what was granted, and never starves while the receiver
consumes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ProtocolError, UsageError
from protocol.wire.credit import Credit, CreditWindow


@given(
    st.integers(1, 10),
    st.integers(100, 1000),
    st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=200),
)
@settings(max_examples=200, deadline=None)
def test_bounded_and_never_stuck(chunks, size, script):
    window, credit = CreditWindow(chunks, size), Credit()
    credit.granted(*window.grant())
    flying: list[int] = []
    held: list[int] = []
    for send, length in script:
        if send and credit.allows(length):
            credit.spend(length)
            flying.append(length)
        elif flying:
            held.append(flying.pop(0))
            window.arrived(held[-1])
        elif held:
            window.consumed(held.pop(0))
        assert len(flying) + len(held) <= chunks
        assert sum(flying) + sum(held) <= size
        if window.due:
            credit.granted(*window.grant())
    for length in flying:
        window.arrived(length)
    for length in flying + held:
        window.consumed(length)
    if window.due:
        credit.granted(*window.grant())
    assert credit.chunks * 2 >= chunks  # everything is consumed: at least half the window is open
    assert credit.bytes * 2 >= size


def test_nothing_before_the_first_grant():
    credit = Credit()
    assert not credit.allows(0)
    with pytest.raises(UsageError):
        credit.spend(1)


def test_a_repeated_or_old_grant_changes_nothing():
    credit = Credit()
    assert credit.granted(4, 100)
    assert not credit.granted(4, 100)
    assert not credit.granted(2, 50)
    assert (credit.chunks, credit.bytes) == (4, 100)


@pytest.mark.parametrize("bad", [(-1, 5), (1, True), ("1", 1), (1.0, 1), (None, None)])
def test_a_malformed_grant(bad):
    with pytest.raises(ProtocolError):
        Credit().granted(*bad)


def test_more_than_was_granted_is_noticed():
    window = CreditWindow(2, 100)
    with pytest.raises(ProtocolError):
        window.arrived(1)
    window.grant()
    window.arrived(60)
    with pytest.raises(ProtocolError):
        window.arrived(60)


def test_an_empty_window_is_refused():
    with pytest.raises(UsageError):
        CreditWindow(0, 100)
