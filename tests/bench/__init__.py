"""How fast it is, beside what a user would pick instead: `make bench`, and `make bench-quick` against what was before.

`python -m tests.bench [PART…]` measures, each part into a file of its own under build/bench, and `python -m tests.bench
page` makes deploy/bench.md of them. How it is made fair: deploy/decisions/0032-bench.md.
"""
