"""The vocabulary of models, and that asking for one adapter does not load the others."""

import subprocess
import sys

import pytest

import hubline.models
from hubline.errors import HublineError
from hubline.models import Fault, ModelError


def test_an_error_names_the_model_and_what_happened() -> None:
    error = ModelError("SmolLM2", Fault.BUSY, "takes no more requests at the moment")
    assert str(error) == "SmolLM2 takes no more requests at the moment"
    assert (error.model, error.fault) == ("SmolLM2", Fault.BUSY)
    assert isinstance(error, HublineError)


def test_every_public_name_is_there() -> None:
    assert [name for name in hubline.models.__all__ if getattr(hubline.models, name, None) is None] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hubline.models.Nothing  # noqa: B018


def test_optional_dependencies_are_loaded_by_those_who_use_them_only() -> None:
    program = "import sys, hubline.models as m; m.ScriptedModel; print({'openai', 'xllamacpp'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
