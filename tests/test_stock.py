"""How the dealer shares its memory: who gets stock, and a limit under which nobody would."""

from __future__ import annotations

import pytest

from dealer.service import Settings
from dealer.stock import Stock
from protocol.errors import ConfigError

MIB = 1 << 20


@pytest.mark.parametrize("stock", [MIB, MIB + 1, 3 * MIB])
def test_a_dealer_that_would_take_nobody_does_not_start(stock):
    with pytest.raises(ConfigError, match=r"--max-memory of 2 MiB leaves nothing.*--max-stock"):
        Settings(listen="", keys=None, allow=None, max_stock=stock, max_memory=2 * MIB)


def test_the_stock_is_shared_fairly():
    class Holder:
        fixed = making = ahead = 0

    stock = Stock(96, 8, 1000, lambda: 1)
    holders = [Holder() for _ in range(8)]
    for each in holders:
        stock.add(each)
    asleep, awake = holders[0], holders[1]
    while stock.allows(asleep, 1):
        asleep.ahead += 1
    assert asleep.ahead == 96
    assert stock.allows(awake, 1)
    while stock.allows(awake, 1):
        awake.ahead += 1
    assert awake.ahead == 96 // 8
    for each in holders[2:]:
        while stock.allows(each, 1):
            each.ahead += 1
    assert sum(each.ahead for each in holders) <= 2 * 96
    large = Holder()
    stock.add(large)
    assert not stock.allows(large, 1000)
    for each in holders:
        each.ahead = 0
    assert stock.allows(large, 1000)
