"""A party before it does anything: its settings, read as options are; the addresses and keys that
follow from them; and the file that may take the dealer's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, TypeVar

from protocol.channel import parse_shape
from protocol.errors import ConfigError
from protocol.keyring import needed_key, own_key
from protocol.settings import Setting

from .links import PEER, Addresses
from .material_file import Material, material_keys
from .settings import PartySettings, PeerSettings

T = TypeVar("T")


class ConfiguredParty:
    """What a party is set up with; for the arguments see `Party`. ConfigError names the one that
    cannot be used."""

    def __init__(
        self,
        role: str,
        *,
        session: str | None = None,
        peer: str | None = None,
        dealer: str | None = None,
        key: str | Path | None = None,
        peer_key: str | None = None,
        dealer_key: str | None = None,
        insecure_plaintext: bool = False,
        material: str | Path | None = None,
        state: str | Path | None = None,
        checkpoint_every: float | str | None = None,
        timeout: float | str | None = None,
        wait: float | str | None = None,
        rtt: float | str | None = None,
        bandwidth: float | str | None = None,
        dealer_bandwidth: float | str | None = None,
        link: str | None = None,
        dealer_link: str | None = None,
        guard: bool = True,
        accept_out_of_range: bool = False,
        threads: int | None = None,
        page: str | None = None,
        metrics: str | None = None,
        watch_token: str | Path | None = None,
    ) -> None:
        if role not in PEER:
            said = f"a Party is 'alice' or 'bob', not {role!r}" if role else None
            raise ConfigError(said or "say which party this is: --role alice or --role bob")
        self.role = role
        self.session = _read(PartySettings.session, session)
        self.peer = str(_read(PartySettings.peer, peer))
        self.dealer = str(_read(PartySettings.dealer, dealer))
        self.key = _read(PartySettings.key, key)
        self.peer_key, self.dealer_key = peer_key, dealer_key
        self.insecure_plaintext = insecure_plaintext
        self.material = _read(PartySettings.material, material)
        self.state = _read(PartySettings.state, state)
        self.checkpoint_every = _read(PartySettings.checkpoint_every, checkpoint_every)
        self.timeout = _read(PartySettings.timeout, timeout)
        self.wait = _read(PartySettings.wait, wait)
        self.rtt = _read(PartySettings.rtt, rtt)
        self.bandwidth = _read(PartySettings.bandwidth, bandwidth)
        self.dealer_bandwidth = _read(PartySettings.dealer_bandwidth, dealer_bandwidth)
        self.link, self.dealer_link = link, dealer_link
        self.guard, self.accept_out_of_range = guard, accept_out_of_range
        self.threads = _read(PartySettings.threads, threads)
        self.page = _read(PartySettings.page, page)
        self.metrics = _read(PartySettings.metrics, metrics)
        self.watch_token = _read(PartySettings.watch_token, watch_token)

    @classmethod
    def of(cls, settings: PeerSettings) -> Self:
        """The party with the settings of a command: of those of a `PartySettings`, as many as the
        command has."""
        kind = PartySettings if isinstance(settings, PartySettings) else PeerSettings
        given: dict[str, Any] = {name: getattr(settings, name) for name in kind.declared}
        if isinstance(settings, PartySettings):
            given |= {"guard": settings.guard == "on", "watch_token": settings.token()}
        return cls(**given)

    def __repr__(self) -> str:
        return f"<Party {self.role}, session {self.session}>"

    def addresses(self, dealt: bool = True) -> Addresses:
        """Addresses and keys of the peer and of the dealer; of the peer alone if dealt is False or
        a file of material takes the dealer's place. ConfigError for missing or wrong keys."""
        peer, dealer = self.peer, self.dealer if self.material is None and dealt else None
        keys = own_key(
            self.role,
            self.key,
            [peer] if dealer is None else [peer, dealer],
            self.insecure_plaintext,
        )
        shared = keys is not None and self.key is None
        return Addresses(
            session=self.session,
            peer=peer,
            dealer=dealer,
            timeout=self.timeout,
            wait=self.wait,
            keys=keys,
            peer_key=needed_key(PEER[self.role], self.peer_key, shared, "--peer-key")
            if keys
            else None,
            dealer_key=needed_key("dealer", self.dealer_key, shared, "--dealer-key")
            if keys and dealer
            else None,
            peer_shape=parse_shape(self.link) if self.link else None,
            dealer_shape=parse_shape(self.dealer_link) if self.dealer_link else None,
        )

    def opened_material(self) -> Material | None:
        """The file that takes the dealer's place, opened with this party's key; None if there is
        none. MaterialError if it is not this party's, or has had its day."""
        if self.material is None:
            return None
        keys, dealer = material_keys(self.role, self.key, self.dealer_key)
        return Material(self.material, self.role, self.session, keys, dealer)


def _read(setting: Setting[T], given: object) -> T:
    """The value of an argument, read as the option of that name is."""
    if given is None:
        return setting.fallback()
    text = str(given)
    if isinstance(given, (int, float)):
        text = {"TIME": f"{given!r}s", "RATE": f"{given!r}bit" if given else "none"}.get(
            setting.metavar or "", text
        )
    return setting.read(text, setting.name)
