"""Folders of images, and small grey pixels as features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skactive._extras import require
from skactive.files._errors import FileError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
SIDE = 16


def find_images(folder: Path) -> tuple[list[str], int]:
    """Paths of the images relative to the folder, sorted; and the number of other files."""
    names: list[str] = []
    n_others = 0
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if file.startswith("."):
                continue
            if file.lower().endswith(IMAGE_SUFFIXES):
                names.append(Path(parent, file).relative_to(folder).as_posix())
            else:
                n_others += 1
    if not names:
        raise FileError(
            f"{folder} holds no images; files that end in {', '.join(IMAGE_SUFFIXES)} are read."
        )
    return sorted(names), n_others


def _refuse(error: OSError) -> None:
    raise error


def image_file(folder: Path, name: str) -> Path:
    """The file of an image, which must lie inside the folder, links followed."""
    try:
        name.encode("utf-8")
        path = (folder / name).resolve()
    except (UnicodeEncodeError, ValueError, RuntimeError, OSError) as error:
        raise FileError(f"{name!r} is no name of an image file. Rename it.") from error
    if not path.is_relative_to(folder.resolve()):
        raise FileError(f"{name!r} is outside the folder {folder}. Copy the image into it.")
    if not path.is_file():
        raise FileError(f"{folder} holds no image {name!r}. Paths count from that folder.")
    return path


def grey_pixels(files: Sequence[Path]) -> NDArray[np.float32]:
    """Every image as SIDE x SIDE shades of grey in [0, 1]."""
    image_module = require("PIL.Image", "images", "Features of images")
    turned = require("PIL.ImageOps", "images", "Features of images").exif_transpose
    pixels = np.empty((len(files), SIDE * SIDE), dtype=np.float32)
    for i, path in enumerate(files):
        try:
            with image_module.open(path) as image:
                image.draft("L", (2 * SIDE, 2 * SIDE))  # JPEG decodes at a fraction of its size
                grey = turned(image).convert("L").resize((SIDE, SIDE), image_module.Resampling.BOX)
        except Exception as error:  # Pillow's readers raise whatever a damaged file leads to
            raise FileError(
                f"{path} cannot be read as an image: {error}. Take it out, or save it again."
            ) from error
        pixels[i] = np.asarray(grey, dtype=np.float32).ravel() / 255
    return pixels
