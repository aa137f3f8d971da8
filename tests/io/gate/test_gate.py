"""The gate: a file cannot take more time or memory than it may, crash the program, or reach out."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from landcover.core import limits
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, Cancelled, TooLarge
from landcover.core.raster import Provenance, Raster
from landcover.core.window import Cut
from landcover.io import sources
from landcover.io.gate import frames, parcel, pool
from landcover.io.scaling import SHIFTED
from landcover.io.stored import Stored


def write_stack(path: Path, side: int, value: int = 1000) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", count=12, height=side, width=side, dtype="uint16",
        crs="EPSG:32633", transform=from_origin(4e5, 5.3e6, 10, 10), compress="deflate", tiled=True,
    ) as file:  # fmt: skip
        for band in range(1, 13):
            file.write(np.full((side, side), value + 10 * band, dtype=np.uint16), band)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stack(tmp_path_factory.mktemp("small") / "small.tif", 120)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stack(tmp_path_factory.mktemp("large") / "large.tif", 600)


@contextmanager
def frozen_worker(then: int | None = None) -> Iterator[None]:
    """The only worker stops before it answers; after a while it goes on, with another signal."""
    pool.stop()
    sources.level_of(__file__)  # starts a worker
    (worker,) = pool.idle()
    os.kill(worker, signal.SIGSTOP)

    def go_on() -> None:
        for number in (then, signal.SIGCONT) if then else ():
            os.kill(worker, number)

    timer = threading.Timer(0.3, go_on)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def test_a_worker_that_does_not_answer_is_killed(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with frozen_worker(), limits.changed(read_seconds=3):
        monkeypatch.setattr(pool, "PATIENCE", 0.1)
        with pytest.raises(BadInput, match=r"'small.tif' could not be read in time"):
            sources.read(small)
    monkeypatch.undo()
    assert sources.read(small).height == 120


def test_a_crash_of_a_worker_costs_one_file(small: Path) -> None:
    with frozen_worker(then=signal.SIGABRT), pytest.raises(BadInput, match="is damaged, or needs"):
        sources.read(small)
    assert sources.read(small).height == 120


def test_a_user_can_stop_a_worker(small: Path) -> None:
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    begun = time.monotonic()
    with frozen_worker(), pytest.raises(Cancelled):
        sources.read(small, cancel=cancel)
    assert time.monotonic() - begun < 15


def test_processor_time_is_limited() -> None:
    code = "from landcover.io.gate import worker; worker.limit_time(1)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == -signal.SIGPROF


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that takes 40 s, if so many scans were not refused."""
    path = tmp_path_factory.mktemp("slow") / "slow.jpg"
    Image.new("RGB", (2000, 2000)).save(path, progressive=True)
    data = path.read_bytes()
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + data[last:-2] * 20_000 + data[-2:])
    return path


@contextmanager
def slow_files(seconds: int = 1) -> Iterator[None]:
    with limits.changed(read_seconds=seconds, jpeg_scans=10**6, picture_parts=10**6):
        yield


def killed(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.message.startswith("worker killed") for record in caplog.records)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """This computer counts as fast and is waited for, although other tests use it too."""
    pool.stop()
    monkeypatch.setattr(pool, "PATIENCE", 300)
    monkeypatch.setattr(pool, "USUAL_S", 60.0)
    monkeypatch.setattr(pool, "MOST_SLOWNESS", 2.0)


