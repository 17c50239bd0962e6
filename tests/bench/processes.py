"""What the kernel tells of a server process: its number, its memory, its time on the processors."""

from pathlib import Path

import psutil

from deploy.local.servers.server import Server


def pid(server: Server) -> int:
    """The process of a server that runs."""
    return int(server.log_path.with_suffix(".pid").read_text())


def memory(number: int) -> dict[str, float]:
    """What a process has in memory, in MiB: `VmRSS` just now, `VmHWM` at most so far."""
    lines = (line.split() for line in Path(f"/proc/{number}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if words[0] in {"VmRSS:", "VmHWM:"}}


def cpu_seconds(number: int) -> float:
    """Processor seconds of a process and all that it has started, ended or not."""
    process = psutil.Process(number)
    return sum(_cpu_seconds(member) for member in [process, *process.children(recursive=True)])


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
