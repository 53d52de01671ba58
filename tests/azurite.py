"""
Azurite, the storage emulator, for tests that need Tables, blobs and queues as the service has them.

It is installed once, into `.tools/azurite`, and runs in memory on free ports. To have one at hand:

    python -m tests.azurite      # prints its connection string, and runs until Ctrl-C
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

VERSION = "3.35.0"  # the newest that still declares Node 20
FOLDER = Path(__file__).resolve().parent.parent / ".tools" / "azurite"

_ACCOUNT = "devstoreaccount1"  # account and key are Azurite's own, printed in its manual
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_SECONDS_TO_INSTALL = 300
_SECONDS_TO_START = 60


class AzuriteMissing(Exception):
    """There is no Azurite here, and the text says why."""


@contextmanager
def azurite() -> Generator[str]:
    """Run Azurite; gives its connection string. Raises AzuriteMissing."""
    command = [_node("node"), str(installed())]
    ports = _free_ports()
    options = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence")
    places = [part for service, port in ports.items() for part in (f"--{service}Port", str(port))]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 - our own words only
                [*command, *options, *places], cwd=folder, stdout=file, stderr=subprocess.STDOUT
            )
        try:
            _wait_until_ready(process, ports, log)
            yield _connection_string(ports)
        finally:
            _end(process)


def installed() -> Path:
    """The script to run, installed if it is not there yet."""
    script = FOLDER / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    if not script.exists():
        _install()
    return script


def _install() -> None:
    """Beside its place first: another test run may be installing too, or this one may be interrupted."""
    FOLDER.parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="azurite-", dir=FOLDER.parent))
    try:
        _run([_node("npm"), "install", "--no-audit", "--no-fund", "--silent", f"azurite@{VERSION}"], folder)
        with contextlib.suppress(OSError):  # somebody else was faster
            folder.rename(FOLDER)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(  # noqa: S603 - our own words only
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS_TO_INSTALL
        )
    except subprocess.CalledProcessError as problem:
        raise AzuriteMissing(f"npm could not install azurite {VERSION}: {problem.stderr[-500:]}") from problem
    except subprocess.TimeoutExpired as problem:
        raise AzuriteMissing(f"npm did not install azurite {VERSION} in {_SECONDS_TO_INSTALL} s") from problem


def _node(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise AzuriteMissing(f"{name} is not on the PATH")
    return found


def must_run() -> bool:
    """With CI set, and Node at hand, what needs Azurite is not skipped."""
    return bool(os.environ.get("CI")) and shutil.which("node") is not None


def _free_ports() -> dict[str, int]:
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in ("blob", "queue", "table")}
        for one in sockets.values():
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in sockets.items()}


def _wait_until_ready(process: "subprocess.Popen[bytes]", ports: dict[str, int], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    waiting = set(ports.values())
    while waiting:
        if process.poll() is not None:
            raise AzuriteMissing(f"Azurite ended at once: {log.read_text(errors='replace')[-500:]}")
        if time.monotonic() > deadline:
            raise AzuriteMissing(f"Azurite did not listen within {_SECONDS_TO_START} s")
        waiting = {port for port in waiting if not _listens(port)}
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _connection_string(ports: dict[str, int]) -> str:
    endpoints = (f"{name.capitalize()}Endpoint=http://127.0.0.1:{port}/{_ACCOUNT}" for name, port in ports.items())
    return ";".join(("DefaultEndpointsProtocol=http", f"AccountName={_ACCOUNT}", f"AccountKey={_KEY}", *endpoints))


def _serve() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with azurite() as connection_string:
        print(connection_string, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    _serve()
