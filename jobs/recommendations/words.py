"""
Words of titles and tags in any script, folded so that the same word is the same token.

Case and accents are folded (“Été” and “ete” are one), compatibility forms (full width, ligatures)
replaced by plain ones. Han and kana are written without spaces, so their runs are cut into
overlapping pairs, and Thai into fours. An emoji, including its joined and coloured forms, is a
word of its own.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MARKS: Final = "".join(
    chr(code) for code in range(0x300, 0x3100) if unicodedata.category(chr(code)).startswith("M")
)
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_THAI: Final = "\u0e00-\u0e7f"
_PICTURE: Final = "[\u2600-\u27bf\U0001f1e6-\U0001faff]"
_TOKEN: Final = re.compile(
    f"(?P<unspaced>[{_UNSPACED}]+)"
    f"|(?P<thai>[{_THAI}]+)"
    f"|(?P<picture>{_PICTURE}(?:[\ufe0f\U0001f3fb-\U0001f3ff]|\u200d{_PICTURE})*)"
    f"|(?P<word>(?:(?![{_UNSPACED}{_THAI}])[^\\W_]|[{_MARKS}])+"
    f"(?:['’](?:(?![{_UNSPACED}{_THAI}])[^\\W_]|[{_MARKS}])+)*)"
)
_ACCENT: Final = re.compile("[\u0300-\u036f]")
_PAIR, _FOUR = 2, 4

# Written for this list: articles, pronouns, prepositions, conjunctions, auxiliaries, and what
# titles are padded with. For other languages, `topics` drops words that nearly all items share.
_PADDING: Final = (
    # English
    "a about after all am an and are as at be because been but by can did do does don't for "
    "from get had has have he her here his how i if i'm in into is it its it's just like me "
    "more my new no not now of off on one or our out over she so some than that the their "
    "them then there they this to too up us very was we were what when where which who why "
    "will with you your video videos official full episode part ep vs "
    # French
    "au aux avec c'est ce ces cette dans de des du elle en est et il ils j'ai je la le les "
    "leur lui ma mais mes mon ne nos notre nous on ou par pas plus pour qu'est que qui sa se "
    "ses si son sont sur ta tes ton tout tous tres tu un une vos votre vous "
    # German
    "aber als am auch auf aus bei bin bis das dass dem den der die dir doch ein eine einem "
    "einen einer er es fur habe hat ich ihr im ist ja kann man mein mit nach nicht noch nur "
    "oder sich sie sind uber um und uns von vor war was wenn wer wie wir wird zu zum zur "
    # Spanish, Portuguese, Italian
    "al como con cual del el ella ellos en era eres es esta este esto hay las lo los mas mi "
    "muy para pero por porque quien se ser si sin sobre su sus te tu una uno y ya yo "
    "ao aos da das do dos e ele ela em eu foi isso mais meu minha na nas nao no nos o os ou "
    "pela pelo pra quem sem seu sua um uma voce "
    "alla anche che chi ci come cosa degli dei della delle di gli ha ho i il io nel nella "
    "non per piu quando questa questo sei si sono suo "
    # Dutch, Indonesian, Turkish, Polish
    "aan bij dat deze een het hoe ik je naar niet ook op te van voor wat wij zijn "
    "ada aku apa atau bisa dan dari dengan di ini itu jadi kita kalian ke pakai saya untuk "
    "yang bir bu ile mi ne ve jak jest na nie sie to w z "
    # Russian, Ukrainian
    "а без был в вы где да для до его если есть еще и из или как когда кто ли мне мы на не "
    "но о об он она они от по при с со так то ты у уже что это я та ви ми як "
)
STOP_WORDS: Final = frozenset(_PADDING.split())


def words(text: str) -> list[str]:
    """Return the tokens of *text* in order; none for text without a letter or emoji."""
    found: list[str] = []
    for match in _TOKEN.finditer(folded(text)):
        token = match.group()
        if match.lastgroup == "unspaced":
            found += _runs(token, _PAIR)
        elif match.lastgroup == "thai":
            found += _runs(token, _FOUR)
        else:
            found.append(token.replace("’", "'"))
    return found


def folded(text: str) -> str:
    """Return *text* without case, accents and compatibility forms; never raises."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _ACCENT.sub("", plain))


def _runs(text: str, length: int) -> list[str]:
    return [text[i : i + length] for i in range(max(1, len(text) - length + 1))]
