"""A caption -> the words that the official measures count.

The official tokeniser is Stanford's PTBTokenizer, in Java, with small letters, and without 18 marks
of punctuation. This one does with regular expressions what that one does to captions; a test
compares the two where Java is there. That one looks past the end of a caption: whether the full
stop of "the letter A." stays depends on the first word of the caption that happens to follow.
Whoever prints a score says which was used.
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
         adj adm adv al ala alex apr ariz assn assoc asst atty aug ave bhd bldg blvd brig bros
    capt cf cie     cmdr co col colo conn corp cos cpl ct dak dec dept det dr drs elec ens esq est
    etc ext feb fla     fri ft ga gen gov govs hon inc ind insp intl invt jan jos jr jul jun kan
    kans ky lt ltd maj mar     md mfg mich minn mlle mme mo mon mont mr mrs ms msgr mt mtg natl
    neb nev nov oct okla penn pfc     ph plc ppte ppty pres prof pte ptes pty ptys pvt rd rep reps
    rev rt sen sens sep sept seq sfc     sgt spc sq sr st ste supt sys tel tenn thu thurs tue tues
    univ va vs vt wed wis wisc wm wyo u.s     u.k a.m p.m e.g i.e
"""  # found by trying every word of up to four letters, and longer ones of many texts
CAPITALS = "Ark Az Del Ill La Mass Miss Ore Pa Tex"  # words, unless written so
STARTERS = """
    a about according additionally after an as at but earlier he her here however if in it last many
    more now once one other our she since so some such that the their then there these they this we
    what when while yet you mr\\. ms\\.
"""  # with a capital they begin a sentence, and the letter before the full stop is a word
CLITIC = r"'(?:s|m|d|ll|re|ve)(?!\w)"
CUT = {  # words that are cut in two
    "cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na",
    "lemme": "lem me", "gimme": "gim me", "'tis": "'t is", "'twas": "'t was", "y'all": "y' all",
}  # fmt: skip
WRITTEN_SO = "|".join([*CAPITALS.split(), *CAPITALS.upper().split()])
TOKEN = re.compile(
    rf"""
    https?://\S+ | www\.\S+ | [\w.+-]+@[\w-]+\.[\w.-]+      # addresses
    | </?\w+/?>                                            # tags
    | \.{{2,}} | --+ | [?!]{{2,}}                            # marks that stay together
    | (?:{"|".join(re.escape(word) for word in ABBREVIATIONS.split())})\.(?!\w)
    | (?-i:{WRITTEN_SO})\.(?!\w)
    | (?:no|fig)\.(?=\s*\d) | (?:[a-z]\.){{2,}} | ph\.d\.    # no. 5, u.s.a.
    | [a-z]\.(?!\w)(?!\s+(?=(?-i:[A-Z]))(?:{"|".join(STARTERS.split())})(?![\w']))    # vitamin c.
    | [;:]-?[()](?!\w)                                     # :)
    | \(\d{{3}}\)(?=\s*\d) | \d{{3}}-\d{{4}}(?!\w) | \d{{3}}-\d{{3}}-\d{{4}}(?!\w)    # telephones
    | \#[a-z][\w-]* | @\w+ | c\+\+
    | '(?:n'(?!\w) | tis\b | twas\b | em\b | \d\ds?\b)        # 'n', '80s
    | \d+:\d+ | \d+/\d+(?!\w)
    | [-+]?\d+(?:[.,]\d+)*(?:st|nd|rd|th|s)?(?![\w:/-])        # numbers
    | \w+n't\b | n't\b | {CLITIC}
    | y'all\b | o'\w+
    | \w+(?:[-&/.]\w+|'(?!(?:s|m|d|ll|re|ve|t)(?!\w))\w+)*
    | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)


def tokenise(caption: str) -> str:
    """Write the words of a caption in small letters, without punctuation, a space between them."""
    return " ".join(token for token in cut(caption) if token not in DROPPED)


def cut(caption: str) -> list[str]:
    """Cut a caption into tokens, punctuation included."""
    text = " ".join(caption.translate(MARKS).split())
    found: list[str] = []
    for token in map(str.lower, TOKEN.findall(text)):
        if token.endswith("n't") and len(token) > 3:
            found += [token[:-3], "n't"]
        elif token in CUT:
            found += CUT[token].split()
        elif token.startswith(".."):
            found.append("...")
        else:
            found.append("".join(WRITTEN.get(letter, letter) for letter in token))
    return found
