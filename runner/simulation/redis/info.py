"""What INFO tells of a server in memory: what the runner, redis-py and arq read of it."""

from __future__ import annotations

from typing import Final

_DEFAULTS: Final = frozenset({"default", "all", "everything"})
_MEMORY: Final = 1_000_000
"""Bytes in use, always: memory is not simulated."""


def info_text(
    wanted: list[str],
    *,
    version: str,
    uptime_s: int,
    config: dict[bytes, bytes],
    blocked: int,
    keys: int,
    expires: int,
) -> bytes:
    """Return the sections that are wanted, or all."""
    sections: dict[str, dict[str, object]] = {
        "Server": {
            "redis_version": version,
            "redis_mode": "standalone",
            "process_id": 1,
            "run_id": "0" * 40,
            "tcp_port": 6379,
            "uptime_in_seconds": uptime_s,
            "uptime_in_days": uptime_s // 86_400,
        },
        "Clients": {"connected_clients": 1, "maxclients": 10_000, "blocked_clients": blocked},
        "Memory": {
            "used_memory": _MEMORY,
            "used_memory_human": "976.56K",
            "used_memory_peak": _MEMORY,
            "maxmemory": config[b"maxmemory"].decode(),
            "maxmemory_policy": config[b"maxmemory-policy"].decode(),
        },
        "Persistence": {"loading": 0, "aof_enabled": int(config[b"appendonly"] == b"yes")},
        "Stats": {"instantaneous_ops_per_sec": 0},
        "Replication": {"role": "master", "connected_slaves": 0},
        "Keyspace": {"db0": f"keys={keys},expires={expires},avg_ttl=0"} if keys else {},
    }
    chosen = [
        name for name in sections if not wanted or name.lower() in wanted or _DEFAULTS & {*wanted}
    ]
    texts = (
        f"# {name}\r\n" + "".join(f"{field}:{value}\r\n" for field, value in sections[name].items())
        for name in chosen
    )
    return "\r\n".join(texts).encode()
