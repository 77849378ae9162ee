"""Limits that control groups set on this process, v1 or v2: memory in bytes, CPU time in cores."""

from __future__ import annotations

from pathlib import Path

from cfedge.device.kernel import read, whole

__all__ = ["cgroup_limits"]

#: cgroup v1 writes about 2**63 for "no limit".
_NO_LIMIT_BYTES = 1 << 60


def cgroup_limits(root: Path) -> tuple[int | None, float | None]:
    """Return the tightest limits of memory (bytes) and CPU time (cores) of this process's control
    groups, v1 or v2.
    """
    memory, quota = [], []
    for line in (read(root / "proc/self/cgroup") or "").splitlines():
        controllers, _, group = line.partition(":")[2].partition(":")
        if ".." in group:  # a group outside of what this namespace shows
            group = "/"
        if not controllers:
            folders, files = ["sys/fs/cgroup"], ("memory.max", "cpu.max")
        elif "memory" in controllers.split(","):
            folders, files = ["sys/fs/cgroup/memory"], ("memory.limit_in_bytes", "")
        elif "cpu" in controllers.split(","):
            folders, files = (
                [f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"],
                ("", "cpu.cfs_quota_us"),
            )
        else:
            continue
        parts = [part for part in group.split("/") if part]
        for folder in folders:
            for depth in range(len(parts) + 1):
                place = "/".join([folder, *parts[:depth]])
                if files[0]:
                    memory.append(whole(read(root / f"{place}/{files[0]}")))
                if files[1]:
                    quota.append(_quota(root, place, files[1]))
    bounds = [value for value in memory if value is not None and value < _NO_LIMIT_BYTES]
    return min(bounds, default=None), min(
        (value for value in quota if value is not None), default=None
    )


def _quota(root: Path, place: str, file: str) -> float | None:
    words = (read(root / f"{place}/{file}") or "").split()
    if file == "cpu.cfs_quota_us":
        words = [*words[:1], *(read(root / f"{place}/cpu.cfs_period_us") or "").split()[:1]]
    granted, period = (whole(words[0]), whole(words[1])) if len(words) == 2 else (None, None)
    return granted / period if granted and period else None
