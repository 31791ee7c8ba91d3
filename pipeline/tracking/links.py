"""Links of a description to pages of the MLflow UI, whose ids only the delivering process knows."""

from __future__ import annotations

import re
from urllib.parse import quote

DESCRIPTION_TAG = "mlflow.note.content"
"""The tag that MLflow's UI shows as a run's description, in Markdown."""
PARENT_TAG = "mlflow.parentRunId"
"""The tag that holds the id of the run around a nested one."""
SELF = "pipeline:self"
"""The run that is described; `/artifacts/<path>` may follow."""
PARENT = "pipeline:parent"
"""The run it is nested in."""
CHILDREN = "pipeline:children"
"""The runs nested in it, in the table of runs."""
MODELS = "pipeline:models"
"""The models of its experiment."""

_LINK = re.compile(r"\[([^\]\n]*)\]\(pipeline:(self|parent|children|models)([^)\s]*)\)")


def resolve_links(text: str, *, experiment_id: str, run_id: str, parent_id: str | None) -> str:
    """Puts addresses relative to the MLflow UI in place of `SELF` and its like.

    A link to a parent that there is not becomes its plain text.
    """
    experiment = f"#/experiments/{experiment_id}"
    query = quote(f"tags.`{PARENT_TAG}` = '{run_id}'", safe="")
    pages = {
        "self": f"{experiment}/runs/{run_id}",
        "parent": f"{experiment}/runs/{parent_id}" if parent_id else None,
        "children": f"{experiment}/runs?searchFilter={query}",
        "models": f"{experiment}/models",
    }

    def resolved(link: re.Match[str]) -> str:
        page = pages[link[2]]
        return link[1] if page is None else f"[{link[1]}]({page}{link[3]})"

    return _LINK.sub(resolved, text)


def escape(text: object) -> str:
    """A value as plain text in Markdown, within a table too: nothing in it is taken for markup."""
    line = " ".join(str(text).split())
    return re.sub(r"[\\`*_\[\]~<>&|]", _harmless, line)


def code(text: object) -> str:
    """A value as code in Markdown; a backtick, which would end it, becomes an apostrophe."""
    line = " ".join(str(text).split()).replace("`", "'")
    return f"`{line}`" if line else "–"


def _harmless(mark: re.Match[str]) -> str:
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;"}
    return entities.get(mark[0], f"\\{mark[0]}")
