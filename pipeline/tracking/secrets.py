"""Keeps tokens and passwords out of everything that is logged."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

MASK = "***"

_SECRET_VARIABLE = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|KEY|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 6
"""Shorter values of such variables ("1", "true", "off") are switches, not secrets."""
_WORD = (
    r"(?:password|passwd|passphrase|secret|credentials?|authorization"
    r"|(?:auth|access|api|hf|hub|bearer|refresh|session|client|private|secret)[_-]?(?:token|key))"
)
_SECRET_NAME = re.compile(rf"(?:^|[._-]){_WORD}$|(?:^|\.)token$", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    rf"""((?<![\w.-])["']?(?:(?:[\w.-]*[._-])?{_WORD}|token(?!["']?\s*[:=]\s*-?[\d.]))["']?"""
    r"""[ \t]*[:=][ \t]*)(?!null\b|None\b|true\b|false\b|[~\[{\n])["']?[^\s"',}]+["']?""",
    re.IGNORECASE,
)
"""A name that promises a secret, and its value; a `token` with a number is a metric."""
_LITERAL = re.compile(
    rf"""((?<![\w.-])["']?(?:(?:[\w.-]*[._-])?{_WORD}|token)["']?[ \t]*[:=][ \t]*(["']))"""
    r"""[^"'\s]{6,}(?=\2)""",
    re.IGNORECASE,
)
"""The same in source code, where a value is a secret only if it is a text without spaces."""
_HEADER = re.compile(
    r"""(\bauthorization["']?\s*[:=]\s*["']?(?:basic|bearer|token|digest|apikey)\s+)[^\s"',}]+""",
    re.IGNORECASE,
)
_SECRET_FILE = re.compile(
    r"(?:^|/)(?:\.env(?:\.[\w-]+)?|\.netrc|\.pgpass|\.htpasswd|id_(?:rsa|dsa|ecdsa|ed25519)"
    r"|credentials|(?:credentials|secrets?)\.(?:ya?ml|json|toml|ini|env|txt|csv)"
    r"|[^/]+\.(?:pem|key|p12|pfx|kdbx))$",
    re.IGNORECASE,
)
_PATCH_OF_FILE = re.compile(r"^(?=diff --git )", re.MULTILINE)
_URL_LOGIN = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^/\s:@\"']*)(:[^/\s\"']*)?@", re.IGNORECASE)
_URL_QUERY = re.compile(
    r"([?&](?:[\w-]*(?:token|password|secret|signature|key)|sig)=)[^&\s\"']+", re.IGNORECASE
)
_KNOWN_SHAPES = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|AKIA[0-9A-Z]{16}|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}|dapi[0-9a-f]{32})"
    r"|(?<=Bearer )[\w.~+/=-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)


class Redactor:
    """Replaces secrets in text by `***`.

    What counts as one: the value of an environment variable whose name speaks of a token, password,
    secret, key or credential (from six characters on); the login in a URL; a query parameter of
    such a name; an authorization header; a value assigned to such a name; the well-known shapes of
    access tokens; and, in a patch, files that are kept for secrets, such as `.env`.

    Args:
        environment: The variables to protect; by default those of this process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        variables = os.environ if environment is None else environment
        values = {
            value.strip()
            for name, value in variables.items()
            if _SECRET_VARIABLE.search(name) and len(value.strip()) >= _SHORTEST_SECRET
        }
        longest_first = sorted(values, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if values else None

    def value(self, name: str, text: str) -> str:
        """The text of a parameter or tag; `***` as a whole if its name promises a secret."""
        if text not in {"", "null"} and _SECRET_NAME.search(name):
            return MASK
        return self.text(text)

    def text(self, text: str) -> str:
        """A short text, for example an error message or a URL."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        text = _URL_LOGIN.sub(
            lambda match: f"{match[1]}{match[2] + ':' if match[3] else ''}{MASK}@", text
        )
        text = _URL_QUERY.sub(rf"\1{MASK}", text)
        text = _HEADER.sub(rf"\1{MASK}", text)
        return _KNOWN_SHAPES.sub(MASK, text)

    def document(self, text: str) -> str:
        """A file's content: as `text`, and values assigned to secret names (YAML, JSON, code).

        A git patch loses the files that are kept for secrets, and can still be applied.
        """
        if text.startswith("diff --git "):
            text = "".join(filter(_is_harmless, _PATCH_OF_FILE.split(text)))
        return _ASSIGNMENT.sub(rf"\1{MASK}", self.text(text))

    def source(self, text: str) -> str:
        """Source code that has to run: as `text`, and literals assigned to secret names."""
        return _LITERAL.sub(rf"\1{MASK}", self.text(text))


def _is_harmless(patch: str) -> bool:
    """Whether the patch of one file is of one that is not kept for secrets."""
    name = patch.partition("\n")[0].rpartition(" ")[2].strip('"')
    return _SECRET_FILE.search(name) is None
