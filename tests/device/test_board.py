from __future__ import annotations

import random
from pathlib import Path

from boards.fake import NAMES, unpack
from every import cases

from cfedge.device import Board, read_board
from cfedge.device.cpu import FLAGS
from cfedge.device.sensors import Heat, Speed


def _with(root: Path, **files: str) -> Board:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read_board("x86_64", "Linux", root=root)


def test_where_nothing_can_be_read_nothing_is_claimed(tmp_path: Path) -> None:
    nothing = Board(
        "aarch64", "Linux", None, None, None, None, None, None, None, None, None, Heat(None, None, None, None), Speed(None, None, None, None), cpu_lists=False
    )  # fmt: skip
    assert read_board("aarch64", "Linux", root=tmp_path) == nothing
    assert read_board("aarch64", "Linux", root=tmp_path / "missing") == nothing


@cases("name", NAMES)
def test_damaged_files_never_raise_and_never_make_a_figure_absurd(
    name: str, tmp_path: Path
) -> None:
    rng = random.Random(name)
    root = unpack(name, tmp_path)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    for _ in range(20):
        victim = rng.choice(paths)
        whole = victim.read_bytes()
        kind = rng.randrange(4)
        spot = rng.randrange(len(whole) + 1)
        damaged = [
            whole[:spot],
            b"",
            bytes(rng.randrange(256) for _ in range(64)),
            whole[:spot] + b"9" * 40 + whole[spot:],
        ][kind]
        victim.write_bytes(damaged)
        board = read_board("aarch64", "Linux", root=root)
        assert board.heat.celsius is None or 1 <= board.heat.celsius <= 150
        assert board.cores is None or board.cores >= 1
        assert board.flags is None or set(board.flags) <= set(FLAGS)
        assert board.memory_limit_bytes is None or board.memory_limit_bytes < 2**60
        victim.write_bytes(whole)


def test_a_file_that_cannot_be_opened_is_a_file_that_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "proc" / "cpuinfo").mkdir(parents=True)  # a folder in its place
    (tmp_path / "proc" / "meminfo").symlink_to("meminfo")  # a loop
    board = read_board("aarch64", "Linux", root=tmp_path)
    assert (board.flags, board.memory_bytes) == (None, None)


def test_a_number_longer_than_python_parses_is_none(tmp_path: Path) -> None:
    long = "9" * 5000
    files = {
        "proc__meminfo": f"MemTotal: {long} kB\nMemAvailable: {long} kB\n", "proc__loadavg": f"{long} 1 1", "proc__self__cgroup": "0::/",
        "sys__fs__cgroup__memory.max": long, "sys__fs__cgroup__cpu.max": f"{long} {long}", "sys__class__thermal__thermal_zone0__temp": long,
        "sys__devices__system__cpu__present": f"0-{long}", "sys__devices__system__cpu__cpu0__cpufreq__scaling_cur_freq": long,
    }  # fmt: skip
    board = _with(tmp_path, **files)
    assert (
        board.memory_bytes,
        board.available_bytes,
        board.load,
        board.memory_limit_bytes,
        board.cpu_limit,
    ) == (None,) * 5
    assert (board.heat.celsius, board.cores, board.speed.now_mhz) == (None, None, None)


def test_a_flag_counts_only_where_every_core_has_it(tmp_path: Path) -> None:
    cpuinfo = (
        "processor : 0\nFeatures : fp asimd asimddp i8mm\n\nprocessor : 1\nFeatures : fp asimd"
        " asimddp\n"
    )
    assert _with(tmp_path, proc__cpuinfo=cpuinfo).flags == ("asimd", "asimddp")


def test_words_that_contain_a_flag_are_not_it(tmp_path: Path) -> None:
    assert _with(tmp_path, proc__cpuinfo="flags : avx512_vnni_x xavx2 svei8mm\n").flags == ()


def test_cores_that_are_switched_off_are_counted(tmp_path: Path) -> None:
    one = "processor : 0\n"
    assert _with(tmp_path, proc__cpuinfo=one).cores == 1
    for listed, count in (("0-5", 6), ("0", 1), ("0-3,6-7", 6), ("0-", 1), ("", 1), ("5-0", 1)):
        assert (
            _with(
                tmp_path, proc__cpuinfo=one, sys__devices__system__cpu__present=f"{listed}\n"
            ).cores
            == count
        )


@cases(
    ("millidegrees", "celsius"),
    [("51125", 51.125), ("0", None), ("-40000", None), ("999999", None), ("hot", None), ("", None)],
)
def test_a_broken_sensor_is_no_sensor(
    millidegrees: str, celsius: float | None, tmp_path: Path
) -> None:
    files = {
        "sys__class__thermal__thermal_zone0__temp": millidegrees,
        "sys__class__thermal__thermal_zone0__type": "cpu-thermal",
    }
    assert _with(tmp_path, **files).heat.celsius == celsius


