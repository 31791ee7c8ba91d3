from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from pipeline.tracking.secrets import Redactor

ENVIRONMENT = {
    "HF_TOKEN": "tok-live-123456",
    "DB_PASSWORD": "hunter2",
    "AWS_SECRET_ACCESS_KEY": "abc/def+ghi",
    "USE_KEY": "1",
    "HOME": "/home/me",
}


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(ENVIRONMENT)


@pytest.mark.parametrize("secret", ["tok-live-123456", "hunter2", "abc/def+ghi"])
def test_values_of_secret_variables_vanish_from_any_text(redactor: Redactor, secret: str) -> None:
    assert secret not in redactor.text(f"failed with {secret}: try again")
    assert secret not in redactor.document(f"a: [1, {secret}]\n")


def test_other_variables_and_switches_stay(redactor: Redactor) -> None:
    assert redactor.text("/home/me has 1 file") == "/home/me has 1 file"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://me:s3cret@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgresql+psycopg2://me:p@ss@db/x", "postgresql+psycopg2://me:***@db/x"),
        ("https://ghtoken@host/repo.git", "https://***@host/repo.git"),
        ("https://host/x?access_token=abc&n=1", "https://host/x?access_token=***&n=1"),
        ("hf_" + "a1B2" * 6, "***"),
        ("Authorization: Bearer abcdef.123456", "Authorization: Bearer ***"),
        ("authorization: Basic cGxhbnRlZA==", "authorization: Basic ***"),
        ("-H 'Authorization: token abcdef' x", "-H 'Authorization: token ***' x"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("write to me@example.org", "write to me@example.org"),
    ],
)
def test_logins_and_known_shapes_are_masked(redactor: Redactor, text: str, masked: str) -> None:
    assert redactor.text(text) == masked


@pytest.mark.parametrize(
    "name", ["tracking.password", "hub.auth_token", "api_key", "data.source.token", "client_secret"]
)
def test_a_secret_name_masks_its_value(redactor: Redactor, name: str) -> None:
    assert redactor.value(name, "anything") == "***"


@pytest.mark.parametrize(
    "name",
    [
        "trainer.max_tokens_per_batch",
        "data.format.token_separator",
        "model.tokenizer.kind",
        "model.tokenizer.special_tokens",
        "pad_token",
        "data.columns.key",
    ],
)
def test_ordinary_names_keep_their_values(redactor: Redactor, name: str) -> None:
    assert redactor.value(name, "anything") == "anything"


def test_documents_lose_assigned_secrets_and_nothing_else(redactor: Redactor) -> None:
    text = (
        "model: minilm\nhub:\n  auth_token: xyz-1\n  revision: abc\n"
        '{"password": "p4ss", "max_tokens": 7, "token": null}\n'
        "+API_KEY = 'k-99'\npad_token: '[PAD]'\n"
    )
    masked = redactor.document(text)
    for secret in ("xyz-1", "p4ss", "k-99"):
        assert secret not in masked
    for kept in ("model: minilm", "revision: abc", '"max_tokens": 7', "pad_token: '[PAD]'"):
        assert kept in masked


PATCH = """\
diff --git a/.env b/.env
new file mode 100644
--- /dev/null
+++ b/.env
@@ -0,0 +1 @@
+SALT=pepper
diff --git a/pipeline/tracking/secrets.py b/pipeline/tracking/secrets.py
--- a/pipeline/tracking/secrets.py
+++ b/pipeline/tracking/secrets.py
@@ -1 +1 @@
-old
+new
diff --git a/deploy/server.pem b/deploy/server.pem
new file mode 100644
Binary files /dev/null and b/deploy/server.pem differ
"""


def test_a_patch_loses_files_that_are_kept_for_secrets(redactor: Redactor) -> None:
    masked = redactor.document(PATCH)
    assert masked.startswith("diff --git a/pipeline/tracking/secrets.py")
    assert masked.endswith("-old\n+new\n")
    assert "pepper" not in masked


def test_source_loses_literals_and_still_runs(redactor: Redactor) -> None:
    text = (
        'API_KEY = "abc-123456"\n'
        "headers = {'x-api-key': 'abc-123456', 'accept': 'text/html'}\n"
        "token = str(len(API_KEY))\n"
        "password: str = token\n"
    )
    masked = redactor.source(text)
    names: dict[str, Any] = {}
    exec(masked, names)
    assert names["API_KEY"] == "***"
    assert names["headers"] == {"x-api-key": "***", "accept": "text/html"}
    assert names["token"] == "3"


def test_the_source_of_the_pipeline_itself_keeps_its_meaning(
    redactor: Redactor, repository: Path
) -> None:
    for path in (repository / "pipeline").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        masked = redactor.source(text)
        assert [type(node) for node in ast.walk(ast.parse(masked))] == [
            type(node) for node in ast.walk(ast.parse(text))
        ], path
        changed = [
            line
            for line, before in zip(masked.splitlines(), text.splitlines(), strict=True)
            if line != before
        ]
        assert all("://" in line for line in changed), changed
