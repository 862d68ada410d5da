"""Labels, names and records as JSON text, and back as what they were."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from skactive.exceptions import JournalError

_TAG = "$"
_MAX_BITS = 8192  # Python refuses to print much longer ints


def to_text(value: Any, name: str) -> str:
    """JSON in ASCII, which every database stores as it is."""
    return json.dumps(_encode(value, name), allow_nan=False)


def from_text(text: str) -> Any:
    """What `to_text` was given; NumPy scalars come back as plain Python values."""
    return _decode(json.loads(text))


def dtype_name(array: NDArray[Any], name: str) -> str:
    """The dtype in a form that `array_of` understands."""
    dtype = array.dtype
    if dtype.kind not in "biufOSUMmT" or (dtype.kind == "f" and dtype.itemsize > 8):
        raise JournalError(
            f"{name} has dtype {dtype}, which a journal cannot hold. Use numbers of at most 64 "
            "bits, bools or texts, for instance with .astype(float) or .astype(str)."
        )
    return "T" if dtype.kind == "T" else dtype.str


def entry_texts(array: NDArray[Any], name: str) -> list[str]:
    """One JSON text for each entry along the first axis."""
    if array.ndim == 1:
        return [json.dumps(entry) for entry in _entries(array, name)]
    return [json.dumps(_entries(row.reshape(-1), name)) for row in array]


def array_of(texts: list[str], dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array that `entry_texts` was given."""
    entries = [json.loads(text) for text in texts]
    if len(shape) > 1:
        entries = list(chain.from_iterable(entries))
    return _to_array(entries, dtype, shape)


def _encode(value: Any, name: str) -> Any:
    """JSON values for any value that can be kept."""
    if isinstance(value, np.ndarray):
        dtype = dtype_name(value, name)
        entries = _entries(value.reshape(-1), name)
        return {_TAG: "array", "dtype": dtype, "shape": list(value.shape), "value": entries}
    if isinstance(value, np.datetime64 | np.timedelta64):
        return {_TAG: "numpy", "dtype": value.dtype.str, "value": int(value.view(np.int64))}
    if isinstance(value, np.generic):
        dtype_name(np.asarray(value), name)
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        value = int(value)
        return value if value.bit_length() < _MAX_BITS else {_TAG: "int", "value": hex(value)}
    if isinstance(value, float):
        value = float(value)
        return value if math.isfinite(value) else {_TAG: "float", "value": repr(value)}
    if isinstance(value, str):
        return _encode_str(str.__str__(value))
    if isinstance(value, list):
        return [_encode(entry, name) for entry in value]
    if isinstance(value, dict):
        return _encode_dict(value, name)
    return _encode_other(value, name)