@pytest.mark.usefixtures("steady")
def test_a_slow_file_is_refused_after_its_time(
    slow: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with slow_files(), pytest.raises(BadInput) as error:
        sources.read(slow)
    assert str(error.value) == (
        "'slow.jpg' could not be read within 1 seconds: it is damaged, or this computer is very "
        "slow, so export it again, or try again later."
    )
    assert killed(caplog) == 1


@pytest.mark.parametrize(
    ("size", "seconds"), [(0, 4), (9_999_999, 4), (10_000_000, 5), (560_000_000, 60), (10**12, 60)]
)
def test_a_large_file_gets_more_time_up_to_a_limit(size: int, seconds: int) -> None:
    with limits.replaced(limits.Limits()):
        assert pool.seconds_for(size) == seconds
    with limits.changed(read_seconds_most=2):
        assert pool.seconds_for(size) == 2


@pytest.mark.usefixtures("steady")
def test_a_slow_computer_gets_more_time(
    slow: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "USUAL_S", 0.001)
    with slow_files(), pytest.raises(BadInput, match="within 2 seconds: it is damaged, or this"):
        sources.read(slow)
    assert killed(caplog) == 1
    pool.stop()


@pytest.mark.usefixtures("steady")
def test_a_computer_that_became_slow_gets_a_second_chance(
    slow: Path, small: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert sources.read(small).height == 120
    monkeypatch.setattr(pool, "USUAL_S", 0.001)
    with slow_files(), pytest.raises(BadInput, match="within 2 seconds"):
        sources.read(slow)
    assert killed(caplog) == 2
    pool.stop()


def used(process: int) -> int:
    """Processor time that a process has used, in ticks of the kernel's clock."""
    numbers = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(numbers[11]) + int(numbers[12])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the times of processes")
def test_a_computer_that_stood_still_gets_a_second_chance(slow: Path) -> None:
    code = (
        "import logging\n"
        "from landcover.core import limits\n"
        "from landcover.core.errors import BadInput\n"
        "from landcover.io import sources\n"
        "from landcover.io.gate import pool\n"
        "pool.PATIENCE, pool.USUAL_S = 300, 60.0\n"  # though other tests use this computer too
        "logging.basicConfig(format='%(message)s')\n"
        f"sources.level_of({str(slow)!r})\n"
        "with limits.changed(read_seconds=1, jpeg_scans=10**6, picture_parts=10**6):\n"
        "    print(*pool.idle(), flush=True)\n"
        "    try:\n"
        f"        sources.read({str(slow)!r})\n"
        "    except BadInput as error:\n"
        "        print(error)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        before, until = used(worker), time.monotonic() + 60
        while used(worker) < before + 5 and time.monotonic() < until:
            time.sleep(0.01)
        program.send_signal(signal.SIGSTOP)  # its worker goes on, and uses up its time
        time.sleep(1)
        program.send_signal(signal.SIGCONT)
        said, logged = program.communicate(timeout=300)
    assert "could not be read within" in said
    assert logged.count("worker killed") == 2, logged


def test_a_reader_that_does_not_start_is_not_the_files_fault(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.stop()
    monkeypatch.setattr(pool, "START_S", 0.01)
    with pytest.raises(BadInput, match="this computer is too busy to start another program"):
        sources.read(small)


def test_what_a_worker_loads_first_does_not_count(small: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (64, 64)).save(picture)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from landcover.io.gate.tasks import TASKS\n"
        "from landcover.io.gate.warm_up import warm_up\n"
        "assert 0 < warm_up() < 60\n"
        "before = set(sys.modules)\n"
        f"for source in {[str(small), str(picture)]!r}:\n"
        f"    TASKS['read']({{'source': source, 'cut': None}}, Path({str(tmp_path / 'out')!r}))\n"
        "print(set(sys.modules) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_memory_is_limited(large: Path) -> None:
    with (
        limits.changed(read_memory_bytes=20_000_000),
        pytest.raises(TooLarge, match="more memory than a file may take"),
    ):
        sources.read(large)
    with limits.changed(read_memory_bytes=20_000_000):
        assert sources.read(large, Cut(size=120)).height == 120
    assert sources.read(large).height == 600


def test_pixels_stay_in_a_file_and_are_counted_until_they_are_forgotten(large: Path) -> None:
    gc.collect()
    before = parcel.held_bytes()
    raster = sources.read(large)
    assert parcel.held_bytes() - before == 600 * 600 * (12 * 4 + 1)
    with (
        limits.changed(held_bytes=parcel.held_bytes() + 1_000_000),
        pytest.raises(BadInput, match="fill the space for pictures"),
    ):
        sources.read(large)
    del raster
    gc.collect()
    assert parcel.held_bytes() == before


def test_nothing_stays_in_the_temporary_folder(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sources.read(small)
    with sources.Upload([("a.tif", small.read_bytes())]) as upload:
        assert upload.read(address="a.tif").height == 120
        assert list(tmp_path.iterdir())
    with frozen_worker():
        monkeypatch.setattr(pool, "PATIENCE", 0.1)
        with pytest.raises(BadInput):
            sources.read(small)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
    assert not left


def test_an_upload_that_is_forgotten_is_removed(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload = sources.Upload([("../../a.tif", small.read_bytes())])
    assert any(path.is_file() for path in tmp_path.rglob("0"))
    del upload
    gc.collect()
    assert not any(path.is_file() for path in tmp_path.rglob("0"))


def test_a_reader_that_fails_in_an_unknown_way_is_logged_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(BadInput, match=r"'x.tif' cannot be read: it is damaged"):
        pool.call("read", {}, lambda *_: None, name="x.tif", size=0)
    assert "KeyError" in caplog.text
    caplog.clear()


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_full_temporary_folder_is_not_the_files_fault(small: Path) -> None:
    import resource  # noqa: PLC0415 - not on Windows

    pool.stop()
    sources.level_of(__file__)  # starts a worker
    (worker,) = pool.idle()
    hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (4096, hard))
    with pytest.raises(BadInput, match=r"^The folder for temporary files cannot be used .* TMPDIR"):
        sources.read(small)
    pool.stop()


def test_a_module_in_the_users_folder_is_not_imported(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    pool.stop()
    assert sources.read(small).height == 120


def test_a_worker_cannot_connect_or_start_programs() -> None:
    code = (
        "import socket, subprocess, sys\n"
        "from landcover.io.gate import worker\n"
        "sys.addaudithook(worker.forbid_escapes)\n"
        "for attempt in (lambda: socket.create_connection(('127.0.0.1', 1)),\n"
        "                lambda: subprocess.run(['true']), lambda: __import__('os').fork()):\n"
        "    try:\n"
        "        attempt()\n"
        "    except PermissionError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.rsplit(" ", 1)[-1] for line in done.stdout.splitlines()] == [
        "socket.getaddrinfo.",
        "subprocess.Popen.",
        "os.fork.",
    ]


def test_a_worker_ends_with_its_program(small: Path) -> None:
    code = (
        "import os\n"
        "from landcover.io import sources\n"
        "from landcover.io.gate import pool\n"
        f"sources.read({str(small)!r})\n"
        "print(pool.idle()[0], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    worker = int(done.stdout)
    until = time.monotonic() + 20
    while time.monotonic() < until and Path(f"/proc/{worker}").exists():
        if Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{worker}").exists()


def test_a_raster_arrives_unchanged(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    raster = Raster(
        data=random.random((12, 31, 17), dtype=np.float32),
        valid=random.random((31, 17)) > 0.1,
        bands=BAND_NAMES,
        crs="EPSG:32633",
        transform=(10.0, 0.0, 4e5, 0.0, -10.0, 5.3e6),
        acquired=datetime(2020, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
        scl=random.integers(0, 12, (31, 17), dtype=np.uint8),
        measured=random.random((31, 17)) > 0.2,
        provenance=Provenance(source="ä\n.tif", notes=("a", "b"), missing_bands=("B01",)),
    )
    file = tmp_path / "arrays"
    facts = json.loads(json.dumps(parcel.pack(raster, file)))
    back = parcel.unpack(facts, file)
    for name in ("data", "valid", "scl", "measured"):
        np.testing.assert_array_equal(getattr(back, name), getattr(raster, name))
    for name in ("bands", "crs", "transform", "pixel_m", "acquired", "provenance"):
        assert getattr(back, name) == getattr(raster, name)


@pytest.mark.parametrize("kind", ["uint16", "int16", "float32"])
@pytest.mark.parametrize("side", [31, 2000])
def test_numbers_as_stored_arrive_as_their_reflectance(
    tmp_path: Path, kind: str, side: int
) -> None:
    random = np.random.default_rng(6)
    stored = Stored(
        numbers=random.integers(0, 20_000, (12, side, 97)).astype(kind),
        valid=random.random((side, 97)) > 0.1,
        scaling=SHIFTED,
        bands=BAND_NAMES,
        provenance=Provenance(source="a.tif", notes=("a",)),
        crs="EPSG:32633",
        transform=(10.0, 0.0, 4e5, 0.0, -10.0, 5.3e6),
        pixel_m=10.0,
        acquired=datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC),
        scl=random.integers(0, 12, (side, 97), dtype=np.uint8),
    )
    file, before = tmp_path / "arrays", parcel.held_bytes()
    facts = json.loads(json.dumps(parcel.pack(stored, file)))
    assert file.stat().st_size == stored.numbers.nbytes + 2 * side * 97
    back, expected = parcel.unpack(facts, file), stored.raster()
    for name in ("data", "valid", "scl"):
        np.testing.assert_array_equal(getattr(back, name), getattr(expected, name))
    for name in ("bands", "crs", "transform", "pixel_m", "acquired", "provenance"):
        assert getattr(back, name) == getattr(expected, name)
    large = back.data.nbytes >= parcel.MAPPED_FROM
    assert large == (side == 2000)
    assert (parcel.held_bytes() - before >= back.data.nbytes) == large
    del back
    gc.collect()
    assert parcel.held_bytes() == before


@pytest.mark.parametrize(
    "change",
    [{"shape": [12, 31, 18]}, {"shape": [1]}, {"layers": []}, {"type": "<u2"}, {"type": "O"}],
)
def test_an_answer_that_does_not_fit_its_file_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    file = tmp_path / "arrays"
    raster = Raster(
        data=np.ones((12, 31, 17), dtype=np.float32),
        valid=np.ones((31, 17), dtype=np.bool_),
        bands=BAND_NAMES,
        provenance=Provenance(source="x"),
    )
    facts = parcel.pack(raster, file)
    with pytest.raises((ValueError, TypeError, KeyError)):
        parcel.unpack({**facts, **change}, file)


@pytest.mark.parametrize(
    "sent",
    [b"", b"\x01", b"\xff" * 8, b"\x03\0\0\0{}", b"\x02\0\0\0[]", b"\x02\0\0\0{]"],
)
def test_a_broken_message_is_no_message(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, theirs.makefile("rb") as pipe:
        ours.sendall(sent)
        ours.shutdown(socket.SHUT_WR)
        assert frames.receive(pipe) is None


def test_messages_arrive_one_after_the_other() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("wb") as out, theirs.makefile("rb") as pipe:
        for message in ({}, {"ä": ["\ud800", 1.5, None]}):
            frames.send(out, message)
            assert frames.receive(pipe) == message
