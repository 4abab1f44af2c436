"""How good captions and answers are, by the measures that are published.

from numpygit.evaluation import match, read_results, score
pairs = match(read_results(Path("captions.jsonl")), read("metadata.jsonl"))
score(pairs).all["CIDEr"]

pairs.py        results beside references, matched by their ids
scores.py       all measures, each standing alone
measures.py     BLEU, ROUGE-L, CIDEr-D        vqa.py      VQA accuracy
tokens.py       a caption -> the words that are counted
confusions.py   which words are mistaken      report.py   one HTML page
scenes.py       new scenes of storybook's world, to be scored on
"""

from .pairs import Pair, match, read_results
from .scores import Scores, score

__all__ = ["Pair", "Scores", "match", "read_results", "score"]
