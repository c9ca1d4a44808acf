# SPDX-License-Identifier: GPL-3.0-or-later
"""All sessions of a server: who owns them, where they are played, and what becomes of them when something dies.

One asyncio loop; nothing here touches audio. Transports open sessions here and get a segment; places play into it.
What is asked of one session is done in the order it was asked, each to its end, even if who asked goes away
meanwhile; sessions do not wait for each other.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lbserver.engine.worker import merged
from lbserver.errors import LiveBandError
from lbserver.host.logs import fields
from lbserver.hub.admission import Admission, as_told, check_name
from lbserver.hub.admission import HubConfig as HubConfig
from lbserver.hub.admission import HubError as HubError
from lbserver.hub.admission import Peer as Peer
from lbserver.hub.figures import listed, models, status_of, tell_of_overload
from lbserver.hub.gestures import check_readable, tell_first, told_beside
from lbserver.hub.handover import Handover, Request
from lbserver.hub.memories import Memories
from lbserver.hub.recovery import Recovery
from lbserver.hub.repertoire import Offer as Offer
from lbserver.hub.repertoire import Repertoire, ready_of
from lbserver.hub.session_record import (
    Entry,
    checked_value,
    epoch_controls,
    first_controls,
    plan,
    restored,
    segment_for,
)
from lbserver.hub.session_record import Opened as Opened
from lbserver.hub.turns import Turns
from lbserver.places.place import Place
from lbserver.places.supervisor import Ready, WorkerError, WorkerGoneError
from lbserver.protocol.controls import CONTROLS, INDEX
from lbserver.session.knowledge import TAKEN_BY_SOME
from lbserver.session.states import Event

log = logging.getLogger(__name__)

_FAREWELL_S = 1.0


class Hub:
    """See the module. `places` are started by `start` and stopped by `stop`."""

    def __init__(self, config: HubConfig) -> None:
        self.config = config
        self._repertoire = Repertoire(idle_s=config.idle_model_s)
        self.unknown_fields = 0
        self._entries: dict[str, Entry] = {}
        self._notify: dict[Peer, Callable[[dict[str, Any]], None]] = {}
        self._admission = Admission(config)
        self._memories = Memories(
            config.moments, config.kept, max_kept=config.max_kept, shared=config.shared_moments
        )
        self._turns = Turns()
        self.recovery = Recovery(
            self._entries, self._admission, self._turns, play=self._play, close=self._close
        )
        self._handover = Handover(self._turns, self._unclaimed)
        self._stopping = False

    # Its life

    async def start(self, places: list[Place], offer: Offer | None = None) -> None:
        """Start every place of the default model; others are loaded when named. Raises WorkerError when one cannot play."""
        await self._repertoire.start(places, offer)
        self._turns.run(self._keep_house())
        self._turns.run(tell_of_overload(self._entries))

    async def stop(self) -> None:
        """Close every session, its memory kept for the next server, and stop every place."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):  # a place that hangs is not waited for
                for entry in list(self._entries.values()):
                    async with self._turns.of(entry.name):
                        await self._close(entry, "the server stops", keep_memory=True)
        await self._repertoire.stop()
        await self._turns.end()
        for entry in self._entries.values():
            entry.release()
        self._entries.clear()
        self._memories.tidy(set())

    @property
    def places(self) -> list[Place]:
        """Where sessions are played, the default model's first."""
        return self._repertoire.places

    @property
    def ready(self) -> Ready:
        """Of the first place that can play the default model. Raises HubError."""
        return ready_of(self._repertoire.default)

    async def played(self, model: str | None) -> Ready:
        """What is known of a model that is played here, loaded if it is not; None is the default. Raises HubError."""
        return ready_of(await self._repertoire.playing(model))

    # Requests

    async def open(self, request: Mapping[str, Any], *, peer: Peer) -> Opened:
        """Open a session (a checked `open` message), or take up one that lost its peer. Raises HubError."""
        return await self._handover.answered(self._open, request, peer)

    async def configure(self, request: Mapping[str, Any], *, peer: Peer) -> Opened:
        """A new rate, layout or mode: a new segment and epoch, the musical memory stays. Raises HubError."""
        return await self._handover.answered(self._configure, request, peer)

    async def set_control(self, session: str, name: str, value: float | int | str, *, peer: Peer) -> None:
        """Set a control in its own unit; mode and anticipation begin an epoch, so they go through `configure`.

        While its worker is being restarted it is noted and acts afterwards. Raises HubError.
        """
        await self._turns.whole(self._set_control(session, name, value, peer))

    async def know(self, request: Mapping[str, Any], *, peer: Peer) -> None:
        """What the host knows (a checked `know` message). Raises HubError for a chord or chart it cannot read."""
        await self._turns.whole(self._know(request, peer))

    async def keep(self, session: str, name: str, *, peer: Peer) -> None:
        """Keep this moment on disk under a name. Raises HubError."""
        await self._turns.whole(self._keep(session, name, peer))

    async def recall(self, session: str, name: str, *, peer: Peer) -> None:
        """Go on from a kept moment, at the position the session is at. Raises HubError."""
        await self._turns.whole(self._recall(session, name, peer))

    async def close(self, session: str, *, peer: Peer, reason: str = "", keep: bool = False) -> None:
        """End a session; its memory stays if it is to be kept. Raises HubError."""
        await self._turns.whole(self._close_own(session, peer, reason, keep))

    def detach(self, peer: Peer) -> None:
        """The peer is gone: local ones' sessions end now, others' when their lease is over.

        A session that ends so keeps its memory: `open` with `resume` goes on from there.
        """
        self._notify.pop(peer, None)
        self._handover.leave(peer)
        for entry in list(self._entries.values()):
            if entry.peer == peer:
                self._detach(entry)

    def attach(self, session: str, peer: Peer) -> None:
        """A sign of life of a session's peer: its lease begins anew."""
        entry = self._entries.get(session)
        if entry is not None and entry.peer == peer:
            entry.detached_s = None

    def serves(self, peer: Peer) -> bool:
        """Whether a peer has a session, or is being given one."""
        return self._handover.waits(peer) or any(one.peer == peer for one in self._entries.values())

    def subscribe(self, peer: Peer, notify: Callable[[dict[str, Any]], None]) -> None:
        """Have messages meant for a peer delivered: closed, error."""
        self._notify[peer] = notify

    # What can be seen

    def status(self, session: str, *, peer: Peer) -> dict[str, float | int | str]:
        """Figures of a session by the names of the status table. Raises HubError."""
        return status_of(self._mine(session, peer))

    def sessions(self, *, peer: Peer | None = None) -> dict[str, dict[str, float | int | str]]:
        """Status of every session that a peer may see; of all for None."""
        return {
            name: listed(entry)
            for name, entry in self._entries.items()
            if peer is None or peer.trusted or entry.peer == peer
        }

    def models(self, *, peer: Peer) -> dict[str, dict[str, int]]:
        """Models that are loaded, with their memory; a stranger learns nothing of them but its own sessions."""
        return models(self.places, self._entries.values()) if peer.trusted else {}

    def controls(self, session: str, *, peer: Peer) -> dict[str, float]:
        """Values of a session's controls. Raises HubError."""
        return dict(self._mine(session, peer).controls)

    # When a place dies: callbacks of the supervisor

    def on_lost(self, place: Place, suspects: tuple[str, ...]) -> None:
        """Nothing is played there any more; something was being done for the suspects."""
        self.recovery.lost(place, suspects)

    def on_back(self, place: Place) -> None:
        """The next worker is ready."""
        self._turns.run(self.recovery.back(place))

    def on_ended(self, session: str, code: str, reason: str) -> None:
        """The worker refused to go on with a session."""
        entry = self._entries.get(session)
        if entry is not None:
            self._turns.run(self._close_this(entry, reason, code=code))

    # Opening

    def _unclaimed(self, opened: Opened, peer: Peer) -> None:
        entry = self._entries.get(opened.session)
        if entry is not None and entry.peer == peer:
            self._detach(entry)

    async def _open(self, message: Mapping[str, Any], request: Request) -> Opened:
        name, peer = str(message["session"]), request.peer
        check_name(name)
        async with self._turns.of(name):
            if self._stopping:
                raise HubError("crashed", "the server stops")
            old = self._entries.get(name)
            if old is not None:
                if old.peer.kind != peer.kind or (old.detached_s is None and old.peer != peer):
                    raise HubError("busy", f"there is a session {name!r} already: choose another name")
                strange = not peer.trusted and old.peer.identity != peer.identity
                if strange or old.peer.owner != peer.owner:
                    raise HubError("unauthorised", f"session {name!r} is somebody else's")
            model = message.get("model")
            places = await self._repertoire.playing(None if model is None else str(model))
            place = self._repertoire.choose(places, list(self._entries.values()))
            spec, wish, timing = plan(place, message)
            controls = first_controls(spec, message) | epoch_controls(wish)
            self._admission.admit(
                name, peer, (entry.peer for entry in self._entries.values() if entry is not old)
            )
            descriptor, segment = segment_for(spec, wish, timing, int(message["channels"]))
            entry = Entry(
                name=name,
                peer=peer,
                wish=wish,
                place=place,
                spec=spec,
                timing=timing,
                descriptor=descriptor,
                segment=segment,
                controls=controls,
            )
            self._entries[name] = entry
            try:
                if old is not None:
                    await self._end(old, keep_memory=True)
                resumes = old is not None or bool(message.get("resume"))
                self._memories.claim(name, peer.owner, resume=resumes)
                if resumes:
                    self._take_memory(entry)
                if old is not None:  # one that has heard nothing yet has no memory
                    entry.known = old.known
                    unasked = {name: value for name, value in old.controls.items() if name not in message}
                    entry.controls = restored(entry.controls, unasked, spec)
                opened = entry.opened()
                try:
                    await self._play(entry, resume=False)
                except BaseException:
                    os.close(opened.descriptor)
                    raise
            except BaseException as error:
                self._drop(entry)
                if isinstance(error, WorkerError):
                    raise HubError(error.code, str(error)) from None
                raise
            log.info("session opened", extra=fields(session=name, peer=peer.kind, mode=wish.mode.value))
            if request.gone:
                self._detach(entry)
            return opened

    def _take_memory(self, entry: Entry) -> None:
        try:
            kept = self._memories.read(entry.name, entry.spec.weights_id)
        except LiveBandError as error:
            log.warning("memory lost: %s", error, extra=fields(session=entry.name))
            self._memories.discard(entry.name)
            return
        if kept is not None:
            entry.controls = restored(entry.controls, kept.controls, entry.spec)
            entry.known = kept.known

    async def _configure(self, message: Mapping[str, Any], request: Request) -> Opened:
        name = str(message["session"])
        async with self._turns.of(name):
            old = self._mine(name, request.peer)
            spec, wish, timing = plan(old.place, message)
            descriptor, segment = segment_for(spec, wish, timing, int(message["channels"]))
            entry = replace(
                old,
                spec=spec,
                wish=wish,
                timing=timing,
                descriptor=descriptor,
                segment=segment,
                controls=old.controls | epoch_controls(wish),
            )
            try:
                opened = entry.opened()
                try:
                    if old.placed:
                        await old.place.request(entry.message("replace"), entry.descriptor)
                except WorkerGoneError:
                    pass  # the next worker opens it in the new format
                except BaseException:
                    os.close(opened.descriptor)
                    raise
            except BaseException as error:
                entry.release()
                if isinstance(error, WorkerError):
                    raise HubError(error.code, str(error)) from None
                raise
            # What happened to the old one meanwhile happened to this one.
            entry.placed, entry.reason, entry.detached_s = old.placed, old.reason, old.detached_s
            entry.strikes, entry.struck_s, entry.state = old.strikes, old.struck_s, None
            if not entry.placed:
                entry.become(Event.WORKER_LOST)
            self._entries[name] = entry
            old.release()
            return opened

    async def _play(self, entry: Entry, handed: object = None, *, resume: bool = True) -> None:
        message = entry.message("open") | ({"handed": handed} if handed is not None else {})
        path = self._memories.path(entry.name)
        if path.exists():
            message["moment"] = str(path)
        message |= {"resume": resume, "suspect": entry.strikes > 0, "known": entry.known}
        answer = await entry.place.request(message, entry.descriptor)
        if answer.get("lost"):
            log.warning("memory lost: %s", answer["lost"], extra=fields(session=entry.name))
        if entry.state is not None:
            entry.become(Event.WORKER_READY)
        entry.state, entry.reason, entry.placed = None, "", True
        entry.struck_s = time.monotonic()  # what it does from here on speaks for it

    # Playing

    async def _set_control(self, session: str, name: str, value: float | int | str, peer: Peer) -> None:
        async with self._turns.of(session):
            entry = self._mine(session, peer)
            number = checked_value(name, value, entry.spec)
            control = CONTROLS[INDEX[name]]
            if control.acts == "epoch":
                raise HubError("unsupported", f"{name} begins a new epoch: send configure while stopped")
            if known := tell_first(entry, name):
                await self._tell_of_music(entry, known)
            if name != "tap":  # which is told by what is known of it
                await self._tell(entry, {"type": "set", "session": session, "control": name, "value": number})
            if control.kind != "trigger":
                entry.controls[name] = number
            elif name == "count_in":
                entry.controls["tacet"] = 0.0

    async def _know(self, message: Mapping[str, Any], peer: Peer) -> None:
        known = {name: value for name, value in message.items() if name not in ("type", "id", "session")}
        async with self._turns.of(str(message["session"])):
            entry = self._mine(str(message["session"]), peer)
            check_readable(known)
            if not known.keys().isdisjoint(TAKEN_BY_SOME):  # words are looked up beside those who play
                known |= await asyncio.to_thread(told_beside, known, entry.spec)
            await self._tell_of_music(entry, known)

    async def _tell_of_music(self, entry: Entry, known: dict[str, Any]) -> None:
        await self._tell(entry, {"type": "know", "session": entry.name, "known": known})
        entry.known = merged(entry.known, known)

    async def _keep(self, session: str, name: str, peer: Peer) -> None:
        async with self._turns.of(session):
            entry = self._mine(session, peer)
            path = self._memories.passing(session)
            try:
                await self._ask(entry, {"type": "keep", "session": session, "path": str(path)})
                await asyncio.to_thread(self._memories.keep, name, path, peer.owner)
            except (OSError, LiveBandError) as error:
                raise as_told("the moment could not be kept", error) from None
            finally:
                self._memories.passed(session)

    async def _recall(self, session: str, name: str, peer: Peer) -> None:
        async with self._turns.of(session):
            entry = self._mine(session, peer)
            path = self._memories.passing(session)
            try:
                kept = await asyncio.to_thread(
                    self._memories.recall, name, entry.spec.weights_id, path, peer.owner
                )
                await self._ask(entry, {"type": "recall", "session": session, "path": str(path)})
            except (OSError, LiveBandError) as error:
                told = as_told("the moment could not be recalled", error)
                code = "not_found" if told.code == LiveBandError.code else told.code
                raise HubError(code, str(told)) from None
            finally:
                self._memories.passed(session)
            taken = {
                n: v for n, v in kept.controls.items() if n in INDEX and CONTROLS[INDEX[n]].acts == "model"
            }
            entry.controls = restored(entry.controls, taken, entry.spec)

    async def _tell(self, entry: Entry, message: dict[str, Any]) -> None:
        """Tell a session's place; while it is lost, what is noted here is told when it is back."""
        if entry.placed:
            try:
                await entry.place.request(message)
            except WorkerGoneError:
                return
            except WorkerError as error:
                if entry.place.up:
                    raise HubError(error.code, str(error)) from None

    async def _ask(self, entry: Entry, message: dict[str, Any]) -> None:
        """Have a session's place do what only it can. Raises HubError."""
        if not entry.placed:
            raise HubError("crashed", entry.place.reason or "its worker is being restarted")
        try:
            await entry.place.request(message)
        except WorkerError as error:
            raise HubError(error.code if entry.place.up else "crashed", str(error)) from None

    # Closing

    async def _close_own(self, session: str, peer: Peer, reason: str, keep: bool) -> None:
        async with self._turns.of(session):
            await self._close(self._mine(session, peer), reason, keep_memory=keep)

    async def _close_this(self, entry: Entry, reason: str, *, code: str = "") -> None:
        """Close this very session, if it is still there: another may have its name by now."""
        async with self._turns.of(entry.name):
            if self._entries.get(entry.name) is entry:
                # A fault of ours costs nobody their music.
                await self._close(entry, reason, code=code, keep_memory=code == "internal")

    async def _close_lost(self, entry: Entry) -> None:
        """Close a session whose peer is gone, if it is still there and nobody came back for it."""
        async with self._turns.of(entry.name):
            entry = self._entries.get(entry.name, entry)
            if entry.detached_s is not None and self._entries.get(entry.name) is entry:
                await self._close(entry, "its peer is gone", keep_memory=True)

    async def _close(self, entry: Entry, reason: str, *, keep_memory: bool = False, code: str = "") -> None:
        try:
            await self._end(entry, keep_memory=keep_memory, quarantined=code == "quarantined")
        finally:
            if self._entries.get(entry.name) is entry:
                del self._entries[entry.name]
        if keep_memory:
            await asyncio.to_thread(self._memories.tidy, self._entries)
        else:
            self._memories.forget(entry.name)
        severe = logging.WARNING if code else logging.INFO
        log.log(
            severe, "session closed: %s", reason or "asked to", extra=fields(session=entry.name, code=code)
        )
        notify = self._notify.get(entry.peer)
        if notify is not None:
            if code:
                notify({"type": "error", "code": code, "text": reason})
            notify({"type": "closed", "session": entry.name, "reason": reason})

    async def _end(self, entry: Entry, *, keep_memory: bool, quarantined: bool = False) -> None:
        """Take a session from its place and let go of it; its front end sees that it is over."""
        message = {"type": "close", "session": entry.name}
        if keep_memory:
            message["keep"] = str(self._memories.path(entry.name))
        try:
            with contextlib.suppress(WorkerError):
                if entry.placed and entry.place.up:
                    await entry.place.request(message)
        finally:
            if entry.descriptor >= 0:
                entry.become(Event.QUARANTINE if quarantined else Event.CLOSE)
                entry.release()

    def _drop(self, entry: Entry) -> None:
        """Forget a session that was not opened after all."""
        if self._entries.get(entry.name) is entry:
            del self._entries[entry.name]
        entry.release()

    def _detach(self, entry: Entry) -> None:
        if entry.detached_s is None:
            entry.detached_s = time.monotonic()
        if entry.peer.kind == "local":
            self._turns.run(self._close_lost(entry))

    def _mine(self, session: str, peer: Peer) -> Entry:
        entry = self._entries.get(session)
        if entry is None or not (peer.trusted or entry.peer == peer):
            raise HubError("unknown_session", f"no session {session[:64]!r}, or it is not yours")
        return entry

    async def _keep_house(self) -> None:
        """Close what has no peer any more, forgive what did no harm for long."""
        while True:
            await asyncio.sleep(min(1.0, self.config.lease_s / 4, self.config.forgive_s / 4))
            now_s = time.monotonic()
            for place in self._repertoire.tidy([entry.place for entry in self._entries.values()], now_s):
                self._turns.run(place.stop())
            for entry in list(self._entries.values()):
                if entry.detached_s is not None and now_s - entry.detached_s > self.config.lease_s:
                    self._turns.run(self._close_lost(entry))
                if entry.strikes and entry.placed and now_s - entry.struck_s > self.config.forgive_s:
                    entry.strikes = 0
                    self._turns.run(self._tell(entry, {"type": "trust", "session": entry.name}))
