"""Words of a text as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.data.quality.scripts import script_shares

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

UNSPACED_SCRIPTS = ("Han", "Kana", "Thai")
_SAMPLE_ROWS = 1_000
_MAX_FEATURES = 200_000


def tfidf_features(texts: Sequence[str]) -> TfidfVectorizer:
    """What makes TF-IDF features that suit these texts; not yet fitted.

    Features are words and pairs of words; where the text is written without spaces, runs of one to
    three characters.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    features = (
        {"analyzer": "char", "ngram_range": (1, 3)}
        if is_unspaced(texts)
        else {"token_pattern": r"(?u)\b\w+\b", "ngram_range": (1, 2)}
    )
    return TfidfVectorizer(sublinear_tf=True, max_features=_MAX_FEATURES, **features)


def is_unspaced(texts: Sequence[str]) -> bool:
    """Whether words are not separated: a script without spaces, and no segmentation before."""
    sample = texts[:: max(1, len(texts) // _SAMPLE_ROWS)]
    shares = script_shares(sample)
    if sum(shares.get(script, 0.0) for script in UNSPACED_SCRIPTS) < 0.2:
        return False
    pieces = [piece for text in sample for piece in text.split()]
    return sum(map(len, pieces)) > 3 * len(pieces)