def _encode_str(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON would join two surrogates to one character
        return {_TAG: "str", "value": _base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _encode_dict(value: dict[Any, Any], name: str) -> Any:
    if _TAG not in value and all(type(key) is str and _is_unicode(key) for key in value):
        return {key: _encode(entry, name) for key, entry in value.items()}
    pairs = [[_encode(key, name), _encode(entry, name)] for key, entry in value.items()]
    return {_TAG: "dict", "value": pairs}


def _encode_other(value: Any, name: str) -> Any:
    if isinstance(value, tuple):
        return {_TAG: "tuple", "value": [_encode(entry, name) for entry in value]}
    if type(value) is bytes:
        return {_TAG: "bytes", "value": _base64(value)}
    if type(value) is uuid.UUID:
        return {_TAG: "uuid", "value": str(value)}
    if type(value) is date:
        return {_TAG: "date", "value": value.isoformat()}
    if type(value) is datetime and _zone_of(value) is not None:
        return {
            _TAG: "datetime",
            "value": value.replace(tzinfo=None).isoformat(),
            "zone": _zone_of(value),
            "fold": value.fold,
        }
    if _is_pandas_timestamp(value):
        return _encode_timestamp(value)
    raise JournalError(
        f"{name} holds {value!r} of type {type(value).__module__}.{type(value).__qualname__}, "
        "which a journal cannot hold. Use numbers, texts, bools, bytes, dates, UUIDs, or tuples, "
        "lists and dicts of them; str(value) often does. Nothing was written."
    )


def _encode_timestamp(value: Any) -> Any:
    moment = value if value.tzinfo is None else value.tz_convert("UTC").tz_localize(None)
    zone = getattr(value.tzinfo, "zone", None) or getattr(value.tzinfo, "key", None)
    if value.tzinfo is not None and zone is None:  # a fixed distance from UTC
        zone = value.utcoffset().total_seconds()
    return {_TAG: "timestamp", "value": moment.isoformat(), "zone": zone, "unit": value.unit}


def _is_pandas_timestamp(value: Any) -> bool:
    kind = type(value)
    return kind.__module__.split(".")[0] == "pandas" and kind.__name__ == "Timestamp"


def _zone_of(value: datetime) -> Any:
    """A name, seconds from UTC, "" for none, or None where it cannot be written."""
    if value.tzinfo is None:
        return ""
    if type(value.tzinfo) is timezone:
        return value.tzinfo.utcoffset(None).total_seconds()
    return value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: _decode(entry) for key, entry in value.items()}
    return _DECODERS[value[_TAG]](value)


def _decode_datetime(value: dict[str, Any]) -> datetime:
    zone = value["zone"]
    moment = datetime.fromisoformat(value["value"]).replace(fold=value["fold"])
    return moment if zone == "" else moment.replace(tzinfo=_to_zone(zone))


def _decode_timestamp(value: dict[str, Any]) -> Any:
    import pandas as pd

    moment = pd.Timestamp(value["value"]).as_unit(value["unit"])
    if value["zone"] is None:
        return moment
    zone = value["zone"] if isinstance(value["zone"], str) else _to_zone(value["zone"])
    return moment.tz_localize("UTC").tz_convert(zone)


def _to_zone(zone: str | float) -> ZoneInfo | timezone:
    return ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(seconds=zone))


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "array": lambda value: _to_array(value["value"], value["dtype"], tuple(value["shape"])),
    "numpy": lambda value: _to_array([value["value"]], value["dtype"], (1,))[0],
    "int": lambda value: int(value["value"], 16),
    "float": lambda value: float(value["value"]),
    "str": lambda value: base64.b64decode(value["value"]).decode("utf-8", "surrogatepass"),
    "dict": lambda value: {_decode(key): _decode(entry) for key, entry in value["value"]},
    "tuple": lambda value: tuple(_decode(entry) for entry in value["value"]),
    "bytes": lambda value: base64.b64decode(value["value"]),
    "uuid": lambda value: uuid.UUID(value["value"]),
    "date": lambda value: date.fromisoformat(value["value"]),
    "datetime": _decode_datetime,
    "timestamp": _decode_timestamp,
}


def _entries(array: NDArray[Any], name: str) -> list[Any]:
    """JSON values of a flat array, whose dtype is kept elsewhere."""
    if array.dtype.kind in "Mm":
        array = array.view(np.int64)
    entries: list[Any] = array.tolist()
    if array.dtype.kind in "biu" or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return entries
    return [_encode(entry, name) for entry in entries]


def _to_array(entries: list[Any], dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    kind = np.dtype(dtype).kind
    if kind in "Mm":
        return np.array(entries, dtype=np.int64).view(dtype).reshape(shape)
    if kind == "O":
        array = np.empty(len(entries), dtype=object)
        for place, entry in enumerate(entries):
            array[place] = _decode(entry)
        return array.reshape(shape)
    return np.array([_decode(entry) for entry in entries], dtype=dtype).reshape(shape)


def _is_unicode(value: str) -> bool:
    return isinstance(_encode_str(value), str)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
