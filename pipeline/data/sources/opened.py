"""Opens raw files, packed or not, and says what is wrong with their bytes."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from pipeline.data.sources.raw import SourceFile
from pipeline.errors import DataError, EnvironmentProblem

DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)
SAMPLE_BYTES = 2**20


def open_bytes(file: SourceFile) -> IO[bytes]:
    """The file's content, unpacked."""
    return cast(IO[bytes], gzip.open(file.path)) if file.is_gzip else file.path.open("rb")


def open_text(file: SourceFile, encoding: str) -> io.TextIOWrapper:
    """The file's content as text; without a byte order mark, all line ends alike."""
    return io.TextIOWrapper(open_bytes(file), encoding=without_mark(encoding))


def without_mark(encoding: str) -> str:
    """The encoding that also skips a byte order mark."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


@contextmanager
def reading(file: SourceFile, encoding: str = "utf-8") -> Iterator[None]:
    """Turns what a reader raises for bad bytes into errors that name file, row and remedy.

    Raises:
        DataError: If the file is damaged or has another encoding.
        EnvironmentProblem: If the machine refuses to read it.
    """
    try:
        yield
    except UnicodeError as error:
        raise undecodable(file, encoding) from error
    except DAMAGED as error:
        raise DataError(
            f"the gzip file is damaged: {error}",
            file=file.name,
            remedy="fetch it again; a file that is not packed must not end in .gz",
        ) from error
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {file.name}: {error.strerror or error}",
            remedy="mend the permissions of the file or the disk",
        ) from error


def undecodable(file: SourceFile, encoding: str) -> DataError:
    """The error for bytes that are no text in an encoding, with row and likelier encoding."""
    row, found = None, ""
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                row, found = number, f": byte 0x{line[error.start]:02x}"
                break
    likely = _likely_encoding(file)
    return DataError(
        f"the text is not {encoding}{found}",
        file=file.name,
        row=row,
        remedy="set data.format.encoding"
        + (f" to {likely}, in which the file can be read" if likely else ""),
    )


def _likely_encoding(file: SourceFile) -> str | None:
    with open_bytes(file) as stream:
        sample = stream.read(SAMPLE_BYTES)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8", "gb18030", "cp1252"):
        try:
            # The sample may end inside a character.
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        han = sum("\u4e00" <= letter <= "\u9fff" for letter in text)
        foreign = sum(letter > "\x7f" for letter in text)
        if encoding != "gb18030" or han > foreign / 2:
            return encoding
    return None
