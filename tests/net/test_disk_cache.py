"""The cache on disk: complete entries or none, within its limit, without errors of the disk."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from landcover.core import disk_errors
from landcover.net.disk_cache import OVERHEAD, DiskCache
from tests.support.examples import examples

MB = 10**6
ROOT = Path(__file__).parents[2]


def value_of(key: str, size: int) -> bytes:
    """The value that belongs to a key, so that every process can check what it gets."""
    return random.Random(key.encode("utf-8", "surrogatepass")).randbytes(size)


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def entries(cache: DiskCache) -> list[Path]:
    return sorted(path for path in cache.folder.glob("??/*") if len(path.name) == 64)


def size_of(path: Path) -> int:
    """Size in bytes, 0 if another process has removed the file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def aside(cache: DiskCache) -> list[Path]:
    return sorted((cache.folder / "aside").glob("*"))


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", MB)


# --- stored values are returned ------------------------------------------------------------


def test_a_stored_value_is_returned_by_another_object_too(cache: DiskCache) -> None:
    assert cache.get("a") is None
    assert cache.put("a", b"first")
    assert cache.put("a", b"second")
    assert cache.put("empty", b"")
    assert cache.get("a") == b"second"
    again = DiskCache(cache.folder, cache.limit_bytes)
    assert again.get("a") == b"second"
    assert again.get("empty") == b""


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_are_stored(cache: DiskCache, kind: Callable[[bytes], Any]) -> None:
    cache.put("a", kind(b"pixels"))
    kept = cache.get("a")
    assert kept == b"pixels"
    assert type(kept) is bytes


@given(key=st.text(st.characters()), other=st.text(st.characters()))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_key(key: str, other: str, cache: DiskCache) -> None:
    cache.put(key, value_of(key, 20))
    cache.put(other, value_of(other, 20))
    assert cache.get(key) == value_of(key, 20)
    assert cache.get(other) == value_of(other, 20)


@pytest.mark.parametrize("key", ["../../up", "/etc/passwd", "a\0b", "\ud800", "x" * 10**5, "CON"])
def test_file_names_do_not_contain_the_key(key: str, cache: DiskCache) -> None:
    before = set(cache.folder.parent.iterdir())
    assert cache.put(key, b"v")
    assert cache.get(key) == b"v"
    assert set(cache.folder.parent.iterdir()) - before == {cache.folder}
    (entry,) = entries(cache)
    assert set(entry.name) <= set("0123456789abcdef")


def test_clear_removes_all_entries_and_no_other_file(cache: DiskCache) -> None:
    for n in range(20):
        cache.put(str(n), b"v" * 100)
    foreign = [cache.folder / "notes.txt", entries(cache)[0].parent / "notes.txt"]
    for path in foreign:
        path.write_text("mine")
    assert cache.size() == 20 * (100 + OVERHEAD)
    cache.clear()
    assert cache.size() == 0
    assert entries(cache) == []
    assert all(cache.get(str(n)) is None for n in range(20))
    assert all(path.read_text() == "mine" for path in foreign)
    assert cache.put("1", b"again")
    assert cache.get("1") == b"again"


def test_an_unused_cache_is_empty(tmp_path: Path) -> None:
    unused = DiskCache(tmp_path / "none", MB)
    unused.clear()
    assert unused.size() == 0
    assert unused.get("a") is None
    assert not unused.folder.exists(), "reading creates no folder"


# --- age ----------------------------------------------------------------------------------


def test_the_caller_chooses_the_age(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("search", b"answer")
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 600 * 10**9)
    assert cache.get("search", max_age=599) is None
    assert cache.get("search", max_age=601) == b"answer", "reading does not reset the age"
    assert cache.get("search", max_age=599) is None
    assert cache.get("search") == b"answer", "an entry that is too old is kept"
    cache.put("search", b"new")
    assert cache.get("search", max_age=1) == b"new"


