"""The `data` section: where rows come from, what is done to them, how they are split."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.config.base import Group, Section

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileRole = Literal["all", "train", "validation", "test"]


class PinnedFile(Section):
    """A raw file and its content."""

    path: str = Field(min_length=1)
    """Path from the project's root. `.gz` is unpacked on the fly."""
    sha256: Sha256 | None = None
    """The file's pinned content. Needed for a file outside `data/`."""


class FileConfig(PinnedFile):
    """The raw rows of a role: one file, or several with a line for each row."""

    aligned: dict[str, PinnedFile] = Field(default_factory=dict)
    """Further files whose lines belong to those of this one, such as their translations, by the
    raw column that they become (format lines)."""


class MediaConfig(Section):
    """Recordings or pictures whose names stand in the rows."""

    path: str = Field(min_length=1)
    """A directory, or a .zip, from the project's root."""
    sha256: Sha256 | None = None
    """The pinned content: of a .zip its own, of a directory that of the names and contents of all
    its files. Needed outside `data/`."""


class FormatConfig(Section):
    """How raw files are read."""

    kind: (
        Literal["csv", "tsv", "json", "jsonl", "parquet", "lines", "conll", "span_json", "folder"]
        | None
    ) = None
    """The file format; by default the file name's ending decides. span_json is json or jsonl whose
    entities stand in the column `label`, unless data.columns says otherwise. lines is a text on
    each line, the raw column `text`, beside which aligned files may lie. folder is a directory
    or .zip of recordings or pictures: each is a row, its folder's name the label."""
    encoding: str = "utf-8"
    """Text encoding of the file."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """Column separator; by default a comma for csv, a tab for tsv, white space for conll."""
    quoting: bool = True
    """Whether `"` quotes a field (csv and tsv)."""
    column_names: tuple[str, ...] | None = None
    """Names of the columns of a file without a header."""
    span_end: Literal["exclusive", "inclusive"] = "exclusive"
    """Whether an entity's end offset points behind its last character or at it."""
    overlapping_entities: Literal["error", "longest"] = "error"
    """Of entities that overlap, the longest is kept and the report counts the others; or error."""
    tagging_scheme: Literal["BIO", "BIOES", "BMES"] = "BIO"
    """Tags of column files (conll)."""
    broken_tags: Literal["error", "mend"] = "error"
    """Tags that continue no entity begin one, and one that is not ended ends where the next begins
    (mend; the report counts such rows); or error."""
    token_separator: str = " "  # noqa: S105
    """What joins tokens of column files into a text; empty for Chinese characters."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError(
                f"Python knows no encoding {encoding!r}; for example utf-8, gb18030, latin-1"
            ) from None
        return encoding


class HubConfig(Section):
    """A dataset of the Hugging Face hub, or a local directory of the same layout."""

    dataset: str = Field(min_length=1)
    """Hub id, or a directory that begins with `./` or `/`."""
    revision: str | None = Field(default=None, min_length=7)
    """Commit of the dataset; needed for a hub id."""
    subset: str | None = None
    """The dataset's configuration name, for example `sst2` of `glue`."""
    splits: dict[FileRole, str] = Field(default={"train": "train"}, min_length=1)
    """Which hub split serves as which of ours."""

    @property
    def is_directory(self) -> bool:
        """Whether a local directory is meant."""
        return self.dataset.startswith(("./", "/"))

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if not self.is_directory and self.revision is None:
            raise ValueError("a hub dataset needs a revision (a commit), or it may change")
        return self


