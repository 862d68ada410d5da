"""Image files as a browser can show them."""

from __future__ import annotations

import io

from skactive._extras import require
from skactive.labelling._pool import Pool

MAX_BYTES = 64 * 2**20
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"BM": "image/bmp",
}


class ImageError(ValueError):
    """A file that cannot be shown as an image."""


def load_image(pool: Pool, row: int) -> tuple[bytes, str]:
    """Contents and media type of the image of a row; of rare formats a PNG is made.

    Raises
    ------
    ImageError
        If the file is outside the pool's folder, not there, too large, or no image.
    FileError
        If the pool knows that already.
    """
    path = pool.image(row)
    if path is None:
        raise ImageError("This row has no image.")
    folder = pool.path if pool.path.is_dir() else pool.path.parent
    try:
        found = path.resolve(strict=True)
        if not found.is_relative_to(folder.resolve(strict=True)):
            raise ImageError("The image is outside the data folder.")
        if not found.is_file() or found.stat().st_size > MAX_BYTES:
            raise ImageError(f"The image is no file of at most {MAX_BYTES >> 20} MiB.")
        content = found.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that form a circle
        raise ImageError(f"The image cannot be read ({type(error).__name__}).") from error
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            return content, kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return content, "image/webp"
    return _to_png(content), "image/png"


def _to_png(content: bytes) -> bytes:
    try:
        image_module = require("PIL.Image", "images", "An image of this format")
    except ImportError as error:
        raise ImageError(str(error)) from error
    try:
        with image_module.open(io.BytesIO(content)) as image:
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "PNG")
    except Exception as error:  # Pillow has no error of its own for all that may be in a file
        raise ImageError("The file is no image that Pillow can read.") from error
    return buffer.getvalue()
