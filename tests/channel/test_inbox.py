"""An inbox alone: order, limits, one waiting task, deadlines, and the end of a connection."""

import asyncio

import pytest

from protocol.channel.inbox import Inbox
from protocol.errors import LinkError, ProtocolError, UsageError
from protocol.wire import Kind, Message


def message(number):
    return Message(Kind.ROUND, "s", 0, number)


def inbox(count=4, size=100):
    return Inbox("bob at tcp://x:1", count, size)


async def waiting(box, timeout=None):
    """A task that waits for a message, and is waiting."""
    task = asyncio.ensure_future(box.take(timeout))
    while not box.since:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_messages_are_taken_in_order():
    box = inbox()
    for number in range(3):
        box.put(message(number), 10)
    assert box.peek().number == 0
    assert [(await box.take(None)).number for _ in range(3)] == [0, 1, 2]
    assert box.peek() is None


async def test_a_message_wakes_the_task_that_waits():
    box = inbox()
    task = await waiting(box)
    box.put(message(7), 1000)  # more than may lie here untaken: but it does not lie here
    assert (await task).number == 7
    assert box.since == 0.0


async def test_one_task_waits_at_a_time():
    box = inbox()
    task = await waiting(box)
    with pytest.raises(UsageError, match="two tasks receive from bob"):
        await box.take(None)
    task.cancel()


@pytest.mark.parametrize(("count", "size"), [(2, 1000), (100, 25)])
async def test_untaken_messages_are_limited_in_number_and_in_bytes(count, size):
    box = inbox(count, size)
    box.put(message(0), 10)
    box.put(message(1), 10)
    with pytest.raises(ProtocolError, match="3 messages of 30 bytes"):
        box.put(message(2), 10)


async def test_a_wait_ends_at_its_deadline_and_not_before():
    box = inbox()
    task = await waiting(box, 5.0)
    box.expire(box.since + 4.9)
    await asyncio.sleep(0)
    assert not task.done()
    box.expire(box.since + 5.0)
    with pytest.raises(LinkError, match=r"no message came from bob .* for 5 seconds"):
        await task


async def test_a_wait_is_reported_once_a_second():
    box = inbox()
    task = await waiting(box)
    begin = box.since
    told = [box.should_tell(begin + tenth / 10) for tenth in range(25)]
    assert [n for n, each in enumerate(told) if each] == [10, 20]
    task.cancel()


async def test_messages_before_the_end_are_taken_and_then_its_error_is_raised():
    box = inbox()
    box.put(message(1), 0)
    box.end(LinkError("gone"))
    assert (await box.take(None)).number == 1
    for _ in range(2):
        with pytest.raises(LinkError, match="gone"):
            await box.take(None)


async def test_the_end_wakes_the_task_that_waits():
    box = inbox()
    task = await waiting(box)
    box.end(LinkError("gone"))
    with pytest.raises(LinkError, match="gone"):
        await task
