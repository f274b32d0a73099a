"""Processor time and memory from /proc (proc(5)): of a process tree and of one core."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CLAIMED = 1024 * 1024 * 1024


def claim_memory() -> None:
    """Have a gigabyte of the machine's memory really there, for whoever needs some next.

    A host gives a virtual machine a page when it is first written (10 to 27 µs), and may take it back when it
    lies unused. Whether a proxy meets such pages as it grows is chance, and more than what is compared.
    """
    mmap.mmap(-1, _CLAIMED, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


@dataclass(frozen=True, slots=True)
class Core:
    """Time one core has spent since the machine started."""

    busy: float
    """Everything but idle and waiting for disks; time that the hypervisor gave to other machines is in it."""
    interrupts: float
    """The part of :attr:`busy` spent in hard and soft interrupts."""

    def __sub__(self, earlier: Core) -> Core:
        return Core(self.busy - earlier.busy, self.interrupts - earlier.interrupts)

    def beside(self, ours: float) -> float:
        """Seconds that went to others when ``ours`` is what our processes were charged for.

        Interrupts count as ours: ours cause nearly all of them, and whether a process is charged for them
        depends on how the kernel was built.
        """
        return max(0.0, self.busy - self.interrupts - ours)


def core(number: int) -> Core:
    """The counters of one core now."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{number}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (
                int(field) * _TICK for field in fields[:8]
            )
            return Core(user + nice + system + irq + softirq + steal, irq + softirq)
    raise LookupError(f"/proc/stat knows no core {number}")


def tree(root: int) -> float:
    """User and system time of a live process and all its live descendants, seconds."""
    return sum(each.seconds for each in _family(root))


def resident(root: int) -> int:
    """Resident memory of a live process and all its live descendants, bytes; shared pages count each time."""
    return sum(each.pages for each in _family(root)) * _PAGE


class _Process(NamedTuple):
    parent: int
    seconds: float
    pages: int


def _family(root: int) -> list[_Process]:
    processes: dict[int, _Process] = {}
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (process := _stat(entry)):
            processes[int(entry.name)] = process
            children.setdefault(process.parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in processes:
            found.append(processes[pid])
        waiting += children.get(pid, [])
    return found


def _stat(entry: Path) -> _Process | None:
    """One process, or None when it has just gone."""
    try:
        text = (entry / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the command name before it may hold blanks
    return _Process(int(fields[1]), (int(fields[11]) + int(fields[12])) * _TICK, int(fields[21]))
