"""Record a training as a run of MLflow, if it is installed.

A training is one run in the experiment ``landcover`` (or the one that ``MLFLOW_EXPERIMENT_NAME``
names). The metrics of each fit have the fit's name in front, such as ``train/val_macro_ap``, and
so have its settings. A training that is resumed goes on in its run.

A server may be away for a while. Training goes on without it: what was not sent is sent with a
later epoch.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from landcover import __version__
from landcover.core.errors import BadInput
from landcover.core.text import one_line
from landcover.train.run_settings import settings_of

if TYPE_CHECKING:
    from landcover.train.callbacks import Outcome, StepProgress, Training
    from landcover.train.history import Epoch

__all__ = ["MlflowLog", "check_place"]

EXPERIMENT: Final = "landcover"
_TAG: Final = "landcover.training"
_SQLITE: Final = "sqlite:///"
_STATUS: Final = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
PAUSE_S: Final = 60.0
"""Time after which a server that did not answer is asked again."""
_MOST_METRICS, _MOST_PARAMS, _LONGEST_VALUE = 1000, 100, 500
"""Limits of MLflow: metrics and parameters of a request, characters of a parameter."""
_REFUSED: Final = re.compile(r"[^A-Za-z0-9_\-. /]")
"""Characters that MLflow's names must not have."""
_ENVIRONMENT: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would report the use of MLflow to its makers
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Training waits for an answer; MLflow itself would try for many minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


class MlflowLog:
    """A :class:`landcover.train.callbacks.Tracker` that writes one run of MLflow.

    Args:
        place: the address of a server (``https://…``), or a file (``sqlite:///FILE``).
        training: what is recorded.

    Raises:
        ImportError: MLflow is not installed.
        BadInput: the place cannot be used.
    """

    def __init__(self, place: str, training: Training) -> None:
        self.place, self.training = check_place(place), training
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            self._client = import_module("mlflow.tracking").MlflowClient(tracking_uri=self.place)
            self._entities = import_module("mlflow.entities")
        except ImportError:
            raise
        except Exception as error:  # noqa: BLE001 - MLflow passes on what its backends raise
            raise self._unusable(error) from None
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._run, self._sent = "", set[str]()
        self._waiting: list[tuple[str, Epoch, int]] = []
        self._again = 0.0
        try:
            self._experiment = self._find_experiment()
        except Exception as error:  # noqa: BLE001 - as above
            raise self._unusable(error) from None

    def step(self, progress: StepProgress) -> None:
        """Do nothing: curves have one point an epoch."""

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:  # noqa: ARG002 - the interface has it
        """Send the metrics of an epoch, or keep them if MLflow does not answer."""
        self._waiting.append((run, entry, round(time.time() * 1000)))
        if time.monotonic() >= self._again:
            self._send()

    def close(self, outcome: Outcome = "finished") -> None:
        """Send what is left, and say how the training ended."""
        self._send()
        if self._run and not self._waiting:
            try:
                self._client.set_terminated(self._run, _STATUS[outcome])
            except Exception as error:  # noqa: BLE001 - as above
                self._warn(error)

    def _send(self) -> None:
        if not self._waiting:
            return
        try:
            if not self._run:
                self._run = self._find_run(*self._waiting[0][:2]) or self._new_run()
            for fit in dict.fromkeys(run for run, _, _ in self._waiting):
                self._send_settings(fit)
            metrics = [
                self._entities.Metric(f"{_name(run)}/{name}", value, moment, entry.epoch)
                for run, entry, moment in self._waiting
                for name, value in asdict(entry).items()
                if name != "epoch" and math.isfinite(value)
            ]
            for start in range(0, len(metrics), _MOST_METRICS):
                self._client.log_batch(self._run, metrics=metrics[start : start + _MOST_METRICS])
        except Exception as error:  # noqa: BLE001 - as above
            self._warn(error)
            self._again = time.monotonic() + PAUSE_S
            return
        self._waiting.clear()

    def _find_experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "").strip() or EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _find_run(self, fit: str, entry: Epoch) -> str:
        """The unfinished run of this training; empty if there is none.

        A run that already has this epoch belongs to an earlier training in the same folder.
        """
        found = self._client.search_runs(
            [self._experiment],
            f"tags.`{_TAG}` = '{self._key()}' and attributes.status != 'FINISHED'",
            max_results=1,
        )
        for run in found:
            key = f"{_name(fit)}/train_loss"
            points = self._client.get_metric_history(run.info.run_id, key)
            if all(point.step < entry.epoch for point in points):
                self._client.update_run(run.info.run_id, status="RUNNING")
                self._sent = set(run.data.params)
                return str(run.info.run_id)
        return ""

    def _new_run(self) -> str:
        tags = {_TAG: self._key(), "landcover.version": __version__}
        run = self._client.create_run(self._experiment, run_name=self.training.name, tags=tags)
        self._send_params(run.info.run_id, self.training.settings)
        return str(run.info.run_id)

    def _key(self) -> str:
        """Identifies the training's folder without showing its path."""
        place = f"{socket.gethostname()}\n{self.training.folder.resolve()}"
        return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:24]

    def _send_settings(self, fit: str) -> None:
        settings = settings_of(self.training.folder, fit)
        self._send_params(self._run, {f"{fit}/{name}": value for name, value in settings.items()})

    def _send_params(self, run: str, values: Mapping[str, object]) -> None:
        """Send those that the run does not have; MLflow keeps the first value of each."""
        known = {_name(name): _text(value) for name, value in values.items()}
        new = [
            self._entities.Param(name, text)
            for name, text in known.items()
            if text and name not in self._sent
        ]
        for start in range(0, len(new), _MOST_PARAMS):
            self._client.log_batch(run, params=new[start : start + _MOST_PARAMS])
        self._sent.update(param.key for param in new)

    def _warn(self, error: Exception) -> None:
        logging.getLogger(__name__).warning(
            "MLflow at %s does not take the metrics (%s); training goes on, and they are kept in "
            "history.csv",
            self.place,
            _reason(error),
        )

    def _unusable(self, error: Exception) -> BadInput:
        return BadInput(
            f"MLflow cannot be used at '{self.place}' ({_reason(error)}): check the address, and "
            "that the server runs."
        )


