"""Model folders, archives, reports and measured values that are damaged or absurd."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, Self

from landcover.models.registry import ZOO
from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import Case, Gate, of_bytes, of_files, random_of
from tools.hostile.corpus.flips import CHANGES

__all__ = ["VALUES", "cases"]


class Raw(float):
    """A number that is written as it was given, such as one of 400 digits."""

    def __new__(cls, text: str) -> Self:
        """Keep the text."""
        made = super().__new__(cls, 0.0)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


def nested(depth: int) -> list[Any]:
    """A list in a list in a list …."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


VALUES: Final[dict[str, Any]] = {
    "nothing": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "half": 0.5,
    "text": "x",
    "no text": "",
    "long text": "x" * 100_000,
    "lines": "a\nerror: b\x1b[31m",
    "surrogate": "\ud800",
    "markup": "<script>alert(1)</script>",
    "path": "../../../../etc/passwd",
    "list": [],
    "object": {},
    "NaN": float("nan"),
    "infinity": float("inf"),
    "large": 10**18,
    "400 digits": 10**400,
    "5,000 digits": Raw("9" * 5_000),
    "exponent": Raw("1e999999"),
    "long list": list(range(20_000)),
    "strange list": [None, True, "x", {}, []],
    "deep": nested(900),
    "own key": {"__class__": "x", "__proto__": {"a": 1}},
}
"""What takes the place of a value in JSON."""


def cases() -> Iterator[Case]:
    """Cards, weights, reports and records of every such kind."""
    yield from _cards()
    yield from _options()
    yield from _weights()
    yield from _records()


def text_of(values: Any) -> bytes:  # noqa: ANN401 - any JSON
    """JSON with lone surrogates and numbers as given."""
    return json.dumps(values).encode()


def _cards() -> Iterator[Case]:
    kind = "cards"
    sound = seeds.card()
    for field, (name, value) in itertools.product(sound, VALUES.items()):
        if field == "weights_sha256" and name == "400 digits":
            continue

        def changed(field: str = field, value: Any = value) -> dict[str, bytes]:  # noqa: ANN401
            card = {**json.loads(seeds.model()["card.json"]), field: value}
            return {**seeds.model(), "card.json": _dumped(card)}

        yield of_files(kind, f"{field}: {name}", ".", changed, gate="model")
    for field in sound:
        yield of_files(kind, f"no {field}", ".", partial(seeds.model, {field: ...}),
                       gate="model")  # fmt: skip
    texts = {
        "empty": b"",
        "not JSON": b"{",
        "NUL": b"\0" * 500,
        "list": b"[]",
        "number": b"9" * 500,
        "deep": b"[" * 200_000,
        "deep object": b'{"a":' * 100_000,
        "2 MB": b" " * 1_999_999 + b"{}",
        "3 MB": b" " * 3_000_000,
        "UTF-16": '{"name": "a"}'.encode("utf-16"),
        "not UTF-8": b'{"\xff": 1}',
        "twice a key": b'{"name": "a", "name": "b", "version": 1}',
        "BOM": b"\xef\xbb\xbf{}",
        "version 2": b'{"version": 2}',
        "version 1e400": b'{"version": 1e400}',
        "version of 400 digits": b'{"version": ' + b"9" * 400 + b"}",
        "version of 5,000 digits": b'{"version": ' + b"9" * 5_000 + b"}",
    }
    for name, text in texts.items():
        yield of_files(kind, f"is {name}", ".", {
            **seeds.model(), "card.json": text}, gate="model", must="refused")  # fmt: skip
        yield of_bytes(kind, f"is {name}, archive", "a.zip", partial(seeds.zipped,
            {**seeds.model(), "card.json": text}), gate="archive", must="refused")  # fmt: skip


def _dumped(card: dict[str, Any]) -> bytes:
    """JSON in which a :class:`Raw` is written as its digits, and numbers may be very long."""
    marks: dict[str, str] = {}

    def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, Raw) or (isinstance(value, int) and abs(value) > 10**300):
            text = value.text if isinstance(value, Raw) else "1" + "0" * 400
            mark = f"@{len(marks)}@"
            marks[f'"{mark}"'] = text
            return mark
        return value

    text = json.dumps(plain(card))
    for mark, digits in marks.items():
        text = text.replace(mark, digits)
    return text.encode()


def _options() -> Iterator[Case]:
    """Sound cards of every architecture with absurd options."""
    kind = "cards: options"
    values: tuple[Any, ...] = (
        -1,
        0,
        1,
        2**16,
        1_000_000,
        10**12,
        10**400,
        0.5,
        "x",
        None,
        [1] * 50_000,
        {},
        True,
    )
    for path in sorted(ZOO.glob("*/card.json")):
        card = json.loads(path.read_bytes())
        for option, value in itertools.product((*card["net_options"], "members", "depth"), values):

            def changed(
                card: dict[str, Any] = card,
                option: str = option,
                value: Any = value,  # noqa: ANN401
            ) -> dict[str, bytes]:
                options = {**card["net_options"], option: value}
                own = {**card, "name": "own", "net_options": options}
                return {"card.json": _dumped(own), "weights.safetensors": seeds.weights()}

            label = f"{card['name']}: {option} = {str(value)[:12]}"
            yield of_files(
                kind,
                label,
                ".",
                changed,
                gate="model",
                must="refused"
                if option in ("members", "depth") and option not in card["net_options"]
                else "either",
            )
    for net in ("", "os.system", "__import__", "nets.build", "x" * 5_000, "../x"):
        yield of_files(kind, f"net {net[:20]}", ".", partial(seeds.model, {"net": net}),
                       gate="model", must="refused")  # fmt: skip


