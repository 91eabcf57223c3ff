"""What a plan says of a run, the run does; and how far it is said to be."""

from __future__ import annotations

import asyncio

import pytest
from loopback import dealing
from squares import Fit, W, X, Y

from party import Party, plan
from party.display import Watching
from protocol.errors import ConfigError
from protocol.log import Log


async def test_a_plan_is_that_of_the_run(tmp_path, monkeypatch):
    """Also of one that keeps its model, or begins with one; and a bar of rounds, where there are no
    steps, ends at the last."""

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))

    class Kept(Fit):
        keep = ("w",)

    class Looked(Kept):
        iterations = 0

    class Shown:
        interval, early = 0.01, True
        seen = ()

        def show(self, completed, total, lines):
            self.seen = (*self.seen, (completed, total))

        def close(self):
            pass

    bars = Shown(), Shown()
    async with dealing() as where:
        alice, bob = (Party(role, wait=20, **where) for role in ("alice", "bob"))

        async def run(job, keep=False, model=(None, None), bars=(None, None)):
            views = [
                Watching(each.role, Log(each.role, "s"), bar)
                for each, bar in zip((alice, bob), bars, strict=True)
            ]
            w = {} if model[0] else {"w": W}
            hers, his = await asyncio.gather(
                alice.train(job, w, keep=keep, model=model[0], view=views[0]),
                bob.train(job, x=X, y=Y, keep=keep, model=model[1], view=views[1]),
            )
            shapes = {"x": X.shape, "y": Y.shape} | dict.fromkeys(w, W.shape)
            found = bob.plan(job, shapes, keep=keep, model=model[1])
            assert his.report.rounds == found.rounds
            assert his.report.bytes_sent == found.bytes_sent["bob"]
            return hers, his, found

        hers, his, keeping = await run(Kept, keep=True)
        assert "Kept: w" in keeping.text
        his.model.save(tmp_path / "bob.share")
        _, _, going_on = await run(Kept, model=(hers.model, tmp_path / "bob.share"))
        assert going_on.plan.digest not in (keeping.plan.digest, plan(Kept, x=(6, 3)).plan.digest)
        _, _, looked = await run(Looked, bars=bars)
    for bar in bars:
        assert bar.seen[-1] == (looked.rounds, looked.rounds)
    with pytest.raises(ConfigError, match="does not say what can stay shared"):
        plan(Fit, x=(6, 3), keep=True)
    with pytest.raises(ConfigError, match="does not say what can stay shared"):
        await bob.train(Fit, x=X, y=Y, keep=True)