@pytest.mark.parametrize("max_age", [0.0, 10.0, 1e9, float("inf")])
def test_a_value_from_the_future_has_an_unknown_age(
    cache: DiskCache, monkeypatch: pytest.MonkeyPatch, max_age: float
) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**9)
    cache.put("a", b"v")
    monkeypatch.setattr(time, "time_ns", lambda: now)
    assert cache.get("a", max_age=max_age) is None
    assert cache.get("a") == b"v"


@pytest.mark.parametrize("max_age", [-1.0, float("nan")])
def test_an_invalid_age_is_a_miss(cache: DiskCache, max_age: float) -> None:
    cache.put("a", b"v")
    assert cache.get("a", max_age=max_age) is None


# --- damaged entries are never returned ----------------------------------------------------


def damage_and_get(cache: DiskCache, entry: Path, damaged: bytes) -> bytes | None:
    entry.write_bytes(damaged)
    kept = cache.get("a")
    if kept is None:
        assert not entry.exists(), "an entry that is not returned is removed"
    return kept


def test_truncated_entries_are_detected(cache: DiskCache) -> None:
    cache.put("a", b"some pixels")
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    for length in range(len(whole)):
        assert damage_and_get(cache, entry, whole[:length]) is None
    assert damage_and_get(cache, entry, whole + b"\0") is None


def test_flipped_bits_are_detected(cache: DiskCache) -> None:
    cache.put("a", b"some pixels")
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        assert damage_and_get(cache, entry, bytes(damaged)) is None, f"bit {bit}"
    entry.write_bytes(whole)
    assert cache.get("a") == b"some pixels"


@given(foreign=st.binary(max_size=300))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_foreign_file_is_never_returned(foreign: bytes, cache: DiskCache) -> None:
    cache.put("a", b"v")
    assert damage_and_get(cache, entries(cache)[0], foreign) is None


def test_an_entry_under_the_name_of_another_key_is_never_returned(cache: DiskCache) -> None:
    cache.put("a", b"of a")
    (of_a,) = entries(cache)
    cache.put("b", b"of b")
    (of_b,) = set(entries(cache)) - {of_a}
    of_b.write_bytes(of_a.read_bytes())
    assert cache.get("b") is None
    assert not of_b.exists()
    assert cache.get("a") == b"of a"


def test_a_file_beyond_the_limit_is_not_read(cache: DiskCache) -> None:
    cache.put("a", b"v")
    (entry,) = entries(cache)
    with entry.open("r+b") as file:
        file.truncate(10**12)
    assert cache.get("a") is None
    assert not entry.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_pipes_links_and_folders_are_not_opened(cache: DiskCache, tmp_path: Path) -> None:
    cache.put("a", b"v")
    (entry,) = entries(cache)
    entry.unlink()
    os.mkfifo(entry)
    assert cache.get("a") is None, "and it does not wait for a writer"
    assert cache.put("a", b"v")
    (tmp_path / "elsewhere").write_bytes(entry.read_bytes())
    entry.unlink()
    entry.symlink_to(tmp_path / "elsewhere")
    assert cache.get("a") is None
    assert (tmp_path / "elsewhere").exists(), "the link was removed, not its target"
    entry.mkdir()
    assert cache.get("a") is None
    assert not cache.put("a", b"v")


# --- the limit ----------------------------------------------------------------------------


def test_the_least_recently_used_are_removed_first(tmp_path: Path) -> None:
    size = 1000 - OVERHEAD
    cache = DiskCache(tmp_path, 10_000)
    for n in range(9):
        cache.put(str(n), bytes(size))
    assert cache.get("0") is not None
    assert cache.get("1") is not None
    for n in range(9, 15):
        cache.put(str(n), bytes(size))
        assert cache.size() <= 10_000
    left = [n for n in range(15) if cache.get(str(n)) is not None]
    assert left[:2] == [0, 1]
    assert left[-5:] == [10, 11, 12, 13, 14]
    assert 2 not in left
    assert 3 not in left