class LabelsConfig(Section):
    """What the raw labels mean."""

    names: tuple[str, ...] | None = None
    """Label names in the order of their ids. A raw whole number i stands for the i-th name.
    By default the sorted labels of the training split."""
    map: dict[str, str | None] | None = None
    """Raw label to label name; several raw labels may share a name, and one that leads to null is
    none: rows with it are left out, and entities of that type."""
    positive: str | None = None
    """Turns a multi-class column into a binary one: this label against all others."""
    negative_name: str = "other"
    """Name of all labels that are not the positive one."""
    separator: str = Field(default=",", min_length=1)
    """What stands between the labels of a set that is written as one text."""
    columns: tuple[str, ...] = ()
    """Raw columns of which each is a label of the set and holds 1 where a row has it, 0 or nothing
    where it has not."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.names is not None and len(set(self.names)) != len(self.names):
            raise ValueError(f"names must differ from each other, got {list(self.names)}")
        if self.positive is not None and self.positive == self.negative_name:
            raise ValueError(f"positive and negative_name must differ, both are {self.positive!r}")
        if self.map and self.names:
            unknown = sorted({name for name in self.map.values() if name} - set(self.names))
            if unknown:
                raise ValueError(f"map leads to names that `names` does not list: {unknown}")
        return self


class SplitNames(Section):
    """What a column of the data calls the splits."""

    train: tuple[str, ...] = ("train", "training")
    """Rows to train on."""
    validation: tuple[str, ...] = ("validation", "valid", "val", "dev")
    """Rows to choose by."""
    test: tuple[str, ...] = ("test", "testing")
    """Rows to measure with."""


class SplitConfig(Section):
    """How rows without explicit split files are divided. Always deterministic."""

    method: Literal["stratified", "random", "group", "shared_text", "hash", "column"] = "stratified"
    """stratified: each class keeps its share; random; group: rows with equal `group` column stay
    together; shared_text: rows that share a text, of source or target, stay together, and with them
    those that share one with these; hash: by the hash of the text, so that adding rows moves no old
    row; column: the column `split` says it, and of splits that it never names, a share is taken of
    its training rows, by group where there is the column, otherwise stratified."""
    names: SplitNames = SplitNames()
    """What the column `split` calls each split (method=column); case does not count."""
    validation: Fraction = 0.15
    """Share of the rows for validation, where no file gives it."""
    test: Fraction = 0.15
    """Share of the rows for test, where no file gives it."""
    seed: int = Field(default=0, ge=0)
    """Seed of the division (not of training)."""

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.test >= 1.0:
            raise ValueError(
                "validation + test must leave rows to train on, "
                f"got {self.validation} + {self.test}"
            )
        return self


class UnicodeStep(Section):
    """Unicode normalisation; `ftfy` also mends text decoded with the wrong encoding."""

    step: Literal["unicode"]
    form: Literal["NFC", "NFKC", "NFD", "NFKD"] = "NFKC"
    """Normal form; NFKC also joins full-width and half-width letters."""
    fix_encoding: bool = False
    """Mend mojibake with ftfy first."""


class WhitespaceStep(Section):
    """Runs of white space and control characters become one space; ends are stripped."""

    step: Literal["whitespace"]


class HtmlStep(Section):
    """Tags are removed (a line break becomes a space) and entities decoded."""

    step: Literal["html"]


class LowercaseStep(Section):
    """Lower case."""

    step: Literal["lowercase"]


class SegmentStep(Section):
    """Word segmentation: words are joined with single spaces."""

    step: Literal["segment"]
    engine: Literal["jieba", "spacy", "nltk"] = "jieba"
    """What finds words; spaCy and NLTK are optional extras."""
    language: str = "zh"
    """Language code for spaCy's blank pipeline; NLTK's tokenizer is for Latin letters."""

    @model_validator(mode="after")
    def _engine_knows_language(self) -> Self:
        if self.engine == "nltk" and self.language in {"zh", "ja", "th"}:
            raise ValueError(
                f"NLTK cannot segment language={self.language}: set language=en, or engine=jieba "
                "for Chinese"
            )
        return self


class StopWordsStep(Section):
    """Words of a list are removed; the text must have its words separated by spaces."""

    step: Literal["stop_words"]
    language: Literal["en", "zh"] | None = None
    """A built-in list."""
    words: tuple[str, ...] = ()
    """Words of the user's own, in addition."""

    @model_validator(mode="after")
    def _has_words(self) -> Self:
        if self.language is None and not self.words:
            raise ValueError("stop_words needs a language or a list of words")
        return self


class DeduplicateStep(Section):
    """Removes rows whose text occurred before (in the same or an earlier-read file)."""

    step: Literal["deduplicate"]
    ignore_case: bool = False
    """Compare lower-cased texts."""


CleaningStep = Annotated[
    UnicodeStep
    | WhitespaceStep
    | HtmlStep
    | LowercaseStep
    | SegmentStep
    | StopWordsStep
    | DeduplicateStep,
    Field(discriminator="step"),
]


class Threshold(Section):
    """From which value on a finding is a warning and from which an error; None is never."""

    warn: float | None = None
    """Above this value it is a warning."""
    error: float | None = None
    """Above this value it is an error: prepare stops and the old dataset stays."""


