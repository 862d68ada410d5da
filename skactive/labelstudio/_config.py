"""What a project of Label Studio shows: its labeling configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from skactive._validation import check_choice
from skactive.annotations._labels import check_labels

KINDS = ("text", "image", "table")
CONTROL = "label"  # name of the tag that takes the label
CONTENT = {"text": "text", "image": "image", "table": "row"}  # name and key of what is shown
# Other letters are taken by Label Studio's own shortcuts.
_HOTKEYS = "1234567890qwetasdfgzxcvb"
_OBJECTS = {
    "text": '<Text name="text" value="$text" valueType="text"/>',
    "image": '<Image name="image" value="$image" zoom="true"/>',
    "table": '<Table name="row" value="$row"/>',
}
# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def labeling_config(
    kind: str,
    labels: Sequence[Any] | None,
    *,
    multiple: bool = False,
    dont_know: str | None = "?",
) -> str:
    """Labeling configuration of a Label Studio project for tasks of ``export_tasks``.

    Paste it under *Settings, Labeling Interface, Code*.

    Parameters
    ----------
    kind : {"text", "image", "table"}
        What the rows are.
    labels : sequence or None
        Labels to choose from, each with a key of its own as far as there are keys. None asks for
        a number.
    multiple : bool, default=False
        Whether several labels may be chosen.
    dont_know : str or None, default="?"
        A further choice, which says that nobody can label the row; None offers none.

    Returns
    -------
    config : str
        XML.

    Raises
    ------
    ValueError
        If labels are empty, or the same as texts, or hold characters that XML cannot.

    Examples
    --------
    >>> from skactive.labelstudio import labeling_config
    >>> print(labeling_config("text", ["good", "bad"]))
    <View>
      <Text name="text" value="$text" valueType="text"/>
      <Choices name="label" toName="text" choice="single-radio" required="true">
        <Choice value="good" hotkey="1"/>
        <Choice value="bad" hotkey="2"/>
        <Choice value="?" hotkey="3"/>
      </Choices>
    </View>
    """
    check_choice(kind, "kind", KINDS)
    shown = CONTENT[kind]
    lines = ["<View>", f"  {_OBJECTS[kind]}"]
    if labels is None:
        lines.append(f'  <Number name="{CONTROL}" toName="{shown}"/>')
    else:
        choice = "multiple" if multiple else "single-radio"
        lines.append(
            f'  <Choices name="{CONTROL}" toName="{shown}" choice="{choice}" required="true">'
        )
        texts = [str(label) for label in check_labels(labels, dont_know)]
        texts += [] if dont_know is None else [dont_know]
        lines += [f"    {_choice(text, place)}" for place, text in enumerate(texts)]
        lines.append("  </Choices>")
    return "\n".join([*lines, "</View>"])


def _choice(text: str, place: int) -> str:
    if (illegal := _ILLEGAL.search(text)) is not None:
        raise ValueError(
            f"labels holds {text!r}, with the character {illegal[0]!r}, which XML cannot hold. "
            "Choose another name for the label."
        )
    attributes = f'value="{_quoted(text)}"'
    if text.startswith("$"):
        # Label Studio would look such a value up in the task, but never an alias.
        attributes = f'value="&#8203;{_quoted(text)}" alias="{_quoted(text)}"'
    if place < len(_HOTKEYS):
        attributes += f' hotkey="{_HOTKEYS[place]}"'
    return f"<Choice {attributes}/>"


def _quoted(text: str) -> str:
    """The inside of an attribute; parsers turn line breaks that are not escaped into spaces."""
    return escape(text, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
