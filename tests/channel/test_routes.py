"""Which session a TCP connection belongs to, without a socket."""

from types import SimpleNamespace

from protocol.channel.routes import STRANGERS, Route, Routes


class Carried:
    """A connection that notes its interruptions."""

    def __init__(self):
        self.interruptions = 0

    def interrupted(self):
        self.interruptions += 1


def route(carrier=None, routing_id=b"1", user="alice/ab"):
    made = Route(carrier, routing_id)
    made.user, made.connection = user, Carried()
    return made


def test_a_session_is_found_by_its_name_and_by_its_tcp_connection():
    routes, own = Routes(), route()
    routes.add(own, "alice", "s")
    assert routes.at(b"1") is routes.of("alice/ab", "alice", "s") is own
    assert routes.of("alice/cd", "alice", "s") is routes.at(b"2") is None
    assert len(routes) == 1 and routes.held == [own]


def test_a_route_moves_to_another_tcp_connection():
    routes, own = Routes(), route()
    routes.add(own, "alice", "s")
    routes.move(own, b"2", 17)
    assert routes.at(b"1") is None and routes.at(b"2") is own
    assert (own.routing_id, own.descriptor) == (b"2", 17)


def test_a_routing_id_that_another_route_has_by_now_stays_its_own():
    routes, old, new = Routes(), route(), route()
    routes.add(old, "alice", "s")
    routes.add(new, "alice", "t")  # under the same routing id
    routes.remove(old)
    assert routes.at(b"1") is new and routes.held == [new]


def test_all_are_interrupted_when_the_socket_is_gone_and_keep_their_sessions():
    routes, own = Routes(), route()
    routes.add(own, "alice", "s")
    routes.interrupt()
    assert routes.at(b"1") is None and routes.of("alice/ab", "alice", "s") is own
    assert own.connection.interruptions == 1


def test_a_stranger_is_new_once_until_so_many_others_came():
    routes = Routes()
    assert routes.is_new_stranger(b"x") and not routes.is_new_stranger(b"x")
    for n in range(STRANGERS):
        assert routes.is_new_stranger(b"%d" % n)
    assert routes.is_new_stranger(b"x")


def test_who_has_a_session_is_a_stranger_no_more():
    routes = Routes()
    assert routes.is_new_stranger(b"1")
    routes.add(route(), "alice", "s")
    assert routes.is_new_stranger(b"1")  # if it ever loses it


def test_a_message_that_cannot_be_sent_interrupts_the_connection():
    own = route(SimpleNamespace(transmit=lambda frames, routing_id: False))
    assert not own.transmit([b"frame"])
    assert own.connection.interruptions == 1
