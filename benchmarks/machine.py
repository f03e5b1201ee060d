"""Describe the machine that the figures were measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil


def describe(redis_version: str) -> dict[str, str]:
    """Return the machine and its software, in display order."""
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "CPU": f"{_cpu_model()}, {psutil.cpu_count()} logical cores",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, all systems",
        "Redis": f"{redis_version}, a private one on loopback TCP, nothing written to disk "
        '(`save ""`, `appendonly no`)',
        "Code": _commit(),
        "Load average before": load(),
    }


def load() -> str:
    """Return the load of the last 1, 5 and 15 minutes. A run alone brings it to about 1.5."""
    return "{:.2f}, {:.2f}, {:.2f}".format(*os.getloadavg())


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    outputs = [
        subprocess.run([git, *words], check=False, capture_output=True, text=True).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", "runner"])
    ]
    return f"commit {outputs[0] or 'unknown'}{', with changes to runner/' if outputs[1] else ''}"
