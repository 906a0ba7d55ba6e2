"""Debian's chromium without a window, driven over a pipe by its DevTools protocol: open a page, wait, click, look."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe"
)
_PATIENCE = 90.0  # seconds


class Page:
    """One open page; `errors` are what its console and its exceptions said is an error."""

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers = to, answers
        self._rest, self._number, self._session = b"", 0, ""
        self.errors: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Leave the page for another, from nothing: an address that differs behind its # alone would not load anew."""
        self._ask("Page.navigate", url="about:blank")
        self._ask("Page.navigate", url=address)

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true; one that does not become so raises TimeoutError."""
        end = time.monotonic() + _PATIENCE
        while self.value(f"Boolean({condition})") is not True:
            if time.monotonic() > end:
                raise TimeoutError(f"{condition} in {self.text()[:2000]}")
            time.sleep(0.2)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is; None where it fails, as on a page that is not there yet."""
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def text(self) -> str:
        return str(self.value("document.body.innerText"))

    def click(self, text: str) -> None:
        """Click what shows just this text, once it is there."""
        self._click(f"//text()[normalize-space()='{text}']/..")

    def follow(self, name: str) -> None:
        """Click the link to the run of this name, once it is there."""
        self._click(f"//a[normalize-space()='{name}'][contains(@href, '/runs/')]")

    def _click(self, path: str) -> None:
        found = f"document.evaluate({json.dumps(path)}, document, null, 9, null).singleNodeValue"
        self.wait(found)
        # Tabs are opened where the button goes down, links and the rest where it was let go.
        self.value(f"{found}.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true, cancelable: true}}))")
        self.value(f"{found}.click()")

    def picture(self, path: Path, width: int, height: int) -> None:
        """Write what the page shows as PNG, in a window of this size."""
        self.size(width, height)
        shown = self._ask("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(shown))

    def printed(self) -> bytes:
        """The page on A4 paper, as PDF."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True, "printBackground": True}
        return base64.b64decode(self._ask("Page.printToPDF", **paper)["data"])

    def dark(self, on: bool = True) -> None:
        """Show pages as to a person who prefers dark ones, or light ones."""
        wanted = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
        self._ask("Emulation.setEmulatedMedia", features=wanted)

    def media(self, kind: str) -> None:
        """Lay pages out as for a medium, `print`, or for the window again where it is empty."""
        self._ask("Emulation.setEmulatedMedia", media=kind)

    def scripts(self, on: bool) -> None:
        """Whether scripts of pages run; what `value` evaluates always does."""
        self._ask("Emulation.setScriptExecutionDisabled", value=not on)

    def press(self, key: str, code: int) -> None:
        """Press and leave a key, by its name and Windows' virtual code."""
        for kind in ("rawKeyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        self._ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def size(self, width: int, height: int) -> None:
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        time.sleep(1)  # the page lays itself out anew

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            more = os.read(self._answers, 2**20)
            if not more:
                raise RuntimeError("chromium ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        found = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(found["exceptionDetails"].get("exception", found["exceptionDetails"])))
        elif event.get("method") == "Runtime.consoleAPICalled" and found["type"] == "error":
            self.errors.append(" ".join(str(part.get("value", part.get("description"))) for part in found["args"]))
        elif event.get("method") == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.errors.append(f"{found['entry']['text']} {found['entry'].get('url', '')}")


@contextmanager
def browsing(profile: Path) -> Iterator[Page]:
    """A page of a browser whose profile lies in `profile`, until the block ends."""
    assert CHROMIUM is not None, "Debian's chromium is not installed"
    (read_here, write_here), (read_there, write_there) = os.pipe(), os.pipe()
    # The browser reads from descriptor 3 and writes to 4.
    command = ["bash", "-c", f'exec "$@" 3<&{read_there} 4>&{write_here}', "-", CHROMIUM, *_FLAGS.split()]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}"], pass_fds=(read_there, write_here), stdout=quiet, stderr=quiet
    )
    try:
        os.close(read_there)
        os.close(write_here)
        yield Page(write_there, read_here)
    finally:
        process.terminate()
        process.wait()
        os.close(write_there)
        os.close(read_here)
