"""The command ``models layers``."""

from __future__ import annotations

import json

import pytest

from landcover.cli.exit_status import BAD, DONE
from landcover.cli.main import main


def test_the_blocks_of_a_model_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "layers", "landcover-cnn"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if line.startswith("members.0.layout.1")]
    assert row.split("  ")[0] == "members.0.layout.1 (× 4)"
    assert "residual of 3 × 3, 3 × 3" in row
    assert "15 × 15, 96" in row
    assert "68 px, 680 m" in row
    assert f"{4 * 166_272:,}" in row
    assert lines[-1].startswith("1,161,228 parameters, 527,903,616 multiply-adds for 12 bands")


def test_a_net_need_not_be_trained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "layers", "resnet-18", "--all"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("trunk.layer4.1 ") for line in lines)
    assert any(line.startswith("  trunk.layer4.1.conv2 ") for line in lines)


def test_json_has_every_block_and_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "layers", "landcover-area", "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["input"] == {"bands": 12, "rows": 120, "columns": 120}
    assert found["parameters"] == sum(block["parameters"] for block in found["blocks"]) == 682_742
    blocks = {block["name"]: block for block in found["blocks"]}
    assert blocks["trunk.stem"]["receptive_field"] == 8  # 4 × 4 means of 2 × 2 pixels
    assert blocks["trunk.stem"]["receptive_field_m"] == 80
    assert blocks["trunk.stem"]["inputs"] == ["pixels"]
    assert [each["kind"] for each in blocks["trunk.stem"]["layers"]] == [
        "4 × 4 convolution, stride 2",
        "normalisation",
        "ReLU",
    ]
    assert blocks["head"]["receptive_field"] is None
    assert found["scores_from"] == ["head"]


def test_an_unknown_name_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "layers", "resnet-19"]) == BAD
    assert capsys.readouterr().err.startswith("error: Unknown model 'resnet-19'")
