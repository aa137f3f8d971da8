"""Mapping blocks on a Dask cluster.

Each block is one task, so Dask's scheduler decides where it runs, moves it when a worker is lost,
and uses workers that join. Blocks are fetched as soon as they are done. Only a few more than the
workers compute are submitted, so that neither a worker nor this process collects the whole map.

A block is computed by the same function as on this machine (:func:`landcover.areas.job.map_block`)
with one thread of torch, so that it is the same to the bit on processors of the same kind. A worker
with a GPU uses it, and its results then differ by rounding.

Dask sends tasks as pickles, so a scheduler and its workers must be trusted like this machine.
Workers need the same version of this program, the same model, and the same paths of the imagery.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from landcover.areas.block import BlockMap
from landcover.areas.job import Index, MapTask, map_block
from landcover.core import progress
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.text import plain

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["DaskExecutor", "executor_of"]

_ADDRESS: Final = re.compile(r"(?:tcp|tls|ucx)://\S{1,200}:\d{1,5}")
_LOCAL: Final = re.compile(r"local(?::(\d{1,3}))?")
CONNECT_SECONDS: Final = 10
_AHEAD: Final = 2
"""Blocks that are submitted for each thread of the workers: one runs, one waits."""
_RETRIES: Final = 2
"""Times that a block is tried again after an error that is not the user's, such as a lost file
server."""
_POLL_SECONDS: Final = 0.2
_MISSING: Final = (
    "A map on a cluster needs Dask, which is not installed: run `pip install landcover[cluster]`, "
    "or leave --scheduler out."
)


def executor_of(scheduler: str) -> DaskExecutor:
    """Read the address of a scheduler.

    Args:
        scheduler: such as ``tcp://10.0.0.1:8786``; ``local`` or ``local:N`` starts a cluster of
            processes on this machine.

    Raises:
        BadInput: it is no address, or Dask is not installed.
    """
    text = scheduler.strip()
    local = _LOCAL.fullmatch(text)
    if local is None and _ADDRESS.fullmatch(text) is None:
        raise BadInput(
            f"'{plain(text)[:60]}' is not the address of a scheduler: give one such as "
            "tcp://10.0.0.1:8786, or local:2 for two processes on this machine."
        )
    try:
        import distributed  # noqa: F401, PLC0415 - an extra, and slow to import
    except ImportError:
        raise BadInput(_MISSING) from None
    if local is None:
        return DaskExecutor(address=text)
    count = int(local[1]) if local[1] else None
    if count == 0:
        raise BadInput("A cluster needs at least one process: give local:1 or more.")
    return DaskExecutor(processes=count)


@dataclass(kw_only=True)
class DaskExecutor:
    """Computes blocks on a cluster; see :class:`landcover.areas.job.Executor`.

    Attributes:
        address: of the scheduler; None to start a cluster on this machine.
        processes: number of its processes; None for one a core.
        workers: number of workers at the latest look, for display.
        seconds: time for the scheduler to answer.
    """

    address: str | None = None
    processes: int | None = None
    workers: int = 0
    seconds: float = CONNECT_SECONDS

    @property
    def text(self) -> str:
        """Such as ``"3 workers"``."""
        return f"{self.workers} worker{'s' * (self.workers != 1)}" if self.workers else ""

    def run(
        self, task: MapTask, indices: Sequence[Index], cancel: Event | None
    ) -> Iterator[tuple[Index, BlockMap]]:
        """See :class:`landcover.areas.job.Executor`.

        Raises:
            BadInput: the scheduler does not answer, or is lost.
            LandcoverError: a block cannot be computed.
            Cancelled: the user stopped it.
        """
        if not indices:
            return
        with ExitStack() as stack:
            stack.enter_context(_quiet())
            client = self._connected(stack)
            running: dict[Any, Index] = {}
            waiting = list(reversed(indices))
            # Sent once, not with every block: it may hold the pixels of an upload.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sending large graph")  # once is not too much
                with self._reached():
                    sent = client.submit(_same, task, key=f"landcover-{task.key[:16]}", pure=True)
            try:
                while waiting or running:
                    progress.check(cancel)
                    with self._reached():
                        self._submit(client, task.key, sent, waiting, running)
                    for future in self._finished(client, running):
                        index = running.pop(future)
                        found = self._result(future)
                        future.release()
                        yield index, found
            finally:
                _quietly(lambda: client.cancel(list(running)))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Say in a sentence that the scheduler is gone, whatever Dask raises then."""
        try:
            yield
        except (CancelledError, OSError):  # the first one also when its blocks are lost with it
            raise _lost(self.address) from None

    def _connected(self, stack: ExitStack) -> Client:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - slow to import

        if self.address is None:
            # Workers are processes with one thread each, like those of a real cluster.
            try:
                cluster = stack.enter_context(
                    LocalCluster(
                        n_workers=self.processes,
                        threads_per_worker=1,
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,
                    )
                )
            except (RuntimeError, OSError, TimeoutError):
                raise BadInput(
                    "No processes for a cluster can be started here: start `dask scheduler` and "
                    "`dask worker` yourself and give the scheduler's address."
                ) from None
            return stack.enter_context(Client(cluster))
        try:
            return stack.enter_context(Client(self.address, timeout=self.seconds))
        except (OSError, TimeoutError, ValueError):
            raise BadInput(
                f"No Dask scheduler answers at {self.address}: start it with `dask scheduler`, "
                "check the address, or leave --scheduler out."
            ) from None

    def _submit(
        self,
        client: Client,
        key: str,
        sent: Any,  # noqa: ANN401 - Dask has no types
        waiting: list[Index],
        running: dict[Any, Index],
    ) -> None:
        """Keep every thread of the workers busy, and no more."""
        if client.status not in ("running", "connecting", "newly-created"):
            raise _lost(self.address)
        threads = client.nthreads()
        self.workers = len(threads)
        most = max(1, _AHEAD * sum(threads.values()))
        while waiting and len(running) < most:
            index = waiting.pop()
            future = client.submit(
                map_block,
                sent,
                index,
                key=f"landcover-{key[:16]}-{index[0]}-{index[1]}",
                retries=_RETRIES,
                pure=True,
            )
            running[future] = index

    def _finished(self, client: Client, running: dict[Any, Index]) -> list[Any]:
        """Wait a moment for blocks, and return those that have ended."""
        from distributed import wait  # noqa: PLC0415 - slow to import

        with self._reached(), suppress(TimeoutError):
            wait(list(running), timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
        if client.status == "closed":
            raise _lost(self.address)
        return [future for future in running if future.done()]

    def _result(self, future: Any) -> BlockMap:  # noqa: ANN401 - Dask has no types
        """The block of a future that has ended.

        Raises:
            LandcoverError: it could not be computed.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - slow to import

        try:
            found: BlockMap = future.result(timeout=self.seconds)
        except LandcoverError:
            raise
        except KilledWorker:
            raise BadInput(
                "Several workers died while they computed the same block, probably for lack of "
                "memory: give workers more memory, or the map a smaller --memory."
            ) from None
        except (ImportError, AttributeError) as error:
            raise BadInput(
                f"A worker cannot run this program ({type(error).__name__}): install the same "
                "version of landcover on each worker."
            ) from None
        except CancelledError:
            raise _lost(self.address) from None
        except (OSError, TimeoutError, RuntimeError) as error:
            raise BadInput(
                f"A block failed on the cluster ({type(error).__name__}): check the logs of the "
                "workers; what is finished is kept."
            ) from None
        return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from printing tracebacks of connections that it lost; we say what is wrong."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _same(task: MapTask) -> MapTask:
    """Bring a task to a worker."""
    return task


def _lost(address: str | None) -> BadInput:
    return BadInput(
        f"The Dask scheduler {f'at {address} ' if address else ''}is gone: start it again and "
        "repeat the command, which goes on with what is missing."
    )


def _quietly(action: Any) -> None:  # noqa: ANN401 - a callable of no use to others
    """Do something that may fail because the cluster is gone."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever a broken connection raises
        logging.getLogger(__name__).info("the cluster did not answer: %s", type(error).__name__)
