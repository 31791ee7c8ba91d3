"""Files of sound that end before they should by their own words, which libsndfile passes over."""

from __future__ import annotations

import struct

_OPEN_ENDED = (0, 0xFFFF_FFFF)
"""What programs that write to a pipe give as the size of a WAV's data, which they do not know."""
_PAGE_HEAD = 27
"""Bytes of an Ogg page before the sizes of its segments, whose number the last of them says."""


def missing_bytes(content: bytes) -> int:
    """Bytes at least that a WAV or Ogg file promises and lacks; 0 for others.

    Args:
        content: The file's bytes.
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return _of_wav(content)
    if content[:4] == b"OggS":
        return _of_ogg(content)
    return 0


def _of_wav(content: bytes) -> int:
    """What the chunk of samples lacks."""
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        if name == b"data":
            return 0 if size in _OPEN_ENDED else max(place + 8 + size - len(content), 0)
        place += 8 + size + size % 2
    return 0


def _of_ogg(content: bytes) -> int:
    """What the last page lacks (RFC 3533); whether there should be more pages it does not say."""
    place = 0
    while content.startswith(b"OggS", place):
        body = place + _PAGE_HEAD
        if body > len(content):
            return body - len(content)
        body += content[body - 1]
        if body > len(content):
            return body - len(content)
        place = body + sum(content[place + _PAGE_HEAD : body])
    return max(place - len(content), 0)
