"""What content checks cost: ``python services/ingest/tests/bench_content.py``.

10,000 drawn words, 2,000 drawn texts of 40 to 140 characters, one in twenty holding a word.
"""

import random
import sys
import time

from ingest.content.checking import ContentRules, Rendered
from ingest.content.words import WordList
from ingest.templates.matching import Matcher
from ingest.templates.model import Template

WORDS, TEXTS, ROUNDS = 10_000, 2_000, 5
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
LATIN = "abcdefghijklmnopqrstuvwxyz"


def draw_word(draw: random.Random, alphabet: str | list[str], shortest: int, longest: int) -> str:
    return "".join(draw.choices(alphabet, k=draw.randint(shortest, longest)))


def draw_words(draw: random.Random) -> list[str]:
    han = {draw_word(draw, HAN, 3, 5) for _ in range(7 * WORDS // 10)}
    latin = {draw_word(draw, LATIN, 6, 12) for _ in range(3 * WORDS // 10)}
    return sorted(han | latin)


def draw_text(draw: random.Random, words: list[str]) -> str:
    length = draw.randint(40, 140)
    if draw.random() < 0.5:
        text = draw_word(draw, HAN, length, length)
    else:
        text = " ".join(draw_word(draw, LATIN, 2, 9) for _ in range(length // 6))
    if draw.random() < 0.05:
        at = draw.randint(0, len(text))
        text = f"{text[:at]} {draw.choice(words)} {text[at:]}"
    return text


def per_text_us(texts: list[str], run: object) -> float:
    assert callable(run)
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for text in texts:
            run(text)
        best = min(best, time.perf_counter() - begun)
    return best / len(texts) * 1e6


def main() -> None:
    """Measure and print."""
    draw = random.Random(4)
    words = draw_words(draw)
    texts = [draw_text(draw, words) for _ in range(TEXTS)]
    begun = time.perf_counter()
    listed = WordList(words)
    built_ms = (time.perf_counter() - begun) * 1000
    hits = sum(next(listed.find(text), None) is not None for text in texts)
    rules = ContentRules(sensitive=listed, marketing=WordList(words[:300]))
    fields = {"id": "t", "state": "approved", "languages": {"zh": "{a}"}, "variables": {"a": {}}}
    template = Template.model_validate(fields)
    texts_of = {str(n): f"【驿站{n}】您的包裹{{a}}已到{{b}}，第{n}号货架。" for n in range(1000)}
    many = [
        Template.model_validate(
            {
                "id": f"t{number}",
                "state": "approved",
                "languages": {"zh": text},
                "variables": {"a": {}, "b": {}},
            }
        )
        for number, text in texts_of.items()
    ]
    matcher = Matcher(many)
    raw = [f"【驿站{n}】您的包裹DE{n}已到东门，第{n}号货架。" for n in range(0, 1000, 5)]
    assert all(map(matcher.match, raw))
    out = sys.stdout.write
    out(f"{len(words)} words, built in {built_ms:.0f} ms; {hits} of {TEXTS} texts hold one\n")
    out(f"words:            {per_text_us(texts, lambda t: next(listed.find(t), None)):6.1f} us\n")
    full = per_text_us(texts, lambda t: rules.check(Rendered("a", template, "zh", {"a": t}, t)))
    out(f"all rules:        {full:6.1f} us\n")
    out(f"raw text, 1,000 templates: {per_text_us(raw, matcher.match):6.1f} us\n")


if __name__ == "__main__":
    main()
