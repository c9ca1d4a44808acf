# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium that a test steers through its DevTools pipe, and the jam page in it."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

PROGRAMS = ("chromium-headless-shell", "chrome-headless-shell", "chromium", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # it is run as root where tests are
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)
_ANSWER_S = 60.0
_ADDRESS_S = 180.0
_LOOK_S = 0.1


class BrowserError(Exception):
    """The browser refused, or what the page ran failed."""


def installed() -> str | None:
    """The program, None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One browser with one page. `faults` are the errors that the page or the browser told of. Use with `with`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        program = installed()
        if program is None:
            raise BrowserError(f"none of {', '.join(PROGRAMS)} is installed")
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        # Above 4, so that neither is overwritten by the other's place.
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (theirs_in, theirs_out)]
        nowhere = os.open(os.devnull, os.O_RDWR)
        self.pid = os.posix_spawn(
            program,
            [program, *_FLAGS, f"--user-data-dir={folder}", *flags, "about:blank"],
            {**os.environ, "HOME": str(folder)},
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, nowhere, stream) for stream in (0, 1, 2)),
                (os.POSIX_SPAWN_DUP2, theirs[0], 3),
                (os.POSIX_SPAWN_DUP2, theirs[1], 4),
            ],
            setpgroup=0,
        )
        for end in (theirs_in, theirs_out, *theirs, nowhere):
            os.close(end)
        self.faults: list[str] = []
        self._in, self._out, self._rest = ours_in, ours_out, b""
        self._number = 0
        self._session = ""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a DevTools method. Raises BrowserError."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _ANSWER_S
        while True:
            for answer in self._messages(deadline, method):
                if answer.get("id") == self._number:
                    if "error" in answer:
                        raise BrowserError(f"{method}: {answer['error'].get('message')}")
                    return dict(answer["result"])
                self._note(answer)

    def open(self, address: str) -> None:
        """Go there. Raises BrowserError when nobody answers."""
        failed = self.ask("Page.navigate", url=address).get("errorText")
        if failed:
            raise BrowserError(f"{address}: {failed}")
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page, waited for, as if somebody had clicked. Raises BrowserError."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details.get("text")))
        return answer["result"].get("value")

    def click(self, identity: str) -> None:
        """Click an element, when it can be clicked."""
        self.until(
            f"!!document.getElementById({identity!r}) && !document.getElementById({identity!r}).disabled"
        )
        self.run(f"document.getElementById({identity!r}).click()")

    def until(self, condition: str, *, timeout_s: float = 60.0) -> None:
        """Wait until an expression is true. Raises BrowserError with the page's words when it does not come true."""
        deadline = time.monotonic() + timeout_s
        while not self.run(condition):
            if time.monotonic() > deadline:
                raise BrowserError(f"{condition} did not come true; faults {self.faults}; {self.words()}")
            time.sleep(_LOOK_S)

    def words(self) -> str:
        """What the page says."""
        return str(self.run("document.body.innerText"))[:2000]

    def choose(self, identity: str, path: Path) -> None:
        """Give a file to a field that takes one."""
        document = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=document, selector=f"#{identity}")["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def downloads_to(self, folder: Path) -> None:
        """Where what is downloaded goes, without a question."""
        self.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def picture(self, path: Path, width: int, height: int, *, scale: float = 1.0) -> None:
        """The page as it looks in a window of this size, as PNG."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )
        time.sleep(0.5)  # for a frame or two of the meters
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End it and all of its processes. Idempotent."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self._in)
            os.close(self._out)
            self.pid = 0

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _messages(self, deadline: float, method: str) -> list[dict[str, Any]]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise BrowserError(f"{method}: the browser {'has gone' if ready else 'does not answer'}")
            self._rest += data
        *whole, self._rest = self._rest.split(b"\0")
        return [json.loads(message) for message in whole]

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                self.faults.append(str(details.get("exception", {}).get("description", details.get("text"))))
            case "Log.entryAdded" if event["params"]["entry"]["level"] == "error":
                self.faults.append(event["params"]["entry"]["text"])


class Page:
    """A `liveband jam --browser` beside a server, and a browser that has it open."""

    def __init__(self, server: Any, folder: Path, *flags: str, jam: Sequence[str] = ()) -> None:
        self.folder, self.downloads = folder, folder / "downloads"
        self.downloads.mkdir(parents=True)
        self.jam = subprocess.Popen(
            [sys.executable, "-m", "lbserver", "jam", "--browser", "--json", "--page-port", "0", *jam],
            env=server.environment,
            stdout=subprocess.PIPE,
            stderr=(folder / "jam.log").open("wb"),
        )
        self.address = json.loads(self._first_line())["address"]
        self.browser: Browser | None = None
        self.flags = flags
        self.rate_hz = 0  # of what was saved last

    def _first_line(self) -> bytes:
        """Raises BrowserError with what jam said instead; jam is ended then."""
        assert self.jam.stdout is not None
        deadline, line = time.monotonic() + _ADDRESS_S, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.jam.stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self.jam.stdout.fileno(), 4096) if ready else b""
            if not data:
                self.jam.kill()
                self.jam.wait()
                said = (self.folder / "jam.log").read_text(errors="replace")[-2000:]
                raise BrowserError(f"jam printed no address in {_ADDRESS_S:g} s: {line!r} {said}")
            line += data
        return line

    def open(self) -> Browser:
        self.browser = Browser(self.folder / "profile", *self.flags)
        self.browser.downloads_to(self.downloads)
        self.browser.open(self.address)
        return self.browser

    def download(self, what: str) -> np.ndarray:
        """What the page saved, [C, T]; waits until it is there."""
        assert self.browser is not None
        path = self.downloads / f"liveband_{what}.wav"
        path.unlink(missing_ok=True)
        self.browser.click(f"save_{what}")
        deadline = time.monotonic() + 60
        while not (path.exists() and path.stat().st_size > 58):
            assert time.monotonic() < deadline, "nothing was saved"
            time.sleep(0.05)
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        self.rate_hz = rate_hz
        return audio.T

    def close(self) -> None:
        if self.browser is not None:
            self.browser.close()
        self.jam.send_signal(signal.SIGTERM)
        try:
            self.jam.wait(60)
        finally:
            self.jam.kill()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    if installed() is None:
        pytest.skip("no browser is installed: apt install chromium-headless-shell")
    pages: list[Page] = []

    def made(server: Any, *flags: str, jam: Sequence[str] = ()) -> Page:
        pages.append(Page(server, tmp_path / f"page{len(pages)}", *flags, jam=jam))
        return pages[-1]

    yield made
    for each in pages:
        each.close()
