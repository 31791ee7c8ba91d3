"""The tokenizer of Marian checkpoints (OPUS-MT), read without sentencepiece and as fast as others.

Sources and targets are cut by a sentencepiece model each; one vocabulary then numbers the pieces.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, processors
from transformers import PreTrainedTokenizerFast

from pipeline.errors import CheckpointError
from pipeline.models.locate import read_json_object
from pipeline.models.segmenter import read_segmenter

SOURCE, TARGET = "source.spm", "target.spm"
"""The models that cut sources and targets."""

_VOCABULARY, _SETTINGS = "vocab.json", "tokenizer_config.json"
_SPECIAL = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>"}
_POSITIONS = 512
_CODE_BEGINS, _CODE_ENDS = ">>", "<<"


class MarianFastTokenizer(PreTrainedTokenizerFast):
    """Gives the ids of transformers' `MarianTokenizer`, and keeps its files.

    As there, `_switch_to_target_mode` has targets cut, and a language's code (`>>cmn_Hans<<`) that
    a text begins with is one token. Two ways to cut a long text that are equally likely but for
    rounding may be told apart in another way.

    Attributes:
        files: Contents of the checkpoint's files of the tokenizer, by name.
    """

    def __init__(self, directory: Path) -> None:
        self.files = {name: _content(directory / name) for name in (SOURCE, TARGET, _VOCABULARY)}
        self._settings = _settings(directory)
        special = {role: _text(self._settings.get(role, one)) for role, one in _SPECIAL.items()}
        backend = _numbering(directory / _VOCABULARY, special)
        self._sources, self._targets = (
            read_segmenter(directory / name, tuple(special.values())) for name in (SOURCE, TARGET)
        )
        self._cutter = self._sources
        super().__init__(  # type: ignore[no-untyped-call]
            tokenizer_object=backend,
            model_input_names=["input_ids", "attention_mask"],
            model_max_length=self._settings.get("model_max_length", _POSITIONS),
            **special,
        )

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, directory: str | Path, **_: Any
    ) -> MarianFastTokenizer:
        """Reads the files of a local directory.

        Raises:
            CheckpointError: If one is missing or damaged, or of a kind that is not supported.
        """
        return cls(Path(directory))

    def segment(self, texts: list[str]) -> list[list[str]]:
        """The pieces of each text, by the model for sources or, in target mode, for targets."""
        codes, bodies = zip(*map(_divided, texts), strict=True) if texts else ((), ())
        encodings = self._cutter.encode_batch(list(bodies), add_special_tokens=False)
        return [code + encoding.tokens for code, encoding in zip(codes, encodings, strict=True)]

    @property
    def segmentation(self) -> str:
        """All that determines the pieces, whatever the mode."""
        return str(self._sources.to_str()) + str(self._targets.to_str())

    def save_pretrained(self, save_directory: Any, *_: Any, **__: Any) -> tuple[str, ...]:
        """Writes the files that were read, so that transformers reads what it knows."""
        directory = Path(save_directory)
        directory.mkdir(parents=True, exist_ok=True)
        settings = {
            **self._settings,
            "tokenizer_class": "MarianTokenizer",
            "model_max_length": self.model_max_length,
        }
        text = json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        written = {**self.files, _SETTINGS: text.encode()}
        for name, content in written.items():
            (directory / name).write_bytes(content)
        return tuple(str(directory / name) for name in written)

    def _encode_plus(self, text: Any, *_: Any, **settings: Any) -> Any:
        several = not isinstance(text, str)
        pieces = self.segment(list(text) if several else [text])
        settings["is_split_into_words"] = True
        return super()._encode_plus(pieces if several else pieces[0], **settings)

    def _switch_to_input_mode(self) -> None:
        self._cutter = self._sources

    def _switch_to_target_mode(self) -> None:
        self._cutter = self._targets


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read, and {path.parent} has the rest of a Marian tokenizer",
            remedy=f"fetch the checkpoint again, with {SOURCE}, {TARGET} and {_VOCABULARY}",
        ) from error


def _settings(directory: Path) -> dict[str, Any]:
    path = directory / _SETTINGS
    settings = read_json_object(path) if path.is_file() else {}
    if settings.get("separate_vocabs"):
        raise CheckpointError(
            f"{path}: separate_vocabs says that sources and targets are numbered by vocabularies "
            "of their own, which is not supported",
            remedy="choose a checkpoint with one vocabulary, as most of Helsinki-NLP are",
        )
    return settings


def _numbering(path: Path, special: dict[str, str]) -> Tokenizer:
    """Pieces to ids and back; what the vocabulary lacks is unknown."""
    vocabulary = read_json_object(path)
    lacking = [one for one in special.values() if one not in vocabulary]
    if lacking:
        raise CheckpointError(
            f"{path} has no token {lacking[0]}", remedy="fetch the checkpoint again"
        )
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=special["unk_token"]))
    end = special["eos_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {end}",
        pair=f"$A $B {end}",
        special_tokens=[(end, vocabulary[end])],
    )
    backend.decoder = decoders.Metaspace()
    return backend


def _text(token: Any) -> str:
    """A special token as older files (a text) or newer ones (an object) have it."""
    return str(token["content"] if isinstance(token, dict) else token)


def _divided(text: str) -> tuple[list[str], str]:
    """The code of a language that a text begins with, and the rest."""
    end = text.find(_CODE_ENDS) if text.startswith(_CODE_BEGINS) else -1
    if end < 0:
        return [], text
    end += len(_CODE_ENDS)
    return [text[:end]], text[end:]
