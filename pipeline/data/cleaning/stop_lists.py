"""Built-in lists of stop words."""

from __future__ import annotations

from pipeline.errors import UserError

_CHINESE = """
的 了 和 是 在 也 就 都 而 及 与 或 一个 没有 我们 你们 他们 它们 她们 我 你 他 她 它 这 那
这个 那个 这些 那些 这里 那里 之 之一 以 以及 于 其 其中 被 把 从 对 对于 向 由 由于 为 为了 因为
所以 因此 但 但是 不过 然而 如果 虽然 并 并且 而且 还 还有 又 再 已 已经 将 会 能 可以 可 要 让
使 使得 着 过 地 得 吗 呢 吧 啊 呀 哦 嗯 哪 哪个 什么 怎么 怎样 谁 等 等等 某 各 每 每个 本 该
此 则 即 却 只 只是 很 更 最 比 跟 同 有 有些 说 个 上 下 中 里 后 前 时 不 没
"""
CHINESE = frozenset(_CHINESE.split())
"""Particles, pronouns, conjunctions and prepositions of Chinese, as jieba segments them."""


def stop_words(language: str) -> frozenset[str]:
    """The list of a language: `en` is scikit-learn's, `zh` our own.

    Raises:
        UserError: If there is none.
    """
    if language == "zh":
        return CHINESE
    if language == "en":
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        return frozenset(ENGLISH_STOP_WORDS)
    raise UserError(
        f"there is no built-in list of stop words for {language!r}, only for en and zh",
        remedy="give the words themselves in `words`",
    )
