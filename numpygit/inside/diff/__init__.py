"""Compare two runs: the first tensor that differs, and the mistake that explains it.

compare.py      ours against theirs, tensor by tensor      rows.py      one tensor of each
theirs/         names, layouts and words of the other program, read as ours
mistakes/       the mistakes that are known, one file for each part of the model
search.py       which of them makes ours equal to theirs   trying.py    one of them, tried
numbers.py      mistakes with a number in them, fitted     rounding.py  half precision and less
operations.py   what computes each tensor                  scene.py     what that can look up
evidence.py     differences that no mistake explains       report.py    what is printed
"""
