"""`python -m party rotate`: fresh shares of a model that stays shared; then an old copy of one
party's file fits nothing any more."""

from __future__ import annotations

from dataclasses import replace

from protocol.config import Config
from protocol.log import configure
from protocol.processes import run_until_signalled

from ..api import Party
from ..declining import declining
from ..display import Terminal
from ..rotating import rotate
from ..taking_part import half, role_of

_OPTIONS = ("session", "peer", "key", "peer_key", "insecure_plaintext", "timeout", "wait", "link")


def run(settings: Config) -> int:
    """Meet the peer, who rotates the other half. Returns the exit code."""
    party = Party(role_of(settings), **{name: getattr(settings, name) for name in _OPTIONS})
    terminal = Terminal(
        party.role,
        *configure(party.role, settings.log_format, settings.quiet, party.session),
        settings.quiet,
    )
    to = party.addresses(dealt=False)
    keys = to.public_keys(party.role)
    with declining(party.role, lambda: to):
        model = half(settings)
        if settings.new_keys:
            model = replace(model, keys=keys)
        model.check(party.role, keys)
    new = run_until_signalled(rotate(model, settings.model, to, terminal.note, terminal.waiting))
    terminal.note(
        f"rotated {settings.model}: generation {new.generations[0].number} of the model {new.name}",
        "rotated",
    )
    return 0
