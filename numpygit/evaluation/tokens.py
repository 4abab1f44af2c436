"""A caption -> the words that the official measures count.

The official tokeniser is Stanford's PTBTokenizer, in Java, with small letters, and without 18 marks
of punctuation. This one does with regular expressions what that one does to captions; a test
compares the two where Java is there. Whoever prints a score says which was used.
Source: pycocoevalcap 1.2, ptbtokenizer.py; Penn Treebank's conventions.
"""

from __future__ import annotations

import re

DROPPED = frozenset(["''", "'", "``", "`", '"', ".", "?", "!", ",", ":", "-", "--", "...", ";"])
WRITTEN = {  # as Stanford's tokeniser writes them
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
    "\u00a3": "#", "\u20ac": "$",
}  # fmt: skip
MARKS = str.maketrans({  # one kind of quotation mark, dash and dots
    "\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": " -- ", "\u2014": " -- ",
    "\u2026": "...",
})  # fmt: skip
ABBREVIATIONS = """
    mr mrs ms dr st jr sr prof vs etc inc co corp ltd ave blvd rd u.s u.k a.m p.m e.g i.e
    jan feb mar apr jun jul aug sep sept oct nov dec gen col sgt capt lt gov sen rep rev hon ft
"""
CLITIC = r"'(?:s|m|d|ll|re|ve)(?!\w)"
CUT = {  # words that are cut in two
    "cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na",
    "lemme": "lem me", "gimme": "gim me", "'tis": "'t is", "'twas": "'t was", "y'all": "y' all",
}  # fmt: skip
TOKEN = re.compile(
    rf"""
    https?://\S+ | www\.\S+ | [\w.+-]+@[\w-]+\.[\w.-]+      # addresses
    | </?\w+/?>                                            # tags
    | \.{{2,}} | --+ | [?!]{{2,}}                            # marks that stay together
    | (?:{"|".join(re.escape(word) for word in ABBREVIATIONS.split())})\.(?!\w)
    | no\.(?=\s*\d) | (?:[a-z]\.){{2,}}                     # no. 5, u.s.a.
    | [;:]-?[()](?!\w)                                     # :)
    | \(\d{{3}}\)(?=\s*\d) | \d{{3}}-\d{{4}}(?!\w) | \d{{3}}-\d{{3}}-\d{{4}}(?!\w)    # telephones
    | \#\w[\w-]* | @\w+ | c\+\+
    | '(?:n'(?!\w) | tis\b | twas\b | em\b | \d\ds?\b)        # 'n', '80s
    | \d+:\d+ | \d+/\d+(?!\w)
    | [-+]?\d+(?:[.,]\d+)*(?:st|nd|rd|th|s)?(?![\w:/-])        # numbers
    | \w+n't\b | n't\b | {CLITIC}
    | y'all\b | o'\w+
    | \w+(?:[-&/.]\w+|'(?!(?:s|m|d|ll|re|ve|t)(?!\w))\w+)*
    | \S
    """,
    re.VERBOSE,
)


def tokenise(caption: str) -> str:
    """Write the words of a caption in small letters, without punctuation, a space between them."""
    return " ".join(token for token in cut(caption) if token not in DROPPED)


def cut(caption: str) -> list[str]:
    """Cut a caption into tokens, punctuation included."""
    text = " ".join(caption.lower().translate(MARKS).split())
    found: list[str] = []
    for token in TOKEN.findall(text):
        if token.endswith("n't") and len(token) > 3:
            found += [token[:-3], "n't"]
        elif token in CUT:
            found += CUT[token].split()
        elif token.startswith(".."):
            found.append("...")
        else:
            found.append("".join(WRITTEN.get(letter, letter) for letter in token))
    return found
