"""Downloads over faulty connections give the right bytes or a clear error."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landcover.core.errors import BadInput, Cancelled, FetchError, LandcoverError
from landcover.core.progress import Progress, ignore
from landcover.datasets.downloads.fetch import Client, RetryPolicy
from landcover.datasets.downloads.partial_file import NOTES, PART
from landcover.datasets.downloads.zenodo import RemoteFile, Source
from landcover.net.waiting import run
from tests.live.hostile_server import HostileServer
from tests.support.examples import examples
from tests.support.file_server import FileServer, Kind, Step

NAME = "pixels.bin"
DATA = random.Random(7).randbytes(700_000)
QUICK = RetryPolicy(
    attempts=6,
    first_attempts=6,
    progress_bytes=50_000,
    first_wait_s=0.001,
    longest_wait_s=0.01,
    silence_s=1,
)


@pytest.fixture(scope="module")
def one_server() -> Iterator[FileServer]:
    with FileServer({NAME: DATA}) as server:
        yield server


@pytest.fixture
def server(one_server: FileServer) -> FileServer:
    one_server.reset()
    return one_server


def bring(
    server: FileServer,
    folder: Path,
    file: RemoteFile | None = None,
    *,
    retry_policy: RetryPolicy = QUICK,
    cancel: Event | None = None,
    report: object = ignore,
    source: Source | None = None,
) -> bool:
    remote = file or server.remote(NAME)

    async def work() -> bool:
        async with Client(
            source or server.source(remote), retry_policy, cancel or Event()
        ) as client:
            return await client.fetch(remote, folder, report)  # type: ignore[arg-type]

    return run(work)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_complete_file_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    assert bring(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert leftovers(tmp_path) == [NAME]
    assert not bring(server, tmp_path)
    assert server.asked == [""]


def test_a_dropped_connection_is_resumed_at_the_same_byte(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend([Step(kind="drop", count=300_000), Step(kind="drop", count=100_000)])
    assert bring(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    starts = [int(asked.removeprefix("bytes=").rstrip("-") or 0) for asked in server.asked]
    assert starts == sorted(starts)
    assert 0 < starts[1] <= 300_000 < starts[2] + 1
    assert server.requests[-1].status == 206


def test_another_process_resumes_a_download(server: FileServer, tmp_path: Path) -> None:
    server.script.extend([Step(kind="drop", count=400_000)] + [Step(kind="status")] * 12)
    with pytest.raises(FetchError, match=r"status 503.*MB are kept in 'pixels.bin.part'"):
        bring(server, tmp_path)
    came = (tmp_path / f"{NAME}{PART}").stat().st_size
    assert 0 < came <= 400_000
    assert not (tmp_path / NAME).exists()
    server.script.clear()
    server.requests.clear()
    assert bring(server, tmp_path)
    assert server.asked == [f"bytes={came}-"]
    assert server.sent == len(DATA) - came
    assert (tmp_path / NAME).read_bytes() == DATA
    assert leftovers(tmp_path) == [NAME]


CHILD = """
import sys
from pathlib import Path
from landcover.datasets.downloads import Source, download
from landcover.datasets.downloads.zenodo import RemoteFile
base, folder, name, size, md5 = sys.argv[1:]
file = RemoteFile(name=name, size=int(size), md5=md5)
source = Source(name="x", title="X", record=4711, licence="MIT", files=(file,), base=base)
download(source, Path(folder))
"""


def test_the_download_of_a_killed_process_is_resumed(server: FileServer, tmp_path: Path) -> None:
    file = server.remote(NAME)
    server.script.append(Step(kind="trickle", count=3000))
    arguments = [server.url, str(tmp_path), NAME, str(file.size), file.md5]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments])
    part = tmp_path / f"{NAME}{PART}"
    while not part.exists() or part.stat().st_size < 20_000:
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    child.wait()
    came = part.stat().st_size
    server.requests.clear()
    assert bring(server, tmp_path)
    assert server.asked == [f"bytes={came}-"]
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_server_without_ranges_is_read_again_and_compared(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend([Step(kind="drop", count=400_000), *[Step(kind="whole")] * 2])
    assert bring(server, tmp_path)
    assert [r.status for r in server.requests] == [200, 200, 200]
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_server_that_does_not_understand_if_range_still_sends_parts(
    server: FileServer, tmp_path: Path
) -> None:
    server.understands_if_range = False
    server.script.append(Step(kind="drop", count=400_000))
    assert bring(server, tmp_path)
    assert [r.status for r in server.requests] == [200, 200, 206]
    assert (tmp_path / NAME).read_bytes() == DATA


@pytest.mark.parametrize("across_processes", [False, True])
def test_a_file_with_a_new_tag_is_compared_not_mixed(
    server: FileServer, tmp_path: Path, *, across_processes: bool
) -> None:
    """The existing bytes are of a file that was replaced: only those of the new one are kept."""
    part = tmp_path / f"{NAME}{PART}"
    part.write_bytes(DATA[:200_000] + b"x" * 100_000)
    (tmp_path / f"{NAME}{NOTES}").write_text('{"validator": "\\"old\\""}')
    if across_processes:
        server.script.append(Step(kind="drop", count=100_000))
    assert bring(server, tmp_path)
    assert server.requests[0].status == 200
    assert (tmp_path / NAME).read_bytes() == DATA


def test_compared_bytes_are_trusted(server: FileServer, tmp_path: Path) -> None:
    """Once all existing bytes are known to be of the new file, ranges are requested again."""
    (tmp_path / f"{NAME}{PART}").write_bytes(DATA[:200_000])
    (tmp_path / f"{NAME}{NOTES}").write_text('{"validator": "\\"old\\""}')
    server.script.append(Step(kind="drop", count=600_000))
    assert bring(server, tmp_path)
    assert [r.status for r in server.requests] == [200, 206]
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_server_that_ignores_if_range_is_detected(server: FileServer, tmp_path: Path) -> None:
    server.script.extend([Step(kind="drop", count=300_000), Step(kind="swap")])
    with pytest.raises(FetchError, match="MD5 sum"):
        bring(server, tmp_path)
    assert leftovers(tmp_path) == []
    # It was asked for a range, which was of another file; then for the complete file.
    assert server.asked[0] == server.asked[2] == ""
    assert server.asked[1].startswith("bytes=")


def test_a_file_of_a_server_without_tags_is_checked_by_its_sum(
    server: FileServer, tmp_path: Path
) -> None:
    server.tag = ""
    server.script.append(Step(kind="drop", count=300_000))
    assert bring(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(kind="html"), "web page instead of 'pixels.bin'"),
        (Step(kind="other-size"), "700,001 bytes, but 700,000 are published"),
        (Step(kind="status", status=404), "'pixels.bin' is missing at"),
        (Step(kind="status", status=410), "'pixels.bin' is missing at"),
        (Step(kind="status", status=403), "is refused .status 403"),
        (Step(kind="status", status=418), "is refused .status 418"),
        (Step(kind="redirect"), "redirects to '169.254.169.254'"),
        (Step(kind="redirect", location="http://localhost:1/x"), "redirects to 'localhost:1'"),
        (Step(kind="redirect", location="https://127.0.0.1/x"), "redirects to '127.0.0.1'"),
        (Step(kind="redirect", location="file:///etc/passwd"), "redirects to 'file'"),
        (Step(kind="redirect", location="//evil.example/x"), "redirects to 'evil.example'"),
        (
            Step(kind="redirect", location="http://user@[::1/x"),
            "redirects to|redirects the request too often",
        ),
        (Step(kind="redirect", location=""), "redirects the request too often"),
    ],
)
def test_permanent_faults_are_reported_at_once(
    server: FileServer, tmp_path: Path, step: Step, message: str
) -> None:
    server.script.extend([step] * 9)
    with pytest.raises(FetchError, match=message):
        bring(server, tmp_path)
    assert len(server.requests) <= 6
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(kind="status", status=429, retry_after="0"), "status 429"),
        (Step(kind="status", status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), "503"),
        (Step(kind="packed"), "compresses the file again"),
        (Step(kind="drop"), "the connection broke"),
        (Step(kind="hang"), "the connection broke"),
        (Step(kind="endless"), "more bytes than the file has"),
    ],
)
def test_a_download_that_keeps_failing_is_given_up(
    server: FileServer, tmp_path: Path, step: Step, message: str
) -> None:
    server.script.extend([step] * 30)
    with pytest.raises(FetchError, match=message):
        bring(server, tmp_path)
    assert 6 <= len(server.requests) <= 13
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    "kind",
    ["less", "short", "longer", "whole", "wrong-range", "status", "retag", "packed", "unlabelled"],
)
def test_a_download_recovers_from_one_fault(server: FileServer, tmp_path: Path, kind: Kind) -> None:
    """After a first part, one response is faulty; the next one is correct."""
    server.script.extend([Step(kind="drop", count=300_000), Step(kind=kind, count=100)])
    assert bring(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_silent_server_times_out(server: FileServer, tmp_path: Path) -> None:
    server.latency = 2.0
    retry_policy = RetryPolicy(first_attempts=2, first_wait_s=0.001, silence_s=0.15)
    with pytest.raises(FetchError, match="no response"):
        bring(server, tmp_path, retry_policy=retry_policy)


def test_no_server_at_all(server: FileServer, tmp_path: Path) -> None:
    remote = server.remote(NAME)
    source = server.source(remote, base="http://127.0.0.1:9")
    with pytest.raises(FetchError, match=r"failed 6 times in a row .*no connection"):
        bring(server, tmp_path, source=source)


def test_a_connection_that_is_too_slow_is_reopened(server: FileServer, tmp_path: Path) -> None:
    """A slow connection is reopened although it never breaks."""
    server.script.append(Step(kind="trickle", count=10))
    details: list[str] = []
    retry_policy = RetryPolicy(first_wait_s=0.001, silence_s=1, slow_s=0.2)
    assert bring(
        server, tmp_path, retry_policy=retry_policy, report=lambda p: details.append(p.detail)
    )
    assert any("less than 1 kB a second" in detail for detail in details)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_attempts_that_receive_few_bytes_count_as_failed(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend([Step(kind="drop", count=10)] * 20)
    retry_policy = RetryPolicy(
        attempts=5, first_attempts=5, progress_bytes=1000, first_wait_s=0.001, silence_s=1
    )
    with pytest.raises(FetchError, match="5 times in a row"):
        bring(server, tmp_path, retry_policy=retry_policy)
    assert len(server.asked) == 5


def test_retry_after_is_respected_up_to_a_limit(server: FileServer, tmp_path: Path) -> None:
    details: list[str] = []
    server.script.append(Step(kind="status", status=429, retry_after="99999999"))
    bring(server, tmp_path, report=lambda progress: details.append(progress.detail))
    assert any("status 429, next try in 0 s" in detail for detail in details)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_random_bytes_are_found_by_their_sum(server: FileServer, tmp_path: Path) -> None:
    server.script.append(Step(kind="garbage"))
    with pytest.raises(
        FetchError, match=r"MD5 sum is [0-9a-f]{32} instead of the published [0-9a-f]{32}"
    ):
        bring(server, tmp_path)
    assert leftovers(tmp_path) == []
    assert bring(server, tmp_path)


@pytest.mark.parametrize("wrong", [b"", DATA[:-1], DATA[:-1] + b"!", DATA + b"!"])
def test_another_file_of_that_name_is_reported_and_kept(
    server: FileServer, tmp_path: Path, wrong: bytes
) -> None:
    (tmp_path / NAME).write_bytes(wrong)
    with pytest.raises(BadInput, match=r"'pixels\.bin' is already in the folder, but it has"):
        bring(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == wrong
    assert server.requests == []


def test_a_folder_instead_of_a_file_is_reported(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(BadInput, match="is not a file"):
        bring(server, tmp_path)
    (tmp_path / NAME).rmdir()
    (tmp_path / f"{NAME}{PART}").mkdir()
    with pytest.raises(BadInput, match="cannot be written"):
        bring(server, tmp_path)


def test_a_part_is_not_written_through_a_link(server: FileServer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / f"{NAME}{PART}").symlink_to(other)
    with pytest.raises(BadInput, match="cannot be written"):
        bring(server, folder)
    assert other.read_bytes() == b"mine"


def test_a_part_larger_than_the_file_is_discarded(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}{PART}").write_bytes(DATA + b"more")
    assert bring(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


@pytest.mark.parametrize(
    "notes", [b"", b"\xff", b"[]", b'{"validator": 3}', b'{"validator": "a\\nb: c"}', b"[" * 9999]
)
def test_damaged_notes_are_ignored(server: FileServer, tmp_path: Path, notes: bytes) -> None:
    (tmp_path / f"{NAME}{PART}").write_bytes(DATA[:1000])
    (tmp_path / f"{NAME}{NOTES}").write_bytes(notes)
    assert bring(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_two_downloads_into_one_folder_do_not_mix(server: FileServer, tmp_path: Path) -> None:
    server.latency = 0.5
    first = threading.Thread(target=bring, args=(server, tmp_path))
    first.start()
    while not (tmp_path / f"{NAME}{PART}").exists():
        assert first.is_alive()
        time.sleep(0.01)
    with pytest.raises(BadInput, match="already being downloaded to this folder"):
        bring(server, tmp_path)
    first.join()
    assert (tmp_path / NAME).read_bytes() == DATA


def test_stopping_keeps_the_received_bytes(server: FileServer, tmp_path: Path) -> None:
    cancel = Event()
    server.script.extend([Step(kind="drop", count=300_000)] + [Step(kind="status")] * 99)

    def report(progress: Progress) -> None:
        if "next try" in progress.detail:
            cancel.set()

    retry_policy = RetryPolicy(first_wait_s=60, progress_bytes=10_000_000)
    with pytest.raises(Cancelled, match="Stopped by the user: run it again to resume"):
        bring(server, tmp_path, retry_policy=retry_policy, cancel=cancel, report=report)
    came = (tmp_path / f"{NAME}{PART}").read_bytes()
    assert came
    assert came == DATA[: len(came)]


def test_progress_counts_bytes(server: FileServer, tmp_path: Path) -> None:
    seen: list[Progress] = []
    bring(server, tmp_path, report=seen.append)
    assert seen[-1].done == seen[-1].total == seen[-1].bytes == len(DATA)
    assert seen[-1].what == "Fetching pixels.bin"


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"not json",
        b"[]",
        b"[" * 100_000,
        b'{"files": [{"key": "a"}]}',
        b'{"files": 3}',
        b'{"files": [{"key": "a", "size": "x", "checksum": "md5:0"}]}',
        b'{"files": [{"key": "a", "size": 1e999, "checksum": "md5:0"}]}',
        b" " * 11_000_000,
    ],
)
def test_an_unreadable_record_counts_as_unavailable(server: FileServer, page: bytes) -> None:
    server.record = page

    async def work() -> object:
        async with Client(server.source(server.remote(NAME)), QUICK, Event()) as client:
            return await client.published()

    assert run(work) is None


@pytest.mark.parametrize("kind", ["endless", "bomb", "headers", "slow-body"])
def test_hostile_answers_end_in_time(server: FileServer, tmp_path: Path, kind: str) -> None:
    with HostileServer() as hostile:
        source = replace(server.source(server.remote(NAME)), base=f"{hostile.url}/{kind}")
        policy = replace(QUICK, silence_s=0.2, slow_s=0.2, first_attempts=2)

        async def work() -> object:
            async with Client(source, policy, Event()) as client:
                return await client.published()

        start = time.monotonic()
        assert run(work) is None
        with pytest.raises(FetchError):
            bring(server, tmp_path, source=source, retry_policy=policy)
        assert time.monotonic() - start < 5


def test_a_record_is_read(server: FileServer) -> None:
    async def work() -> object:
        async with Client(server.source(server.remote(NAME)), QUICK, Event()) as client:
            return await client.published()

    assert run(work) == {NAME: (len(DATA), hashlib.md5(DATA).hexdigest())}


def message_of(server: FileServer, folder: Path, retry_policy: RetryPolicy) -> str:
    """Return the message of a download that fails; "" if it succeeds."""
    try:
        assert bring(server, folder, retry_policy=retry_policy)
    except LandcoverError as error:
        return str(error)
    return ""


STEPS = st.builds(
    Step,
    kind=st.sampled_from(
        [
            "well",
            "drop",
            "drop",
            "drop",
            "less",
            "short",
            "longer",
            "endless",
            "whole",
            "wrong-range",
            "status",
            "html",
            "redirect",
            "retag",
            "swap",
            "garbage",
            "packed",
            "other-size",
            "unlabelled",
        ]
    ),
    count=st.integers(0, 90_000),
    status=st.sampled_from([404, 416, 429, 500, 503]),
    retry_after=st.sampled_from([None, "0", "never", "1e9"]),
)
SMALL = random.Random(11).randbytes(90_000)


@pytest.fixture(scope="module")
def small_server() -> Iterator[FileServer]:
    with FileServer({NAME: SMALL}) as server:
        yield server


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=8), begun=st.integers(0, 90_000), tagged=st.booleans())
def test_any_sequence_of_faults_ends_with_the_right_bytes_or_a_sentence(
    small_server: FileServer,
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[Step],
    begun: int,
    *,
    tagged: bool,
) -> None:
    server, folder = small_server, tmp_path_factory.mktemp("any")
    server.reset()
    server.tag = '"one"' if tagged else ""
    (folder / f"{NAME}{PART}").write_bytes(SMALL[:begun])
    server.script.extend(steps)
    retry_policy = RetryPolicy(
        attempts=4, first_attempts=3, progress_bytes=20_000, first_wait_s=0.0, silence_s=1
    )
    sentence = message_of(server, folder, retry_policy)
    if sentence:
        assert sentence.endswith((".", "!"))
        assert not (folder / NAME).exists()
    else:
        assert (folder / NAME).read_bytes() == SMALL
    # In any case, the correct file can be downloaded afterwards.
    server.reset()
    if sentence:
        again = message_of(server, folder, retry_policy)
        if again:  # wrong bytes, which were detected by their sum and removed
            assert "MD5" in again
            assert message_of(server, folder, retry_policy) == ""
    assert (folder / NAME).read_bytes() == SMALL
    assert leftovers(folder) == [NAME]
