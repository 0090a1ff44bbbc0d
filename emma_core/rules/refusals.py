"""Tell an author what to write instead of what the language refuses."""

from __future__ import annotations

SYMBOLS: tuple[tuple[str, str], ...] = (
    ("--", "comments are not read; write the reason in the rule's 'text' (for a double minus, write - (-x))"),
    ("/*", "comments are not read; write the reason in the rule's 'text'"),
    ("//", "comments are not read; write the reason in the rule's 'text'"),
    ("||", "'||' is refused; write OR between predicates, or hold the texts against each other one by one"),
    ("|", "'|' is refused; write OR between predicates"),
    ("&&", "'&&' is refused; write AND"),
    ("&", "'&' is refused; write AND between predicates"),
    ("==", "'==' is refused; write ="),
    ("<=>", "'<=>' is refused; write a = b OR (a IS NULL AND b IS NULL)"),
    ("=>", "'=>' is refused; write >="),
    ("=<", "'=<' is refused; write <="),
    ("::", "'::' is refused; write number(x) or ymd(x) for a text that holds a number or a day"),
    (":", "parameters are refused; declare a fact and write its name"),
    ("?", "parameters are refused; declare a fact and write its name"),
    ("@", "parameters are refused; declare a fact and write its name"),
    ("$", "parameters are refused; declare a fact and write its name"),
    ("#", "comments are not read; write the reason in the rule's 'text'"),
    ("/", "'/' is refused; write debt * 100 <= 43 * income, or ratio(a, b)"),
    ("%", "'%' is refused; write a percentage as a fraction, such as 0.43"),
    (";", "';' is refused; a predicate is one expression, so write AND between two"),
    ('"', "quoted names are refused; write the fact's bare name, or '…' around a text"),
    ("`", "quoted names are refused; write the fact's bare name, or '…' around a text"),
    ("[", "'[' is refused; write the fact's bare name, and lists in (…)"),
    ("]", "']' is refused; write the fact's bare name, and lists in (…)"),
    ("{", "'{' is refused; write the fact's bare name"),
    ("}", "'}' is refused; write the fact's bare name"),
    ("!~", "'!~' is refused; write NOT matches(x, '…')"),
    ("!", "'!' is refused; write NOT, or <> between two values"),
    ("~", "'~' is refused; write matches(x, '…')"),
    ("^", "'^' is refused; write x * x"),
    ("\\", "a backslash is refused; write '' for a quote inside a text"),
    (".", "'.' is refused; write 0.5 for a fraction, and facts by their bare names without dots"),
    ("≤", "'≤' is refused; write <="),
    ("≥", "'≥' is refused; write >="),
    ("≠", "'≠' is refused; write <>"),
    ("−", "'−' is refused; write the plain minus -"),
    ("–", "'–' is refused; write the plain minus -"),
    ("×", "'×' is refused; write *"),
    ("‘", "'‘' is refused; write the plain quote '"),
    ("’", "'’' is refused; write the plain quote '"),
    ("“", "'“' is refused; write the plain quote '"),
    ("”", "'”' is refused; write the plain quote '"),
)
"""What no token begins with; the longer is looked for first where two begin alike."""

_SUBQUERY = "subqueries are refused; write IN with the values, or in_table(x, 'table')"
_WINDOW = "windows are refused; a rule reads one record at a time"
_GROUP = "grouping is refused; a rule reads one record at a time"
_LIKE = "{word} is refused; write starts_with(x, '…'), contains(x, '…') or matches(x, '…')"
_CAST = "{word} is refused; write number(x) or ymd(x) for a text that holds a number or a day"
_CLOCK = "clocks are refused; write as_of, the date the rules are read at"
_CHANCE = "chance is refused; a rule gives the same answer every time"
_FIRST_OF = "{word} is refused; write CASE WHEN x IS NULL THEN … ELSE x END"
_FILTER = "{word} stands after an aggregate of a file rule; write count(*) FILTER (WHERE …)"

WORDS: dict[str, str] = {
    "like": _LIKE,
    "ilike": _LIKE,
    "rlike": _LIKE,
    "regexp": _LIKE,
    "similar": _LIKE,
    "glob": _LIKE,
    "select": _SUBQUERY,
    "exists": _SUBQUERY,
    "from": _SUBQUERY,
    "any": _SUBQUERY,
    "all": _SUBQUERY,
    "some": _SUBQUERY,
    "union": _SUBQUERY,
    "over": _WINDOW,
    "partition": _WINDOW,
    "group": _GROUP,
    "having": _GROUP,
    "order": _GROUP,
    "limit": _GROUP,
    "filter": _FILTER,
    "where": "WHERE stands only in FILTER (WHERE …); write the guard in the rule's 'when'",
    "xor": "XOR is refused; write a <> b between two predicates",
    "div": "DIV is refused; write ratio(a, b)",
    "mod": "MOD is refused; no remainder is taken",
    "collate": "COLLATE is refused; texts compare by code point, so write lower(x) for both sides",
    "as": "AS is refused; a predicate names nothing",
    "distinct": "DISTINCT stands only in count(DISTINCT x); write repeats(a, b) for a value that occurs twice",
    "escape": _LIKE,
}
"""Words that begin or join something the language does not have."""

