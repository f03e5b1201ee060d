"""
Find secrets in text by their shape: in messages, tracebacks, URLs, headers, JSON, command lines.

Every pattern is read from left to right without going back, so a text costs time by its length.
"""

from __future__ import annotations

import re

from runner.redaction.known import without_known
from runner.redaction.names import REDACTED, is_secret_name

_MOST_CHARACTERS = 100_000
"""Of a longer text the middle is left out."""

# What has no end in sight ends here.
_QUOTED = (
    r"[bBrRuUfF]{0,2}(?:"
    # A quote in the middle of a word ends nothing: one level of escapes may be gone.
    r"""(?P<plain>["'`])(?:\\.|(?!(?P=plain)(?!\w)).){0,20000}+(?:(?P=plain)|$)?"""
    r"""|(?P<escaped>\\{1,16}+["'])(?:(?!(?P=escaped)).){0,20000}+(?:(?P=escaped)|$)?)"""
)
_BARE = r"""[^\s,;&"'`<>(){}\[\]|\\]++(?:\([^)\n]*+\)?)?"""
_GROUP = r"[\[({][^\])}\n]*+[\])}]?"

_URL_USER = re.compile(
    r"(?P<start>\b[a-zA-Z][a-zA-Z0-9+.-]*+:/{1,3})(?:"
    # Up to the last @ before the path. A password that was not encoded may hold more than that:
    r"""[^\s/?#"'<>`\\]{0,500}(?=@)"""
    r"""|[^\s/?#@:"'<>`\\]{0,100}:/{0,2}(?!\d{1,5}(?:[/?#\s]|$))[^\s"'<>`\\]{0,500}(?=@))"""
)
_BARE_USER = re.compile(
    r"(?<![\w:/@.-])(?!mailto:)(?P<start>[A-Za-z][\w.+-]{0,63}+(?:@[\w.-]++)?:)"
    r"""[^\s:@/"'<>`]++(?=@[\w\[])"""
)

# Heads: what stands before a value, with its name. The value is read only if the name is that of
# a secret, since other values may hold pairs of their own.
_MARK = r"""\\{0,16}+["']"""
_NAMED = rf"{_MARK}(?P<name>[\w.-]{{2,200}}+){_MARK}"
_IS = rf"(?:{_MARK})?[ \t]*[:=][ \t]*"
_WRITTEN = r"%2[27]|\\{1,8}x2[27]|\\{1,8}u002[27]|&quot;|&#3[49];|&apos;"
"""Quotes as URLs, escapes and HTML write them."""

_SIGN = r"\\{1,8}(?:u00|x)3[DdAa]"
"""An equals sign or a colon, as an escape."""

_PAIR = re.compile(
    rf"""(?<![\w.-])(?P<name>[\w.-]{{2,}}+)(?:\\{{0,16}}+["'`]|{_WRITTEN})?"""
    r"(?:\[\]|\]|%5[Bb]%5[Dd]|%5[Dd])?[ \t]{0,8}(?:"
    rf"(?:(?:is|was)[ \t]{{0,4}})?(?:=>|->|→|:=|={{1,3}}|[:\uff1a]|\||%3[DdAa]|{_SIGN})"
    r"[ \t]{0,8}"
    r"""|(?<=\t)|\\{1,8}t|\((?=["'])|(?:(?<=[ \t])(?:(?:is|was)[ \t]{1,4})?(?=["'`])))"""
)
_IN_LIST = re.compile(rf"{_NAMED}[ \t]*,[ \t]*(?=[bBrRuUfF]{{0,2}}{_MARK})")
_FIELD = re.compile(
    rf"\b(?:name|key|header|field|k){_IS}{_NAMED}"
    rf"""(?:[^\n"']{{0,40}}(?:{_MARK})?\b(?:value|val|content|v){_IS}|\s{{2,8}})"""
)
_OPTION = re.compile(r"(?<!\S)--?(?P<name>[\w-]{2,64}+)[ \t]+(?!-)")
_TAG = re.compile(r"<(?P<name>[\w:.-]{2,64}+)(?:\s[^<>]*+)?>(?=[^<]++</)")
_OF_PYDANTIC = re.compile(
    r"^(?P<name>[\w.-]++)\n[ \t]+[^\n]*?\binput_value=(?=[^\n]*?, input_type=)", re.MULTILINE
)