def _weights() -> Iterator[Case]:
    """Weights whose header lies; the card has their hash."""
    kind = "weights"
    sound = seeds.weights()
    length = int.from_bytes(sound[:8], "little")
    for at in range(8 + length):
        for which, change in enumerate(CHANGES):
            data = sound[:at] + bytes([change(sound[at])]) + sound[at + 1 :]
            yield _with_weights(kind, f"byte {at}, {which}", data)
    for at in (0, 1, 7, 8, 9, 8 + length - 1, 8 + length, len(sound) - 1):
        yield _with_weights(kind, f"first {at} bytes", sound[:at])
    body = sound[8 + length :]
    sizes = {"dtype": "F32", "shape": [19], "data_offsets": [0, 76]}
    headers: dict[str, Any] = {
        "no tensors": {},
        "other name": {"x": sizes},
        "twice": {"logits": sizes, "x": sizes},
        "huge shape": {"logits": {**sizes, "shape": [2**62]}},
        "huge product": {"logits": {**sizes, "shape": [2**32, 2**32]}},
        "zero": {"logits": {**sizes, "shape": [0]}},
        "no shape": {"logits": {**sizes, "shape": []}},
        "1,000 axes": {"logits": {**sizes, "shape": [1] * 1_000 + [19]}},
        "negative": {"logits": {**sizes, "shape": [-19]}},
        "backwards": {"logits": {**sizes, "data_offsets": [76, 0]}},
        "beyond": {"logits": {**sizes, "data_offsets": [0, 2**40]}},
        "gap": {"logits": {**sizes, "data_offsets": [4, 80]}},
        "long metadata": {"logits": sizes, "__metadata__": {"a": "x" * 1_000_000}},
        "metadata is a list": {"logits": sizes, "__metadata__": []},
        "100,000 tensors": {
            f"t{i}": {**sizes, "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)
        },
        **{
            f"type {t}": {"logits": {**sizes, "dtype": t}}
            for t in (
                "F64",
                "F16",
                "BF16",
                "I64",
                "U8",
                "BOOL",
                "F8_E4M3",
                "C64",
                "",
                "F32\n",
                None,
                5,
            )
        },
    }
    for name, header in headers.items():
        text = json.dumps(header).encode()
        yield _with_weights(kind, name, struct.pack("<Q", len(text)) + text + body)
    for stated in (0, 1, 100_000_001, 2**31, 2**63, 2**64 - 1):
        yield _with_weights(kind, f"header of {stated}", struct.pack("<Q", stated) + sound[8:])
    for name, number in {"NaN": "nan", "infinite": "inf", "1e38": "1e38"}.items():
        yield _with_weights(kind, name, sound[: 8 + length] + struct.pack("<f", float(number)) * 19)
    for name, data in {
        "pickle": b"\x80\x05c__builtin__\nprint\n.",
        "zip": seeds.zipped({"a": b"b"}),
        "deep header": struct.pack("<Q", 100_000) + b"[" * 100_000,
    }.items():
        yield _with_weights(kind, name, data)
    yield of_files(
        kind,
        "other hash",
        ".",
        lambda: seeds.model({"weights_sha256": "0" * 64}),
        gate="model",
        must="refused",
    )


def _with_weights(kind: str, name: str, data: bytes) -> Case:
    return of_files(kind, name, ".", lambda: seeds.model(None, data), gate="model")


def _records() -> Iterator[Case]:
    """A report and measured values of a shipped model, changed."""
    kind = "reports and records"
    gate: Gate = "record"
    folder = ZOO / "landcover-mosaic"
    sound = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((*folder.glob("evaluation/*"), *folder.glob("trust/*")))
    }
    sound["card.json"] = (folder / "card.json").read_bytes()
    for file, data in sound.items():
        if file == "card.json":
            continue
        texts: dict[str, bytes] = {"empty": b"", "cut": data[: len(data) // 2],
                                   "deep": b"[" * 200_000, "object": b"{}"}  # fmt: skip
        drawn = random_of(kind, file)
        for number in range(12):
            at = drawn.randrange(min(len(data), 5_000) if number % 2 else len(data))
            texts[f"byte {at}"] = data[:at] + bytes([drawn.randrange(256)]) + data[at + 1 :]
        if file.endswith(".json"):
            texts |= {f"values {label}": text for label, text in _changed(json.loads(data))}
        for label, text in texts.items():
            yield of_files(kind, f"{file}: {label}", ".", {
                **sound, file: text}, gate=gate)  # fmt: skip


def _changed(values: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """A record with one value of the first two levels replaced."""
    for key in list(values):
        inner = values[key]
        for name in ("nothing", "text", "infinity", "400 digits", "deep", "negative", "list"):
            yield f"{key}: {name}", _dumped({**values, key: VALUES[name]})
        if isinstance(inner, dict):
            for below in list(inner)[:3]:
                for name in ("nothing", "surrogate", "infinity", "400 digits"):
                    replaced = {**inner, below: VALUES[name]}
                    yield f"{key}.{below}: {name}", json.dumps({**values, key: replaced}).encode()
