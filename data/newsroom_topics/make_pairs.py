"""Makes `pairs.jsonl.gz`: every news item of data/newsroom with the descriptions of all topics.

Run it in the project's root with `python data/newsroom_topics/make_pairs.py`; it needs no package,
and the same corpus gives the same lines.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

DESCRIPTIONS = {
    "sports": "Matches, races and tournaments, and the athletes, coaches and clubs in them.",
    "business": "Companies, markets, trade and jobs: who earns, invests, hires or goes under.",
    "technology": "Software, devices, networks and machines, and what is built with them.",
    "science": "Research and discoveries, from particles, fossils and animals to the stars.",
    "politics": "Governments, parliaments, elections, laws and relations between states.",
    "culture": "Books, films, music, theatre, museums and festivals, and the artists behind them.",
    "health": "Illness, medicine, hospitals, nutrition and how people stay or get well.",
    "environment": "Climate, nature, pollution and energy, and how land, water and species fare.",
}
"""One sentence about each topic."""


def pairs(corpus: Path) -> bytes:
    """Every item of the corpus with every description, one JSON object a line."""
    lines = []
    for line in corpus.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        lines += [
            json.dumps(
                {
                    "id": f"{item['id']}-{topic}",
                    "item": item["id"],
                    "en": item["en"],
                    "description": description,
                    "relevance": int(item["topic"] == topic),
                    "described_topic": topic,
                    "item_topic": item["topic"],
                },
                ensure_ascii=False,
            )
            for topic, description in DESCRIPTIONS.items()
        ]
    return "".join(f"{line}\n" for line in lines).encode()


if __name__ == "__main__":
    here = Path(__file__).parent
    content = pairs(here.parent / "newsroom" / "newsroom.jsonl")
    (here / "pairs.jsonl.gz").write_bytes(gzip.compress(content, 9, mtime=0))
