"""What is done to the service: signals, full disks, damaged files, a network that misbehaves."""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes for the length of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def can_mount() -> bool:
    return os.geteuid() == 0


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Put a disk of its own under `folder`; root only."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def grow_disk(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


def fill_disk(folder: Path, *, leave_bytes: int = 0) -> Path:
    """Write a file until the disk is full, then give back `leave_bytes`."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
    os.truncate(ballast, max(0, ballast.stat().st_size - leave_bytes))
    return ballast


def cut_tail(file: Path, count: int) -> None:
    os.truncate(file, max(0, file.stat().st_size - count))


def flip_byte(file: Path, offset: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte[0] ^ 0xFF]))


@dataclass(slots=True)
class Weather:
    """What the proxy does to connections now.

    Attributes:
        delay_seconds: Wait before each piece is passed on.
        drop_replies: Take the server's bytes and give them to nobody.
        cut_after: End connections after so many bytes from the client; None for never.
        half_close: Pass the client's end of writing on, and the server's replies no longer.
        refuse: Accept nobody.
    """

    delay_seconds: float = 0.0
    drop_replies: bool = False
    cut_after: int | None = None
    half_close: bool = False
    refuse: bool = False


class FaultProxy:
    """Stands between the service and a server; a thread of its own, on a loopback port."""

    def __init__(self, target: str) -> None:
        self.weather = Weather()
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """End all connections at once."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._abort()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.refuse:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there[1]}
        try:
            await asyncio.gather(
                self._pass_on(reader, there[1], from_client=True),
                self._pass_on(there[0], writer, from_client=False),
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for one in (writer, there[1]):
                self._open.discard(one)
                one.transport.abort()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, from_client: bool
    ) -> None:
        passed = 0
        while data := await source.read(65_536):
            weather = self.weather
            if weather.delay_seconds:
                await asyncio.sleep(weather.delay_seconds)
            if not from_client and (weather.drop_replies or weather.half_close):
                continue
            if from_client and weather.cut_after is not None:
                data = data[: max(0, weather.cut_after - passed)]
            passed += len(data)
            sink.write(data)
            await sink.drain()
            if from_client and weather.cut_after is not None and passed >= weather.cut_after:
                raise ConnectionResetError
        if sink.can_write_eof():
            sink.write_eof()


def hold(seconds: float) -> None:
    """Let a fault last."""
    time.sleep(seconds)
