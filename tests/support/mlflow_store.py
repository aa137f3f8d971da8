"""Real stores of MLflow: whether it is installed, what is in one, and a server of one on loopback.

MLflow is an extra of the app that `make test-all` installs, so modules import it in functions only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mlflow.entities import Run

INSTALLED: Final = find_spec("mlflow") is not None

_SERVER: Final = """\
import sys
from werkzeug.serving import make_server
from mlflow.server import app
server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


def runs_in(store: Path) -> list[Run]:
    """The runs in an SQLite file, the oldest first."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - an extra

    client = MlflowClient(tracking_uri=f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("landcover")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]))


def points(store: Path, run: Run, metric: str) -> list[tuple[int, float]]:
    """Epochs and values of a metric."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - an extra

    client = MlflowClient(tracking_uri=f"sqlite:///{store}")
    return [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, metric)]


@contextmanager
def serving(store: Path, port: int = 0) -> Iterator[str]:
    """Serve a SQLite file; the address is that of the server."""
    environment = {
        **os.environ,
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{store}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(store.parent / "artifacts"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
