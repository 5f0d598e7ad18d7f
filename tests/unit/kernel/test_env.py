"""Settings come from the environment; what is wrong is named and never shown."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.kernel.env import Misconfigured, from_env


@dataclass(frozen=True)
class Settings:
    url: str
    workers: int = 4
    share: float = 0.5
    loud: bool = False
    pause: timedelta = timedelta(seconds=2)
    home: Path = Path("var")
    names: tuple[str, ...] = ()


def test_each_type_is_read_from_its_variable() -> None:
    env = {
        "URL": "nats://bus",
        "WORKERS": "8",
        "SHARE": "0.25",
        "LOUD": "True",
        "PAUSE": "0.5",
        "HOME": "/srv",
        "NAMES": "one, two,,",
    }
    assert from_env(Settings, env) == Settings(
        "nats://bus", 8, 0.25, True, timedelta(milliseconds=500), Path("/srv"), ("one", "two")
    )


def test_what_is_not_set_or_empty_has_its_default() -> None:
    assert from_env(Settings, {"URL": "x", "WORKERS": "", "HOME": " "}) == Settings("x")


def test_every_bad_field_is_named_and_no_value_is_shown() -> None:
    env = {"WORKERS": "sesame", "LOUD": "sesame", "PAUSE": "nan", "SHARE": "sesame"}
    with pytest.raises(Misconfigured) as caught:
        from_env(Settings, env)
    assert set(caught.value.problems) == {"URL", "WORKERS", "SHARE", "LOUD", "PAUSE"}
    assert "URL must be set" in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert caught.value.__cause__ is None
