"""What a faulty preset is answered with."""

from __future__ import annotations

from typing import Any

import pytest

from search.presets.files import PresetError, parse_preset

RELU = {"activation": ["relu"]}
RANGE = {"learning_rate": {"low": 0.1, "high": 0.2}}


def sentence(tree: dict[str, Any]) -> str:
    """The one sentence about a faulty preset, which names its file."""
    with pytest.raises(PresetError) as caught:
        parse_preset(tree, "x.toml")
    message = str(caught.value)
    assert message.startswith("x.toml: ")
    assert "\n" not in message
    return message