@pytest.mark.parametrize("limit", [0, 1, OVERHEAD - 1, 500])
def test_a_value_larger_than_the_limit_is_not_stored(tmp_path: Path, limit: int) -> None:
    cache = DiskCache(tmp_path / "cache", limit)
    cache.put("other", b"")
    kept_before = cache.get("other")
    assert not cache.put("a", bytes(max(0, limit - OVERHEAD + 1)))
    assert cache.get("a") is None
    assert cache.get("other") == kept_before, "no other entry is removed for it"


def test_a_value_as_large_as_the_limit_is_stored_alone(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000)
    for n in range(5):
        cache.put(str(n), bytes(1000))
    assert cache.put("whole", bytes(10_000 - OVERHEAD))
    assert cache.get("whole") == bytes(10_000 - OVERHEAD)
    assert cache.size() == 10_000


def test_if_a_value_is_not_stored_the_old_one_is_removed(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1000)
    cache.put("a", b"old")
    assert not cache.put("a", bytes(2000))
    assert cache.get("a") is None


def test_a_smaller_limit_holds_after_the_first_put(tmp_path: Path) -> None:
    wide = DiskCache(tmp_path, MB)
    for n in range(50):
        wide.put(str(n), bytes(10_000))
    narrow = DiskCache(tmp_path, 100_000)
    assert narrow.put("new", bytes(10_000))
    assert narrow.size() <= 100_000
    assert narrow.get("new") is not None
    assert narrow.get("49") is not None


def test_an_entry_with_a_future_time_is_removed_at_last(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000)
    cache.put("ahead", bytes(1000))
    (entry,) = entries(cache)
    later = time.time() + 10**6
    os.utime(entry, (later, later))
    for n in range(20):
        cache.put(str(n), bytes(1000))
    assert cache.get("ahead") is None


def test_far_from_the_limit_a_put_scans_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = 0
    scandir = os.scandir

    def counting(path: Any) -> Any:
        nonlocal scans
        scans += not isinstance(path, int)  # not those that remove a temporary folder
        return scandir(path)

    cache = DiskCache(tmp_path, 100 * MB)
    for n in range(100):
        cache.put(str(n), bytes(1000))
    monkeypatch.setattr(os, "scandir", counting)
    for n in range(100, 300):
        cache.put(str(n), bytes(1000))
    assert scans == 0
    near = DiskCache(tmp_path / "near", MB)
    for n in range(500):
        near.put(str(n), bytes(10_000))
    full_scans = scans / (2 + 90)  # the shards of the folder, and the temporary files
    assert 500 * 10_000 / (0.1 * MB) * 0.5 < full_scans < 500 * 10_000 / (0.1 * MB) * 2.5


def test_the_tally_of_written_bytes_stays_short(tmp_path: Path) -> None:
    limit = 200_000
    cache = DiskCache(tmp_path, limit)
    longest = 0
    for n in range(600):
        cache.put(str(n % 60), bytes(20_000))
        longest = max(longest, *map(size_of, tmp_path.glob("written")), 0)
    assert limit // 128 < longest < limit // 128 + 500, "it started again"
    assert cache.size() <= limit


