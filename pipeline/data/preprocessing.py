"""What happened to a text before it was encoded, kept beside the model for predict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import ConfigDict, ValidationError

from pipeline.artifacts import read_json, write_json
from pipeline.config.base import Section
from pipeline.config.data import CleaningStep
from pipeline.data.cleaning.clean import clean_texts
from pipeline.errors import UserError

FILE_NAME = "preprocessing.json"


class Preprocessing(Section):
    """How texts were prepared; `outputs/dataset/preprocessing.json`, copied beside the model."""

    model_config = ConfigDict(strict=False)

    cleaning: tuple[CleaningStep, ...]
    """The cleaning steps, in order."""
    max_length: int
    """Most tokens a text keeps."""

    def clean(self, texts: Sequence[str]) -> list[str]:
        """Cleans texts to predict for as those of training were cleaned."""
        return clean_texts(texts, self.cleaning)

    def write(self, directory: Path) -> None:
        """Writes the file into a directory."""
        write_json(directory / FILE_NAME, self.model_dump(mode="json"))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Reads the file of a directory.

        Raises:
            UserError: If it is missing or damaged.
        """
        path = directory / FILE_NAME
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            raise UserError(
                f"{path} was not written by this version: {error.errors()[0]['msg']}",
                remedy="make it anew with `dvc repro --force prepare train`",
            ) from error
