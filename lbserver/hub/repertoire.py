# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models a server plays, and where: the default from the start, others when a session names them.

A model that nobody plays for some time is unloaded, so memory is held by what is used.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lbserver.host.logs import fields
from lbserver.hub.admission import HubError
from lbserver.hub.session_record import Entry, emptiest
from lbserver.places.place import Place
from lbserver.places.supervisor import Ready, WorkerError

log = logging.getLogger(__name__)

_MOST_LOADED = 8


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Models that may be named beside the default: `models` by their short names, each a name or a folder, by which it may
    be named as well; `place(model)` makes a place that plays it; `choose` says which of some places gets the next session.
    """

    models: Mapping[str, str]
    place: Callable[[str], Place]
    choose: Callable[[Sequence[Place], Sequence[Entry]], Place] = emptiest

    def meant(self, name: str) -> str | None:
        """The model that a session means by a name, None if it is none of these."""
        return self.models.get(name, name if name in self.models.values() else None)


class Repertoire:
    """Places by what they play. `default` ones live as long as this, others from their first session until `tidy`."""

    def __init__(self, *, idle_s: float) -> None:
        self.default: list[Place] = []
        self._others: dict[str, Place] = {}
        self._idle_since_s: dict[str, float] = {}
        self._offer = Offer(models={}, place=_nobody)
        self._loading: dict[str, asyncio.Task[Place]] = {}
        self._idle_s = idle_s

    def choose(self, places: Sequence[Place], entries: Sequence[Entry]) -> Place:
        """Which of these gets the next session; `entries` are those that there are. Raises HubError: none can play."""
        try:
            return self._offer.choose(places, entries)
        except WorkerError as error:
            raise HubError(error.code, str(error)) from None

    @property
    def places(self) -> list[Place]:
        """All, the default's first."""
        return [*self.default, *self._others.values()]

    async def start(self, places: list[Place], offer: Offer | None = None) -> None:
        """Start every place of the default model. Raises WorkerError when one cannot play."""
        self.default = places
        self._offer = offer or self._offer
        await asyncio.gather(*(place.start() for place in places))

    async def stop(self) -> None:
        """Stop every place, those that are loading as well."""
        loading = list(self._loading.values())
        for load in loading:
            load.cancel()
        await asyncio.gather(*loading, return_exceptions=True)
        await asyncio.gather(*(place.stop() for place in self.places))

    async def playing(self, model: str | None) -> list[Place]:
        """The places that play a model, loaded if it is not; None is the default.

        Raises HubError: `unknown_model` with what is played here, `busy` when too many are loaded, or why it cannot play.
        """
        if model is None or _plays(self.default, model):
            return self.default
        meant = self._offer.meant(model)
        for name, place in self._others.items():
            if name == meant or _plays([place], model):
                self._idle_since_s.pop(name, None)
                return [place]
        if meant is None:
            raise HubError("unknown_model", f"this server plays {', '.join(self.names())}")
        load = self._loading.get(meant)
        if load is None:
            if len(self._others) + len(self._loading) >= _MOST_LOADED:
                raise HubError(
                    "busy", f"{_MOST_LOADED} models are loaded beside the default: close sessions of one"
                )
            load = self._loading[meant] = asyncio.create_task(self._load(model, meant))
            load.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits
        # Who asked may go away; the load goes on for whoever asks next, and is idle otherwise.
        return [await asyncio.shield(load)]

    async def _load(self, name: str, model: str) -> Place:
        place = self._offer.place(model)
        try:
            ready = await place.start()
        except WorkerError as error:
            raise HubError(error.code, f"{name} cannot play: {error}") from None
        except BaseException:
            await place.stop()
            raise
        finally:
            del self._loading[model]
        log.info("model loaded", extra=fields(model=ready.spec.name))
        self._others[model] = place
        return place

    def names(self) -> list[str]:
        """Names that a session may ask for, the default's first."""
        default = [place.ready.spec.name for place in self.default if place.ready is not None][:1]
        return list(dict.fromkeys([*default, *self._offer.models]))

    def tidy(self, used: Sequence[Place], now_s: float) -> list[Place]:
        """Let go of models that had no session for long; the caller stops the places returned."""
        gone = []
        for name, place in list(self._others.items()):
            if place in used:
                self._idle_since_s.pop(name, None)
            elif now_s - self._idle_since_s.setdefault(name, now_s) > self._idle_s:
                gone.append(self._others.pop(name))
                del self._idle_since_s[name]
                log.info("model unloaded", extra=fields(model=name))
        return gone


def ready_of(places: Sequence[Place]) -> Ready:
    """Of the first place that can play. Raises HubError."""
    for place in places:
        if place.ready is not None:
            return place.ready
    raise HubError("crashed", "no worker is ready")


def _plays(places: Sequence[Place], model: str) -> bool:
    return any(place.ready is not None and place.ready.spec.name == model for place in places)


def _nobody(name: str) -> Place:
    raise HubError("unknown_model", f"{name} is not played here")