class AgainstADict(RuleBasedStateMachine):
    """The cache always holds what a dict of the most recently used values would."""

    LIMIT = 3000
    keys = st.sampled_from("abcdefghijkl")

    def __init__(self) -> None:
        super().__init__()
        self.holder = tempfile.TemporaryDirectory()
        self.cache = DiskCache(Path(self.holder.name), self.LIMIT)
        self.model: dict[str, bytes] = {}  # in the order of use

    @rule(key=keys, fill=st.binary(max_size=4), times=st.integers(0, 800))
    def put(self, key: str, fill: bytes, times: int) -> None:
        value = fill * times
        kept = self.cache.put(key, value)
        assert kept == (len(value) + OVERHEAD <= self.LIMIT)
        self.model.pop(key, None)
        if kept:
            self.model[key] = value
            self.cut()

    @rule(key=keys)
    def get(self, key: str) -> None:
        kept = self.cache.get(key)
        assert kept == self.model.get(key)
        if kept is not None:
            self.model[key] = self.model.pop(key)

    @rule(key=keys)
    def lose(self, key: str) -> None:
        self.file(key).unlink(missing_ok=True)
        self.model.pop(key, None)

    @rule(key=keys, at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
    def damage(self, key: str, at: float, flip: int) -> None:
        if key in self.model:
            damaged = bytearray(self.file(key).read_bytes())
            damaged[int(at * len(damaged))] ^= flip
            self.file(key).write_bytes(damaged)
            assert self.cache.get(key) is None
            self.model.pop(key)

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.model.clear()

    @rule()
    def open_again(self) -> None:
        self.cache = DiskCache(Path(self.holder.name), self.LIMIT)

    def file(self, key: str) -> Path:
        return self.cache.folder / sha256(key)[:2] / sha256(key)

    def cut(self) -> None:
        """Remove from the model what the cache has removed: the least recently used."""
        here = [self.file(key).exists() for key in self.model]
        assert here == sorted(here), f"a more recently used one was removed first: {here}"
        assert here[-1], "the newest value is there"
        self.model = {
            key: value
            for (key, value), is_here in zip(self.model.items(), here, strict=True)
            if is_here
        }

    @invariant()
    def within_the_limit(self) -> None:
        assert self.cache.size() <= self.LIMIT
        assert self.cache.size() == sum(len(v) + OVERHEAD for v in self.model.values())

    def teardown(self) -> None:
        self.holder.cleanup()


TestAgainstADict = AgainstADict.TestCase
TestAgainstADict.settings = settings(
    max_examples=examples(40), stateful_step_count=40, deadline=None
)


# --- threads and processes -----------------------------------------------------------------


def test_many_threads_share_one_cache(cache: DiskCache) -> None:
    wrong: list[str] = []
    barrier = threading.Barrier(6)

    def work(seed: int) -> None:
        choice = random.Random(seed)
        barrier.wait()
        for _ in range(150):
            key = str(choice.randrange(200))
            if choice.random() < 0.6:
                cache.put(key, value_of(key, 10_000))
            elif cache.get(key) not in {None, value_of(key, 10_000)}:
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.size() <= cache.limit_bytes
    assert aside(cache) == []
    assert sum(cache.get(str(n)) == value_of(str(n), 10_000) for n in range(200)) > 50


WORKER = textwrap.dedent(
    """
    import random, sys
    from pathlib import Path
    from landcover.net.disk_cache import DiskCache

    folder, limit, seed, rounds, size = sys.argv[1], *map(int, sys.argv[2:])
    cache = DiskCache(Path(folder), limit)
    choice = random.Random(seed)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(rounds):
        key = str(choice.randrange(200))
        right = random.Random(key.encode()).randbytes(size)
        if choice.random() < 0.7:
            cache.put(key, right)
        elif cache.get(key) not in (None, right):
            print("wrong", key, flush=True)
    print("done", flush=True)
    """
)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that put and get at random after :func:`begin`."""
    with ExitStack() as started:

        def process(cache: DiskCache, *, seed: int, rounds: int, size: int) -> Any:
            numbers = (cache.limit_bytes, seed, rounds, size)
            child = started.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WORKER, str(cache.folder), *map(str, numbers)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            started.callback(child.kill)
            return child

        yield process


def begin(process: subprocess.Popen[str]) -> None:
    """Let a worker begin once it has started."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def test_many_processes_stay_within_the_limit_together(cache: DiskCache, start: Start) -> None:
    size = 10_000
    processes = [start(cache, seed=seed, rounds=300, size=size) for seed in range(4)]
    for process in processes:
        begin(process)
    seen = []
    while any(process.poll() is None for process in processes):
        seen.append(sum(map(size_of, entries(cache))))
    answers = [process.communicate()[0] for process in processes]
    assert answers == ["done\n"] * 4
    assert cache.size() <= cache.limit_bytes
    # Listing takes longer than a few puts, so a listing mixes an earlier and a later state.
    assert max(seen) <= cache.limit_bytes + 4 * 2 * (size + OVERHEAD)
    assert max(seen) > 0.5 * cache.limit_bytes, "it was full"
    assert aside(cache) == []


def test_entries_of_another_process_count(tmp_path: Path) -> None:
    mine = DiskCache(tmp_path, 100_000)
    mine.put("mine", bytes(1000))
    theirs = DiskCache(tmp_path, 100_000)  # remembers nothing of mine, as another process would
    for n in range(9):
        theirs.put(str(n), bytes(10_000))
    for n in range(9, 12):
        mine.put(str(n), bytes(10_000))
        assert mine.size() <= 100_000


def test_a_new_tally_is_not_mistaken_for_the_old_one(tmp_path: Path) -> None:
    """Even if it has become as long as the old one."""
    mine = DiskCache(tmp_path, 100_000)
    mine.put("mine", bytes(50_000))
    (tmp_path / "written").unlink()
    theirs = DiskCache(tmp_path, 100_000)
    for n in range(4):
        theirs.put(str(n), bytes(11_000))
    assert theirs.size() > 90_000
    mine.put("more", bytes(12_000))
    assert mine.size() <= 100_000


# --- a process that dies ------------------------------------------------------------------


def test_a_killed_process_leaves_only_complete_entries(cache: DiskCache, start: Start) -> None:
    pause = random.Random(0)
    for seed in range(5):
        process = start(cache, seed=seed, rounds=10**9, size=10_000)
        begin(process)
        time.sleep(0.02 + pause.random() / 20)
        process.kill()
        assert process.wait() != 0
        process.communicate()
        kept = [cache.get(str(n)) for n in range(200)]
        assert all(v in {None, value_of(str(n), 10_000)} for n, v in enumerate(kept))
    assert any(v is not None for v in kept)
    assert cache.put("after", b"v")
    assert cache.size() <= cache.limit_bytes


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a kill that cannot be caught")
def test_killed_in_the_middle_of_a_write(tmp_path: Path, start: Start) -> None:
    """The child is killed while it writes, until an incomplete temporary file is left.

    The next process removes it, whatever its clock says.
    """
    cache = DiskCache(tmp_path, 100 * MB)
    size = 30 * MB
    cache.put("0", value_of("0", size))
    for seed in range(20):
        process = start(cache, seed=seed, rounds=10**9, size=size)
        begin(process)
        while not any(size_of(path / "entry") for path in aside(cache)):
            assert process.poll() is None
        process.kill()
        process.communicate()
        if aside(cache):
            break
    left = aside(cache)
    assert len(left) == 1
    assert cache.get("0") in {None, value_of("0", size)}
    for path in (left[0] / "entry", left[0]):
        os.utime(path, (4e9, 4e9))
    assert cache.size() > size_of(left[0] / "entry") > 0, "what is left counts until then"
    DiskCache(tmp_path, 100 * MB).put("small", b"v")
    assert aside(cache) == []
    assert cache.get("small") == b"v"


# --- errors of the disk --------------------------------------------------------------------


def failing(code: int) -> Callable[..., Any]:
    def fail(*_args: object, **_kwargs: object) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


CODES = [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("call", ["os.write", "os.replace", "io.open", "os.mkdir"])
def test_on_a_failing_disk_nothing_is_stored(
    call: str,
    code: int,
    cache: DiskCache,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache.put("before", b"kept")
    shard = entries(cache)[0].parent.name
    keys = [key for key in map(str, range(50)) if sha256(key)[:2] != shard]
    with monkeypatch.context() as broken:
        broken.setattr(call, failing(code))
        assert not any(cache.put(key, b"v") for key in keys)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert disk_errors.reason(OSError(code, "")) in record.getMessage()
    assert cache.trouble == disk_errors.reason(OSError(code, ""))
    assert cache.get("before") == b"kept"
    assert all(cache.get(key) is None for key in keys)
    assert aside(cache) == []
    assert cache.put("after", b"v")
    assert cache.get("after") == b"v"
    assert not cache.trouble


@pytest.mark.parametrize("code", CODES)
def test_values_are_stored_even_if_times_cannot_be_set(
    cache: DiskCache, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "utime", failing(code))
    assert cache.put("a", b"v")
    assert cache.get("a") == b"v"


def test_nothing_is_stored_in_a_folder_that_cannot_be_listed(
    cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the limit could be exceeded."""
    cache.put("a", b"v")
    again = DiskCache(cache.folder, cache.limit_bytes)
    monkeypatch.setattr(os, "scandir", failing(errno.EIO))
    assert not again.put("b", b"v")
    assert again.get("a") == b"v"
    assert again.size() == 0
    again.clear()
    assert again.get("a") == b"v"


def test_a_disk_that_fills_up_during_a_write(
    cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    room = 25_000

    def filling(handle: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(handle, data[: min(room, 7000)])
        room -= done
        return done

    monkeypatch.setattr(os, "write", filling)
    assert cache.put("first", value_of("first", 20_000)), "short writes are continued"
    assert not cache.put("second", value_of("second", 20_000))
    assert cache.get("first") == value_of("first", 20_000)
    assert cache.get("second") is None
    assert aside(cache) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process")
def test_a_limit_of_the_operating_system(tmp_path: Path) -> None:
    """No file of this child process may grow beyond 64 kB, not even for root."""
    child = textwrap.dedent(
        """
        import logging, resource, sys
        from pathlib import Path
        from landcover.net.disk_cache import DiskCache

        logging.basicConfig(format="%(message)s")
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
        cache = DiskCache(Path(sys.argv[1]), 10**7)
        print([cache.put("small", b"v"), cache.put("large", bytes(200_000)),
               cache.put("large", bytes(200_000)), cache.get("small"), cache.get("large")])
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[True, False, False, b'v', None]\n"
    assert done.stderr.count("cannot store values: it is larger than the disk") == 1
    assert aside(DiskCache(tmp_path, 10**7)) == []


def test_a_folder_that_cannot_exist(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    cache = DiskCache(tmp_path / "file" / "cache", MB)
    assert not cache.put("a", b"v")
    assert not cache.put("a", b"v")
    assert cache.get("a") is None
    assert cache.size() == 0
    cache.clear()
    assert len(caplog.records) == 1


def test_if_entries_cannot_be_removed_no_new_one_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = DiskCache(tmp_path, 10_000)
    for n in range(9):
        cache.put(str(n), bytes(1000 - OVERHEAD))
    unlink = os.unlink

    def stuck(path: Any, *args: Any, **kwargs: Any) -> None:
        if len(Path(path).name) == 64:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(os, "unlink", stuck)
    kept = [cache.put(str(n), bytes(1000 - OVERHEAD)) for n in range(9, 15)]
    assert kept == [True] + [False] * 5
    assert cache.size() <= 10_000


# --- cost ---------------------------------------------------------------------------------


def test_a_hit_is_cheap(cache: DiskCache) -> None:
    """The best of many reads of 200 kB, because the machine may be busy."""
    cache.put("patch", value_of("patch", 200_000))
    best = float("inf")
    for _ in range(50):
        begun = time.perf_counter()
        cache.get("patch")
        best = min(best, time.perf_counter() - begun)
    assert best < 0.002