NAMES: dict[str, str] = {
    "select": _SUBQUERY,
    "exists": _SUBQUERY,
    "current_date": _CLOCK,
    "current_time": _CLOCK,
    "current_timestamp": _CLOCK,
    "localtime": _CLOCK,
    "localtimestamp": _CLOCK,
}
"""Words that stand where a fact would."""

PREFIXES: dict[str, str] = {
    "timestamp": "TIMESTAMP is refused; days have no times, so write DATE '2024-02-29'",
    "time": "TIME is refused; days have no times, so write DATE '2024-02-29'",
    "interval": "INTERVAL is refused; write add_days(d, 3), add_months(d, 3) or add_years(d, 3)",
}
"""Words that stand before a literal, and are names elsewhere."""

CALLS: dict[str, str] = {
    "cast": _CAST,
    "try_cast": _CAST,
    "safe_cast": _CAST,
    "convert": _CAST,
    "to_number": _CAST,
    "to_date": _CAST,
    "coalesce": _FIRST_OF,
    "ifnull": _FIRST_OF,
    "nvl": _FIRST_OF,
    "isnull": "{word} is refused; write x IS NULL",
    "nullif": "{word} is refused; write CASE WHEN … THEN … ELSE … END",
    "if": "{word} is refused; write CASE WHEN … THEN … ELSE … END",
    "iif": "{word} is refused; write CASE WHEN … THEN … ELSE … END",
    "now": _CLOCK,
    "today": _CLOCK,
    "getdate": _CLOCK,
    "sysdate": _CLOCK,
    "curdate": _CLOCK,
    "rand": _CHANCE,
    "random": _CHANCE,
    "uuid": _CHANCE,
    "avg": "{word} is refused; write sum(x) <= 5 * count(x) in a file rule",
    "row_number": _WINDOW,
    "rank": _WINDOW,
    "lag": _WINDOW,
    "lead": _WINDOW,
    "upper": "{word} is refused; write lower(x), which turns A-Z",
    "trim": "{word} is refused; nothing is trimmed, so write matches(x, ' *… *')",
    "ltrim": "{word} is refused; nothing is trimmed, so write matches(x, ' *…')",
    "rtrim": "{word} is refused; nothing is trimmed, so write matches(x, '… *')",
    "substr": "{word} is refused; write left(x, 3), starts_with(x, '…') or matches(x, '…')",
    "substring": "{word} is refused; write left(x, 3), starts_with(x, '…') or matches(x, '…')",
    "right": "{word} is refused; write matches(x, '.*…')",
    "concat": "{word} is refused; hold the texts against each other one by one",
    "round": "{word} is refused; numbers are exact, so write the limit to the digit",
    "floor": "{word} is refused; numbers are exact, so write the limit to the digit",
    "ceil": "{word} is refused; numbers are exact, so write the limit to the digit",
    "greatest": "{word} is refused; write CASE WHEN a > b THEN a ELSE b END",
    "least": "{word} is refused; write CASE WHEN a < b THEN a ELSE b END",
    "mod": "{word} is refused; no remainder is taken",
    "power": "{word} is refused; write x * x",
    "sqrt": "{word} is refused; write x * x on the other side",
    "len": "{word} is refused; write length(x)",
    "char_length": "{word} is refused; write length(x)",
    "datediff": "{word} is refused; write days_between(from, to)",
    "date_diff": "{word} is refused; write days_between(from, to)",
    "date_add": "{word} is refused; write add_days(d, 3)",
    "dateadd": "{word} is refused; write add_days(d, 3)",
    "extract": "{word} is refused; write year(d)",
    "regexp_like": _LIKE,
    "regexp_matches": _LIKE,
}
"""Functions of other dialects."""


def of_symbol(rest: str) -> str | None:
    """What to write instead of the symbol that the rest of the text begins with."""
    found = [symbol for symbol, _ in SYMBOLS if rest.startswith(symbol)]
    return dict(SYMBOLS)[max(found, key=len)] if found else None


def of_word(word: str) -> str | None:
    """What to write instead of a word that stands where an operator would."""
    text = WORDS.get(word.lower())
    return text.format(word=word.upper()) if text else None


def of_name(word: str, *, before_literal: bool) -> str | None:
    """What to write instead of a word that stands where a fact would."""
    text = NAMES.get(word.lower()) or (PREFIXES.get(word.lower()) if before_literal else None)
    return text.format(word=word.upper()) if text else None


def of_call(word: str) -> str | None:
    """What to write instead of a function of another dialect."""
    text = CALLS.get(word.lower()) or WORDS.get(word.lower())
    return text.format(word=word.upper()) if text else None
