"""A caption -> the words that the official measures count.

The official tokeniser is Stanford's PTBTokenizer, in Java, with small letters, and without 18 marks
of punctuation. This one does with regular expressions what that one does to captions; a test
compares the two where Java is there. Whoever prints a score says which was used.
Source: pycocoevalcap 1.2, ptbtokenizer.py; Penn Treebank's conventions.
"""

from __future__ import annotations

import re

DROPPED = """ '' ' `` ` . ? ! , : - -- ... ; """
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
ABBREVIATIONS = """
    mr mrs ms dr st jr sr prof vs etc inc co corp ltd ave blvd rd no u.s u.k a.m p.m e.g i.e
    jan feb mar apr jun jul aug sep sept oct nov dec gen col sgt capt lt gov sen rep rev hon ft
"""
CLITICS = r"(?:'s|'m|'d|'ll|'re|'ve|n't)"
TOGETHER = {  # words that are cut although no mark stands in them
    "cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na",
    "lemme": "lem me", "gimme": "gim me", "'tis": "'t is", "'twas": "'t was",
}  # fmt: skip
TOKEN = re.compile(
    rf"""
    https?://\S+ | www\.\S+ | [\w.+-]+@[\w-]+\.[\w.-]+    # addresses
    | \.{{2,}} | --+ | [?!]{{2,}}                          # marks that stay together
    | (?:{"|".join(re.escape(word) for word in ABBREVIATIONS.split())})\.(?!\w)
    | (?:[a-z]\.){{2,}}                                    # u.s.a.
    | \#\w[\w-]* | @\w+
    | \d+/\d+ | [-+]?\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?(?![\w])
    | [-+]?\d+(?:[.,:]\d+)+
    | \w+n't | n't
    | (?<![\w]){CLITICS}(?!\w) | {CLITICS}(?!\w)
    | \w+(?:[-&/.]\w+|'(?!(?:s|m|d|ll|re|ve|t)(?!\w))\w+)*
    | \S
    """,
    re.VERBOSE,
)


def tokenise(caption: str) -> str:
    """Write the words of a caption in small letters, without punctuation, a space between them."""
    return " ".join(token for token in cut(caption) if token not in DROPPED.split())


def cut(caption: str) -> list[str]:
    """Cut a caption into tokens, punctuation included."""
    text = " ".join(caption.lower().replace("\u2019", "'").replace("\u2018", "`").split())
    found: list[str] = []
    for token in TOKEN.findall(text):
        if token.endswith("n't") and len(token) > 3:
            found += [token[:-3], "n't"]
        elif token in TOGETHER:
            found += TOGETHER[token].split()
        else:
            found.append(BRACKETS.get(token, token))
    return found
