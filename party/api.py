"""The library: take part in a run from Python, or try a job out alone.

    from party import Party, plain, simulate

    result = await Party("bob", peer_key=…, dealer_key=…).train(job, x=X, y=y)  # in a coroutine
    result = Party("bob").train_sync(job, x=X, y=y)  # elsewhere
    result = simulate(job, x=X, y=y, w=w)  # all three roles here, through the real protocol
    result = plain(job, x=X, y=y, w=w)  # float64 with NumPy, nothing hidden
    print(plan(job, x=(1000, 20)))  # rounds, bytes and reveals, before anything runs

A job is a class derived from `Job`, an instance of one, the name of a built-in job, or a path that
ends in .py. Tensors are arrays, frames of pandas or polars, or paths of files; names with dots go
into a mapping: `train(job, {"model.0.weight": w}, x=X)`. A frame, or the path of a file, instead of
the mapping brings all tables of the job (protocol.tables): `train(job, frame)`; alice=frame and
bob=frame, all of one party: `simulate(job, alice=a, bob=b)`.

Nothing here touches signals, limits of the process or the event loop's policy: that is what
commands do. Every failure is an `MpcError` (protocol.errors) with the sentence that the command
would print.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from protocol import kernels
from protocol.errors import ConfigError, MpcError
from protocol.log import Log
from protocol.prg import fresh_seed
from protocol.web.options import Watch

from .alone import plain as plain
from .alone import plan as plan
from .alone import simulate as simulate
from .attempts import Run
from .awake import awake
from .bars import own_bar
from .checkpoint import Store
from .configured import ConfiguredParty
from .declining import telling
from .display import Watching
from .exporting import Exportable
from .given import Given, handed
from .intent import Intent, who_learns
from .keyed import brought
from .live import parts
from .loading import AnyJob, any_job
from .metrics import samples
from .planned import Planned as Planned
from .planned import network
from .predicting import predicted
from .result import Result as Result
from .seen import Seen
from .shared import Named, SharedModel, begin, keeper, keeping
from .view import RunView, RunViews
from .waiting import wait_for


class Party(ConfiguredParty):
    """One of the two parties, which takes part in runs: its role, session, addresses and keys of
    the others, timeouts, links, and where it keeps its state.

    Every argument is an option of `python -m party` and means what `python -m party run --help`
    says; left out, it is what the command has by default. Times are seconds or texts such as "5m",
    rates bits per second or "100mbit". ConfigError names the argument that cannot be used.
    """

    async def run(
        self,
        job: AnyJob,
        data: Any = None,
        /,
        *,
        iterations: int | None = None,
        reveal: str | None = None,
        keep: bool = False,
        model: SharedModel | str | Path | None = None,
        view: RunView | None = None,
        **tensors: Any,
    ) -> Result:
        """Take part in one run of `job`, and return what this party learns from it.

        data, tensors: this party's inputs: arrays by name, frames or paths for tables.
        iterations, reveal (alice, bob, both, none), keep: as the options of `party run`; both
            parties must give the same. With keep=True, `result.model` is this party's share of the
            model, to save.
        model: this party's share of an earlier model, or its file, to begin with.
        view: its methods are called as the run proceeds; by default a bar in a notebook or on a
            terminal, and the logger mpc.alice or mpc.bob.

        Raises MpcError with one sentence for whatever ends the run early. When it is cancelled, the
        run ends at both parties.
        """
        given = handed(data, tensors)
        if view is None:
            view = Watching(self.role, Log(self.role, self.session), own_bar(self.role))
        more: dict[str, Any] = {
            "iterations": iterations,
            "reveal": reveal,
            "keep": keep,
            "view": view,
        }
        try:
            async with telling(self.role, self.addresses):
                half = SharedModel.read(model) if isinstance(model, (str, Path)) else model
                run = await self._prepared(partial(self.prepare, job, given, model=half, **more))
            with contextlib.closing(run):
                report = await run.run()
                exportable = Exportable.of(run.intent.job, run.brought, run.preparation())
                result = Result.of(report, self.accept_out_of_range, exportable)
            for remark in result.remarks:
                view.note(f"note: {remark}")
            return result
        except MpcError as error:
            raise error.with_traceback(None) from error.__cause__  # its sentence says it all
        except asyncio.CancelledError:
            raise asyncio.CancelledError(
                "the run was interrupted, and the others were told so"
            ) from None
        finally:
            view.ended()

    train = run

    def run_sync(self, job: AnyJob, data: Any = None, /, **more: Any) -> Result:
        """`run`, called from code that is not a coroutine. If the calling thread has a running
        event loop, the run has a thread and a loop of its own, and this call still blocks."""
        return wait_for(self.run(job, data, **more))

    train_sync = run_sync

    async def predict(
        self,
        model: SharedModel | str | Path,
        data: Any = None,
        /,
        *,
        job: AnyJob | None = None,
        to: Mapping[str, str] | None = None,
        kind: str = "predictions",
        view: RunView | None = None,
        **tensors: Any,
    ) -> Result:
        """Predict with a model that stays shared: both parties call this, one of them with rows.

        model: this party's share, or its file. data, tensors: the rows, from one party.
        job: the job that trained the model; None: the job file named in the share.
        to: who learns what, the same at both: {"classes": "bob"}; also "probabilities", "scores",
            and "predictions" (classes, or scores where there are none). None: the party with the
            rows learns the `kind`.

        Raises MpcError, and may be cancelled, as `run`.
        """
        async with telling(self.role, self.addresses):
            half = SharedModel.read(model) if isinstance(model, (str, Path)) else model
        given = handed(data, tensors)
        wanted = predicted(
            half,
            None if job is None else any_job(job),
            {},
            bool(given.data or given.tables),
            to,
            kind,
        )
        return await self.run(wanted, data, model=half, view=view, **tensors)

    def predict_sync(
        self, model: SharedModel | str | Path, data: Any = None, /, **more: Any
    ) -> Result:
        """`predict`, called from code that is not a coroutine, as `run_sync` calls `run`."""
        return wait_for(self.predict(model, data, **more))

    async def _prepared(self, prepare: Callable[[], Run]) -> Run:
        """The result of prepare(), called in a thread: reading data and compiling take seconds, in
        which the event loop must not block."""

        def let_go(done: asyncio.Future[Run]) -> None:
            # a loop that ends cancels what there is
            if not done.cancelled() and done.exception() is None:
                done.result().close()

        made = asyncio.ensure_future(asyncio.to_thread(prepare))
        try:
            return await awake(made)
        except asyncio.CancelledError:
            made.add_done_callback(let_go)
            raise

    def prepare(
        self,
        job: AnyJob,
        given: Given,
        *,
        iterations: int | None = None,
        reveal: str | None = None,
        keep: bool = False,
        model: SharedModel | None = None,
        view: RunView | None = None,
        fresh: bool = False,
        named: Named = Named(),  # noqa: B008, a tuple
    ) -> Run:
        """Do everything that precedes the first message: load the job, read and encode this
        party's inputs, read keys and the records of earlier attempts.

        fresh: first move the state of this session aside. named: how the user named the job, which
        is noted in a model that is kept. The other arguments: see `run`. Raises MpcError.
        """
        watch, seen = Watch.of(self.page, self.metrics, self.watch_token), Seen()
        view = (
            RunViews(*(() if view is None else (view,)), seen)
            if watch
            else RunView()
            if view is None
            else view
        )
        work = copy.copy(any_job(job))
        work.kept = ()
        if keep:
            keeping(work)
        named = Named(job) if isinstance(job, str) else named
        if model is not None:
            begin(work, model)
        store = None if self.state is None else Store(self.state, self.session, self.role)
        if fresh:
            if store is None:
                raise ConfigError(
                    "--fresh sets the state of a session aside; say where that is: --state DIR"
                )
            if (aside := store.set_aside()) is not None:
                view.note(f"the state of session {self.session} was moved to {aside}", "aside")
        to = self.addresses()
        if model is not None:
            model.check(self.role, to.public_keys(self.role))
        learnt = {} if model is None else model.learnt
        inputs, keyed = brought(
            work, self.role, given, fresh_seed if store is None else store.key, learnt
        )
        for sentence in (*inputs.read, *inputs.said):
            view.note(sentence, "read")
        material = self.opened_material()
        intent = Intent(
            role=self.role,
            job=work,
            iterations=work.iterations if iterations is None else iterations,
            reveal=who_learns(work, reveal),
            shapes={} if keyed else {name: array.shape for name, array in inputs.arrays.items()},
            material="from the dealer" if material is None else f"the file {material.id[:8]}",
            guard=self.guard,
            network=network(self.rtt, self.bandwidth, self.dealer_bandwidth),
            accepts=self.accept_out_of_range,
            model=model,
        )
        kernels.ready(view.note)
        kernels.set_threads(self.threads)
        keep_it = keeper(self.role, to.public_keys(self.role), work, named, model) if keep else None
        shown = parts(self.role, self.session, Path(named.file).name or type(work).__name__, seen)
        return Run(
            intent,
            to,
            keyed or inputs.arrays,
            view,
            store,
            interval=self.checkpoint_every,
            material=material,
            threads=self.threads,
            fitted=inputs.fitted,
            keeper=keep_it,
            serving=None
            if watch is None
            else watch.serving(view.note, shown, partial(samples, seen)),
        )

    def plan(
        self,
        job: AnyJob,
        data: Any = None,
        /,
        *,
        iterations: int | None = None,
        reveal: str | None = None,
        keep: bool = False,
        model: SharedModel | str | Path | None = None,
        **tensors: Any,
    ) -> Planned:
        """The cost of a run of `job`: rounds, bytes, dealt bytes, memory and predicted seconds, as
        `party.plan` gives them, for this party's link settings."""
        return plan(
            job,
            data,
            iterations=iterations,
            reveal=reveal,
            keep=keep,
            model=model,
            guard=self.guard,
            network=network(self.rtt, self.bandwidth, self.dealer_bandwidth),
            link=self.link,
            dealer_link=self.dealer_link,
            **tensors,
        )