def check_place(place: str) -> str:
    """The place as MLflow writes it, a file as it is seen from any folder.

    Raises:
        BadInput: it is neither a server nor a file, or it contains a password.
    """
    text = place.strip()
    try:
        parts = urlsplit(text)
        server = parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isprintable()
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        server, secret = False, False
    if secret:
        raise BadInput(
            "The address of the MLflow server contains a user or password, which would be kept "
            "with the run: give them as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    return text if server else _file(text)


def _file(text: str) -> str:
    """The place of an SQLite file.

    Raises:
        BadInput: it is none, or its folder does not exist.
    """
    name = text.removeprefix(_SQLITE)
    if name == text or not name or not name.isprintable() or "?" in name:
        raise BadInput(
            "MLflow's place is the address of a server (https://…) or a file (sqlite:///FILE), "
            f"not '{one_line(text[:80])}'."
        )
    try:
        path = Path(name).expanduser().absolute()
        usable = path.parent.is_dir() and not path.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, no such user
        usable = False
    if not usable:
        raise BadInput(
            f"MLflow's file '{one_line(name[-80:])}' cannot be made: its folder must exist."
        )
    return f"{_SQLITE}{path}"


def _name(text: str) -> str:
    return _REFUSED.sub("_", text)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[:_LONGEST_VALUE]


def _reason(error: Exception) -> str:
    """The first line of an error; those of servers that do not answer are long."""
    text = one_line(str(error).strip().partition("\n")[0]) or type(error).__name__
    return f"{text[:160]}…" if len(text) > 160 else text
