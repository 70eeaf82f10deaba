"""What a recipient answers to get no more, or to get them again: whole replies, by language.

The English words are those that carriers in North America act on themselves (CTIA's messaging
principles); the others are what is usual there. A reply that says more than one of these is none:
it is for people to read.
"""

import re
import unicodedata
from enum import StrEnum

STOP_WORDS: dict[str, tuple[str, ...]] = {
    "en": (
        "stop",
        "stop all",
        "stopall",
        "unsubscribe",
        "cancel",
        "end",
        "quit",
        "opt out",
        "optout",
    ),
    "zh": (
        "退订",
        "退訂",
        "td",
        "t",
        "tt",
        "退",
        "拒收",
        "取消订阅",
        "取消訂閱",
        "不要再发",
        "停发",
    ),
    "de": ("stopp", "abmelden", "abbestellen", "austragen"),
    "fr": ("arrêt", "arret", "arrêter", "désabonner", "desabonner", "désinscription"),
    "es": ("baja", "alto", "parar", "cancelar"),
    "pt": ("sair", "parar", "cancelar", "remover"),
    "it": ("ferma", "basta", "cancella", "disiscrivi", "annulla"),
    "nl": ("afmelden", "uitschrijven"),
    "pl": ("rezygnuję", "rezygnuje", "wypisz"),
    "ru": ("стоп", "отписаться", "отписка", "отмена"),
    "uk": ("відписатися", "відписка"),
    "tr": ("iptal", "dur", "ret", "red"),
    "ar": ("توقف", "قف", "إلغاء", "الغاء", "إيقاف", "ايقاف"),
    "ja": ("停止", "配信停止", "解除", "ストップ"),
    "ko": ("수신거부", "거부", "중지", "해지"),
    "th": ("ยกเลิก", "หยุด"),
    "vi": ("huy", "hủy", "tu choi", "từ chối", "dung", "dừng"),
    "id": ("berhenti", "batal"),
}
START_WORDS: dict[str, tuple[str, ...]] = {
    "en": ("start", "unstop", "resume", "opt in", "optin"),
    "zh": ("恢复订阅", "恢復訂閱", "订阅", "訂閱", "恢复接收"),
    "de": ("anmelden",),
    "fr": ("reprendre", "démarrer"),
    "es": ("alta", "iniciar"),
    "pt": ("iniciar", "voltar"),
    "it": ("inizia", "riprendi"),
    "ru": ("старт", "подписаться"),
    "tr": ("başla", "basla"),
    "ja": ("再開", "スタート"),
    "ko": ("수신동의", "시작"),
    "th": ("เริ่ม",),
    "vi": ("bat dau", "bắt đầu"),
    "id": ("mulai",),
}
_MARKS = re.compile(r"[^\w\s]|_")
_SPACE = re.compile(r"\s+")
_LONGEST = 40


class Wish(StrEnum):
    """What a reply asks for."""

    STOP = "stop"
    START = "start"


def _folded(text: str) -> str:
    """Fold case, width and accents' spelling; marks around and between words are none."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _SPACE.sub(" ", _MARKS.sub(" ", folded)).strip()


def _table(words: dict[str, tuple[str, ...]], wish: Wish) -> dict[str, Wish]:
    return {_folded(word): wish for listed in words.values() for word in listed}


_WISHES = _table(START_WORDS, Wish.START) | _table(STOP_WORDS, Wish.STOP)


def wish_of(text: str) -> Wish | None:
    """Tell what a reply asks for; None where a person must read it. A word in both is a STOP."""
    return _WISHES.get(_folded(text)) if len(text) <= _LONGEST else None
