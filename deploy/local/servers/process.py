"""One server process: started, waited for, found again by its pid file, ended by its pid."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

_POLL_SECONDS = 0.02
_KILL_SECONDS = 10.0
_LOG_LINES = 20

# The kernel sends a child its "parent died" signal when the *thread* that started it ends. One
# thread that lives as long as the interpreter starts them all, so callers may use short threads.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-spawner")


class ServerFailed(RuntimeError):
    """A private server could not be started, stopped or used; the message says what to do."""


class Process:
    """A server process of ours, whether this interpreter or an earlier one started it.

    ``mark`` is a text that the process' command line always contains: a pid file is only believed
    when the process it names carries it.
    """

    def __init__(self, name: str, *, home: Path, mark: str) -> None:
        self.log_path = home / f"{name}.log"
        self._name = name
        self._pid_file = home / f"{name}.pid"
        self._mark = mark
        self._child: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._find() is not None

    @property
    def pid(self) -> int | None:
        """The process id; None when it has ended."""
        found = self._find()
        return None if found is None else found.pid

    def start(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        owner_pipe: bool = False,
    ) -> None:
        """Start the command with its output appended to the log.

        With ``owner_pipe`` its standard input is a pipe that reaches its end when this interpreter
        ends, however it ends; otherwise its standard input is empty.
        """
        self._reap()
        with self.log_path.open("ab") as log:
            self._child = _spawner.submit(
                subprocess.Popen,
                command,
                stdin=subprocess.PIPE if owner_pipe else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if env is None else dict(env),
                start_new_session=True,
            ).result()
        self._pid_file.write_text(f"{self._child.pid}\n")

    def wait_ready(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until ``ready`` holds; raise ServerFailed, with the process ended, if it does not."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                self._reap()
                raise self.failure("ended while starting")
            if time.monotonic() > deadline:
                self.kill()
                raise self.failure(f"was not ready after {seconds:.0f} seconds")
            time.sleep(_POLL_SECONDS)

    def stop(self, stop_signal: signal.Signals, *, seconds: float) -> None:
        """Ask the process to end, and kill it and its children when it has not after ``seconds``."""
        process = self._find()
        if process is None:
            self._reap()
            return
        family = _family(process)
        _send(process, stop_signal)
        if self._wait_gone(family, seconds):
            self._reap()
        else:
            self.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone; nothing happens when it has ended."""
        process = self._find()
        if process is not None:
            _send(process, number)

    def kill(self) -> None:
        """Kill the process and its children at once (SIGKILL); return when none is left."""
        process = self._find()
        family = [] if process is None else _family(process)
        for member in family:
            _send(member, signal.SIGKILL)
        if not self._wait_gone(family, _KILL_SECONDS):
            raise self.failure("could not be killed")
        self._reap()

    def failure(self, what: str) -> ServerFailed:
        """Return an error that says what happened, with the last lines of the log."""
        lines = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        tail = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
        return ServerFailed(f"{self._name} {what}. The end of {self.log_path}:\n{tail}")

    def _find(self) -> psutil.Process | None:
        try:
            if self._child is not None:
                return None if self._child.poll() is not None else psutil.Process(self._child.pid)
            process = psutil.Process(int(self._pid_file.read_text()))
            ours = self._mark in " ".join(process.cmdline())
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        return process if ours else None

    def _wait_gone(self, family: Sequence[psutil.Process], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not all(self._is_gone(member) for member in family):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _is_gone(self, process: psutil.Process) -> bool:
        if self._child is not None and process.pid == self._child.pid:
            return self._child.poll() is not None
        try:
            return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def _reap(self) -> None:
        if self._child is not None:
            self.exit_code = self._child.wait(_KILL_SECONDS)
            if self._child.stdin is not None:
                self._child.stdin.close()
            self._child = None
        self._pid_file.unlink(missing_ok=True)


def _family(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    """Signal the process, through sudo when it runs under another user."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        command = ["sudo", "-n", "kill", f"-{number.name.removeprefix('SIG')}", str(process.pid)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def ended_with_owner(command: Sequence[str], number: signal.Signals) -> list[str]:
    """Return the command such that it gets the signal when this interpreter ends, however it ends."""
    return ["setpriv", "--pdeathsig", number.name.removeprefix("SIG"), *command]


def is_root() -> bool:
    """Return whether this interpreter runs as root."""
    return os.geteuid() == 0