class QualityConfig(Section):
    """Thresholds of the data-quality report; shares are between 0 and 1."""

    null_share: Threshold = Threshold(warn=0.0, error=None)
    """Share of rows without text or label. Such rows are left out."""
    exact_duplicate_share: Threshold = Threshold(warn=0.01)
    """Share of rows whose text occurs more than once within a split."""
    near_duplicate_share: Threshold = Threshold(warn=0.05)
    """Share of rows with a near duplicate (MinHash) within a split."""
    near_duplicate_similarity: float = Field(default=0.85, gt=0.0, le=1.0)
    """Jaccard similarity of character 5-grams from which two texts are near duplicates."""
    near_duplicate_max_rows: int = Field(default=50_000, ge=0)
    """Near duplicates are looked for among at most so many rows; the report says so."""
    label_conflict_share: Threshold = Threshold(warn=0.0)
    """Share of rows whose text also occurs with a different label."""
    leakage_share: Threshold = Threshold(warn=0.0, error=0.05)
    """Share of validation or test rows whose text is in an earlier split too."""
    imbalance_ratio: Threshold = Threshold(warn=10.0)
    """Rows of the most frequent class over rows of the rarest in the training split."""
    truncated_share: Threshold = Threshold(warn=0.05)
    """Share of rows longer than max_length tokens."""
    length_ratio_share: Threshold = Threshold(warn=0.01)
    """Share of rows whose target text is three times as long or short for its input as usual."""
    copied_share: Threshold = Threshold(warn=0.01)
    """Share of rows whose target text is the input again."""
    cut_target_share: Threshold = Threshold(warn=0.0)
    """Share of rows whose target text has more tokens than are kept."""
    unknown_token_share: Threshold = Threshold(warn=0.02, error=0.3)
    """Share of tokens that the tokenizer does not know."""
    misaligned_share: Threshold = Threshold(warn=0.0, error=0.05)
    """Share of entities whose ends lie inside a token."""
    empty_share: Threshold = Threshold(warn=0.0, error=0.05)
    """Share of rows whose text is empty or only white space. Such rows are left out."""
    unreadable_share: Threshold = Threshold(warn=0.0, error=0.05)
    """Share of rows whose recording or picture is missing or damaged. Such rows are left out."""
    silent_share: Threshold = Threshold(warn=0.0, error=0.5)
    """Share of recordings quieter than 60 dB below full scale."""
    clipped_share: Threshold = Threshold(warn=0.05)
    """Share of recordings with more than 1 % of their samples at full scale."""
    odd_duration_share: Threshold = Threshold(warn=0.0)
    """Share of recordings shorter than 0.1 s, or more than ten times as long as the median."""
    crowded_share: Threshold = Threshold(warn=0.0, error=0.5)
    """Share of recordings whose transcript has more than 40 characters a second."""
    unknown_character_share: Threshold = Threshold(warn=0.0, error=0.5)
    """Share of recordings whose transcript has letters that those of the train split lack."""
    tiny_image_share: Threshold = Threshold(warn=0.0)
    """Share of rows whose picture has a side shorter than 8 pixels."""
    long_image_share: Threshold = Threshold(warn=0.01)
    """Share of rows whose picture has a side more than 4 times as long as the other."""


class DataConfig(Group):
    """Raw data and all that is done to it before encoding."""

    files: dict[FileRole, FileConfig] = Field(default_factory=dict)
    """Raw files by role. `all` or `train` is divided as `split` says where roles are missing."""
    media: MediaConfig | None = None
    """Where the recordings or pictures lie that rows name. Not needed where rows hold them: in a
    column of bytes, or of {bytes, path} as hub datasets have it."""
    bad_media: Literal["skip", "error"] = "skip"
    """Rows whose recording or picture is missing or damaged are left out and named in the report,
    or the first of them is an error."""
    bad_chats: Literal["skip", "error"] = "error"
    """Rows whose chat breaks a rule, such as one that nobody answers, are left out and counted in
    the report, or the first of them is an error."""
    hub: HubConfig | None = None
    """A hub dataset in place of files."""
    format: FormatConfig = FormatConfig()
    """How files are read."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our column name to the raw column's name: those that the task reads (text, label, …), tokens,
    tags, group, id. A column that already has our name need not be listed."""
    labels: LabelsConfig = LabelsConfig()
    """What raw labels mean."""
    slices: tuple[str, ...] = ()
    """Raw columns, such as a source or tags, by whose values runs are compared in parts too."""
    split: SplitConfig = SplitConfig()
    """How rows are divided into train, validation and test."""
    cleaning: tuple[CleaningStep, ...] = ()
    """Cleaning steps, in order."""
    quality: QualityConfig = QualityConfig()
    """Thresholds of the quality report."""
    max_rows: int | None = Field(default=None, ge=1)
    """Keep only so many rows of each file, the first ones; for trying things out."""
    language: str | None = None
    """Language code of the text, for the report and the model card."""
    licence: str | None = None
    """Licence of the data, for the model card."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.files) == (self.hub is not None):
            raise ValueError("give either files or hub, and not both")
        roles = set(self.files) | (set(self.hub.splits) if self.hub else set())
        if not roles & {"all", "train"}:
            raise ValueError(f"one file must serve as `all` or `train`, got {sorted(roles)}")
        if self.format.kind != "lines":
            named = [role for role, file in self.files.items() if file.aligned]
            if named:
                raise ValueError(
                    f"files.{named[0]}.aligned goes with format.kind=lines, a text on each line, "
                    f"and not with {self.format.kind or 'the format that the ending says'}"
                )
        if {"all", "train"} <= roles or ("all" in roles and len(roles) > 1):
            raise ValueError(f"`all` cannot stand beside other roles, got {sorted(roles)}")
        return self

    @property
    def all_files(self) -> dict[str, PinnedFile]:
        """Every raw file by its key below `files`, such as `train` or `train.aligned.target`."""
        found: dict[str, PinnedFile] = {}
        for role, file in self.files.items():
            found[role] = file
            found |= {f"{role}.aligned.{name}": other for name, other in file.aligned.items()}
        return found