def test_the_hottest_zone_of_the_processor_counts_and_a_power_chips_constant_does_not(
    tmp_path: Path,
) -> None:
    for number, (kind, value) in enumerate(
        [("cpu-thermal", 51), ("soc-thermal", 53), ("PMIC-Die", 100), ("wifi", 70)]
    ):
        place = f"sys__class__thermal__thermal_zone{number}__"
        board = _with(tmp_path, **{f"{place}type": kind, f"{place}temp": f"{value}000"})
    assert board.heat.celsius == 53


@cases(
    ("bits", "now", "before"),
    [
        ("0", (), ()), ("50005", ("under-voltage", "throttled"), ("under-voltage", "throttled")), ("0x80008", ("soft temperature limit",),) * 1 + (("soft temperature limit",),),
        ("20000", (), ("frequency capped",)), ("zz", None, None), ("", None, None), ("fffffffff", None, None),
    ],
)  # fmt: skip
def test_the_firmwares_bits_become_words(
    bits: str, now: tuple[str, ...] | None, before: tuple[str, ...] | None, tmp_path: Path
) -> None:
    folder = tmp_path / "sys/devices/platform/soc/soc:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text(bits + "\n")
    heat = read_board("aarch64", "Linux", root=tmp_path).heat
    assert (heat.now, heat.before) == (now, before)


@cases(
    ("files", "limit", "cores"),
    [
        ({"proc__self__cgroup": "0::/a/b", "sys__fs__cgroup__a__memory.max": "1000", "sys__fs__cgroup__a__b__memory.max": "2000"}, 1000, None),
        ({"proc__self__cgroup": "0::/a", "sys__fs__cgroup__a__memory.max": "max", "sys__fs__cgroup__a__cpu.max": "max 100000"}, None, None),
        ({"proc__self__cgroup": "0::/", "sys__fs__cgroup__memory.max": "77", "sys__fs__cgroup__cpu.max": "150000 100000"}, 77, 1.5),
        ({"proc__self__cgroup": "0::/../../x", "sys__fs__cgroup__memory.max": "77", "sys__x__memory.max": "5", "sys__fs__cgroup__y": ""}, 77, None),
        ({"proc__self__cgroup": "4:memory:/d\n3:cpu,cpuacct:/d", "sys__fs__cgroup__memory__d__memory.limit_in_bytes": "9223372036854771712"}, None, None),
        (
            {
                "proc__self__cgroup": "3:cpu,cpuacct:/d", "sys__fs__cgroup__cpu,cpuacct__d__cpu.cfs_quota_us": "50000",
                "sys__fs__cgroup__cpu,cpuacct__d__cpu.cfs_period_us": "100000",
            },
            None, 0.5,
        ),
        ({"proc__self__cgroup": "nonsense\n::\n", "sys__fs__cgroup__memory.max": "5"}, 5, None),
        ({"proc__self__cgroup": "0::/", "sys__fs__cgroup__cpu.max": "100000 0"}, None, None),
    ],
)  # fmt: skip
def test_the_tightest_control_group_counts(
    files: dict[str, str], limit: int | None, cores: float | None, tmp_path: Path
) -> None:
    board = _with(tmp_path, **files)
    assert (board.memory_limit_bytes, board.cpu_limit) == (limit, cores)


def test_the_fastest_cores_clock_counts(tmp_path: Path) -> None:
    for core, (now, allowed, hardware) in {0: (600, 1800, 1800), 4: (408, 2304, 2400)}.items():
        folder = f"sys__devices__system__cpu__cpu{core}__cpufreq__"
        names = {"scaling_cur_freq": now, "scaling_max_freq": allowed, "cpuinfo_max_freq": hardware}
        board = _with(
            tmp_path,
            **{folder + name: f"{mhz}000" for name, mhz in names.items()},
            **{f"{folder}scaling_governor": "ondemand\n"},
        )
    assert board.speed == Speed(408, 2304, 2400, "ondemand")


def test_arms_own_core_names_are_used_and_unknown_ones_are_not_guessed(tmp_path: Path) -> None:
    known = (
        "processor : 0\nmodel name : ARMv8 Processor rev 1 (v8l)\nCPU implementer : 0x41\nCPU part"
        " : 0xd0b\n"
    )
    assert _with(tmp_path, proc__cpuinfo=known).cpu == "Cortex-A76"
    assert (
        _with(tmp_path, proc__cpuinfo=known.replace("0x41", "0x51")).cpu
        == "ARMv8 Processor rev 1 (v8l)"
    )
    assert (
        _with(
            tmp_path, proc__cpuinfo="processor : 0\nCPU implementer : 0x41\nCPU part : 0xfff\n"
        ).cpu
        is None
    )
