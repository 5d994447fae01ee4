"""What the docs tell people to do, judged against the project itself.

Blocks in pages are found by a parser of CommonMark. No library was taken for it: those that were looked at
(Sybil, pytest-examples, pytest-markdown-docs, mktestdocs, byexample) run blocks of Python or shell, and none
judges a command line that can't be run here, such as one for a cluster or for AWS, against what that takes.

- A block `sh run` is run, in a folder of its own, by tests/integration/test_docs_run.py; `text output` behind
  it is what it prints, where … stands for anything. `sh run box`, `sh run lab` and `sh run long` are run by
  long tests, which have such surroundings. Of every other block `sh` each command is judged.
- YAML, JSON, TOML and Python are read by the models, parsers and compilers that would read them.
- What can be neither run nor judged stands in `listed.py`, with the reason.
"""
