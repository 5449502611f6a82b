"""The page about the pipeline file names every key there is, with its default."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from penstock.pipeline.join_by import ByKey, ByOrder, ByTimestamp, ByTriggerMap
from penstock.pipeline.spec import (
    AlarmSpec,
    ControlSpec,
    JoinSpec,
    MergeSpec,
    ServeSpec,
    SinkSpec,
    SourceSpec,
    StageSpec,
    WorkersSpec,
)
from penstock.pipeline.spec_reader import SECTIONS
from penstock.pipeline.thing import RESERVED

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "pipeline-file.md").read_text()
MODELS = (
    SourceSpec,
    JoinSpec,
    MergeSpec,
    StageSpec,
    WorkersSpec,
    SinkSpec,
    AlarmSpec,
    ControlSpec,
    ServeSpec,
    ByKey,
    ByOrder,
    ByTimestamp,
    ByTriggerMap,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_on_the_page(model: type[BaseModel]) -> None:
    keys = [field.alias or name for name, field in model.model_fields.items()]
    assert [key for key in keys if f"`{key}`" not in PAGE and f"{key}:" not in PAGE] == []


def test_every_section_and_reserved_word_is_on_the_page() -> None:
    assert [word for word in (*SECTIONS, *RESERVED) if f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize("model", [ByKey, ByOrder, ByTimestamp, ByTriggerMap])
def test_every_default_of_a_join_is_on_the_page(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=False)
        if default is not None:
            shown = "[]" if default == () else str(default).lower()
            assert f"`{name}: {shown}`" in PAGE