_TAGS = r"(?:[!&][\w!/.:-]{0,60}+[ \t]++)?"
_BLOCK = r"[|>][-+\d]{0,3}+[ \t]*+(?:(?:\n|\\{1,8}n)[ \t]++[^\n\\]*+)++"
"""As YAML writes a text of several lines."""

_VALUE = re.compile(rf"{_TAGS}(?:{_WRITTEN})?(?:{_BLOCK}|{_QUOTED}|{_BARE}|{_GROUP})", re.DOTALL)
_LINE = re.compile(rf"""{_QUOTED}|[^\r\n]++""", re.DOTALL)
_WITHIN_TAG = re.compile(r"[^<]++")
_INPUT = re.compile(r"[^\n]*?(?=, input_type=)")
_WHOLE_LINES = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_NO_VALUE = frozenset({"None", "null", "True", "False", "true", "false", "''", '""'})
_QUERY_KEY = re.compile(r"""(?P<start>[?&]key=)[^\s&#"'<>`\\]++""")

_STARTS = (  # one of these is in each text that holds one of the formats
    *("-----BEGIN", "eyJ", "AKIA", "ASIA", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_"),
    *("glpat-", "glptt-", "npm_", "pypi-", "hf_", "dop_v1_", "xox", "xapp-", "shpat_", "_live_"),
    *(
        "_test_",
        "whsec_",
        "SG.",
        "sk-",
        "ya29.",
        "AIza",
        "hvs.",
        "hvb.",
        "PMAK-",
        "sq0",
        "AGE-SECRET-KEY-",
    ),
    *("/services/", "/webhooks/"),
)
_FORMATS = re.compile(
    r"-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY-----.*?(?:-----END[ A-Z0-9]{0,40}PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)*+"  # JWT
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\b(?:gh[opsur]_|github_pat_|glpat-|glptt-|npm_|pypi-|hf_|dop_v1_|xox[a-z]-|xapp-|shpat_"
    r"|[sr]k_(?:live|test)_|whsec_|SG\.|sk-|ya29\.|AIza|hv[sb]\.|PMAK-|sq0[a-z]{3}-|AGE-SECRET-KEY-)"
    r"[\w.=-]{10,}+"
    r"|(?<=/services/)T\w{6,20}/\w{6,20}/\w{12,}+"  # Slack
    r"|(?<=/webhooks/)\d{10,30}/[\w-]{30,}+",  # Discord
    re.DOTALL,
)
_TELEGRAM = re.compile(r"(?<![\w:])(?:bot)?\d{8,12}:[\w-]{30,}+")
_SCHEME = re.compile(
    r"\b(?P<start>(?:bearer|negotiate|ntlm|apikey|aws4-hmac-sha256)\s{1,8})[^\s,;\"'<>)\]}]++",
    re.IGNORECASE,
)
_PLAIN_SCHEME = re.compile(  # these words also begin a sentence
    r"\b(?P<start>(?:basic|token|digest)\s{1,8})"
    r"(?=(?-i:[^\sA-Z0-9=]{0,200}[A-Z0-9=]))[\w.~+/=:-]{6,}+",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"(?P<start>\bAUTH\s{1,8}(?:\S++[ \t]++(?=\S))?|\brequirepass\s{1,8}|\bmasterauth\s{1,8}"
    r"|\bIDENTIFIED\s{1,8}BY\s{1,8}|\bsshpass\s{1,8}-p\s{0,8}|\bPASSWORD\s{1,8}(?=['\"])"
    r"|(?<![\w-])(?:-u|--user)[ =](?=[^\s:]{0,200}:[^\s]))"
    rf"""(?:{_QUOTED}|[^\s,;'"]++)"""
)

# Addresses of notification services, in Apprise's spelling: all that follows is the account's.
_SERVICE = re.compile(
    r"\b(?P<start>(?:tgram|slack|discord|guilded|pover|pbul|prowl|pushed|ifttt|mailgun|sendgrid"
    r"|msteams|workflows?|wxteams|webex|gchat|twilio|nexmo|vonage|msgbird|opsgenie|pagerduty"
    r"|signals?|matrixs?|mmosts?|rockets?|zulip|gotifys?|ntfys?|lark|feishu|dingtalk|wecombot"
    r"|barks?|bulksms|clicksend|d7sms|sinch|onesignal|simplepush|pagertree|spike|ryver|flock"
    r")://)[^\s\"'<>`]++",
    re.IGNORECASE,
)
_SESSION = re.compile(r"\b(?P<start>sess(?:ion)?=)[\w.%+/=-]{16,}+", re.IGNORECASE)
# In words: what has a digit, a sign, or a capital within is no word of a sentence; right after the
# name, or on the next line, what has letters and digits.
_SAID = re.compile(
    r"(?:\b(?P<start>(?:pass(?:word|wd|phrase|code)?|pwd?|secret|token)"
    r"(?:[ \t]{1,4}(?:is|was|of|to|for(?:[ \t]{1,4}[\w@.-]{1,64}){1,3}?[ \t]{1,4}(?:is|to))"
    r"[ \t]{1,4}"
    r"(?=[^\s\"'<>`]{0,200}?(?-i:[0-9@#$%^&*+=~]|[a-z][A-Z]))"
    r"|(?:[ \t]{1,4}|\][ \t]{1,4}|[ \t]{0,4}[:=]?[ \t]{0,4}\n[ \t]{0,16})"
    r"(?=[^\s\"'<>`]{8})(?=[^\s\"'<>`\d]{0,200}\d)(?=[^\s\"'<>`A-Z]{0,200}[A-Z])))"
    r"|(?P<french>\bmot[ _]de[ _]passe[ \t\xa0\u202f]{0,4}[:\uff1a=][ \t\xa0]{0,4}))"
    r"[^\s\"'<>`,;]{4,}+",
    re.IGNORECASE,
)
_CALLED_WITH_BOTH = re.compile(r"(?P<start>\b\w{0,40}(?:Basic|Digest)Auth\()[^()\n]{1,400}(?=\))")
_ORACLE = re.compile(r"(?P<start>\bjdbc:oracle:\w{1,10}:[^\s/@\"']{1,100}/)[^\s@\"']{1,200}(?=@)")

_BASIC_AUTH = re.compile(
    r"(?P<start>\bbasic[ _-]?auth(?:entication|ori[sz]ation)?\b[\s:=]{1,8}"
    r"(?:[a-z]{1,20}[\s:=]{1,4}){0,3}?)"
    rf"""[^\s:;,'"`]{{1,100}}+:(?!\s)(?:{_QUOTED}|[^\s,;'"`]++)""",
    re.IGNORECASE,
)
_CALLED = re.compile(  # in words: a plain name in the parentheses is a line of code
    r"(?<![\w.-])(?P<name>[\w.-]{2,}+)\("
    r"""(?=[A-Za-z_.]{0,200}+[^\s()'",=\[\]{}A-Za-z_.][^\s()'",=\[\]{}]{0,200}+\))"""
)
# Programs whose option for a password has one letter, which others use for ports and paths.
_BREAK = r"""(?:\s{1,8}|['"],\s{0,3}['"])"""
_SHORT_OPTIONS = (
    (r"(?:mysql|mariadb)[\w-]{0,20}+|xtrabackup|7z[ar]?", r"-p(?=\S)"),
    (
        rf"mongo\w{{0,20}}+|(?:docker|podman|nerdctl|helm|oc|az)(?:{_BREAK}\w++)?{_BREAK}login",
        "-p_",
    ),
    (r"(?:redis|valkey|keydb)-cli", "-a_"),
    (r"sqlcmd|bcp|tsql|ipmitool|zip|unzip", "-P_?"),
    (r"ldap[a-z]{2,20}+", "-w_?"),
    (r"smbclient|rpcclient|winexe", r"-U_?[^\s%'\"]{1,100}+%"),
)
_SHORT_OPTION = re.compile(
    "(?P<start>"
    + "|".join(
        rf"\b(?:{program})(?=[\s'\"])[^\n|;&]{{0,300}}?{_BREAK}{option.replace('_', _BREAK)}"
        for program, option in _SHORT_OPTIONS
    )
    + rf""")(?:{_QUOTED}|[^\s,;'"]++)"""
)


def scrubbed(text: str) -> str:
    """
    Return *text* with `[redacted]` in the place of what looks like a secret, or is known to be one.

    It is cut in the middle if it is longer than 100,000 characters.
    """
    if len(text) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        text = f"{text[:half]}…{text[-half:]}"
    text = without_known(text)
    lowered = text.lower()
    for signs, pattern in _PATTERNS:
        if any(sign in lowered for sign in signs):
            text = pattern.sub(_without_end, text)
    done = set()
    for sign, head, value in _HEADS:
        if sign in text and head not in done:
            done.add(head)
            text = _without_values(text, head, value)
    return text


def _without_end(found: re.Match[str]) -> str:
    return (found.groupdict().get("start") or "") + REDACTED


_PATTERNS = (
    (tuple(sign.lower() for sign in _STARTS), _FORMATS),
    ((":",), _TELEGRAM),
    (("@",), _URL_USER),
    (("@",), _BARE_USER),
    (("key=",), _QUERY_KEY),
    (("bearer", "negotiate", "ntlm", "apikey", "aws4-"), _SCHEME),
    (("basic", "digest", "token"), _PLAIN_SCHEME),
    (("auth", "requirepass", "identified", "sshpass", "password", "-u"), _COMMAND),
    (("-p", "-a", "-w", "-u"), _SHORT_OPTION),
    (("basic",), _BASIC_AUTH),
    (("://",), _SERVICE),
    (("sess",), _SESSION),
    (("pass", "pw", "secret", "token"), _SAID),
    (("basicauth(", "digestauth("), _CALLED_WITH_BOTH),
    (("jdbc:oracle:",), _ORACLE),
)
"""Of what the lower-case text must contain one, and what is replaced after its `start`."""

_HEADS = (
    ("input_value=", _OF_PYDANTIC, _INPUT),
    ('"', _FIELD, _VALUE),
    ("'", _FIELD, _VALUE),
    (",", _IN_LIST, _VALUE),
    ("(", _CALLED, _VALUE),
    ("-", _OPTION, _VALUE),
    ("</", _TAG, _WITHIN_TAG),
    ("=", _PAIR, _VALUE),
    (":", _PAIR, _VALUE),
    (">", _PAIR, _VALUE),
    ("→", _PAIR, _VALUE),
    ("\uff1a", _PAIR, _VALUE),
    ("3", _PAIR, _VALUE),
    ("'", _PAIR, _VALUE),
    ('"', _PAIR, _VALUE),
    ("|", _PAIR, _VALUE),
    ("\t", _PAIR, _VALUE),
    ("\\t", _PAIR, _VALUE),
)
"""What a text must contain, what stands before the value, and the value."""


def _without_values(text: str, head: re.Pattern[str], value: re.Pattern[str]) -> str:
    parts: list[str] = []
    done = 0
    for found in head.finditer(text):
        name, at = found["name"], found.end()
        if found.start() < done or not is_secret_name(name):
            continue
        kind = _LINE if name.lower() in _WHOLE_LINES else value
        given = kind.match(text, at)
        if given is None or given[0] in _NO_VALUE:
            continue
        parts += [text[done:at], REDACTED]
        done = given.end()
    return "".join([*parts, text[done:]]) if parts else text
