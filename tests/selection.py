"""Select the combinations whose own checks run.

The number of combinations is the product of all options and triples with each new one. A module
of a project depends on one or two of its options, so a defect shows as soon as those two have the
values that cause it. Therefore:

- The linters and the type checkers run on each code, once: `linted()`.
- The tests run on a covering selection, `tested_codes()`: every pair of values of the options that
  change the code, and every authentication method with migrations on every database, because the
  migrations of the tables of a method are modules of their own.

What is quick to check (files, words, format, syntax) is checked on every combination. A new option
or value is selected without a change here, as long as `code_options` in `template.py` knows it.
"""

import itertools
from collections.abc import Iterator
from functools import cache

from template import (
    Answers,
    code_of,
    code_options,
    combinations,
    default_answers,
    is_alone,
)

# These meet in modules that only they together decide.
TOGETHER = {"auth", "database", "migrations"}

Interaction = frozenset[tuple[str, str]]


def interactions_of(answers: Answers) -> set[Interaction]:
    """Return the combined values that the tests of these answers cover."""
    options = code_options(answers)
    found = {frozenset(pair) for pair in itertools.combinations(options.items(), 2)}
    if options["migrations"] == "yes":
        found.add(frozenset(item for item in options.items() if item[0] in TOGETHER))
    return found


@cache
def tested_codes() -> frozenset[str]:
    """Return the codes whose tests run: a greedy covering selection."""
    candidates = {
        code_of(answers): answers for name, answers in combinations() if not is_alone(name)
    }
    missing = set().union(*map(interactions_of, candidates.values()))
    # The default project, and the one that has nothing.
    nothing = [answers for name, answers in combinations() if not is_alone(name)][-1]
    selected = [code_of(default_answers()), code_of(nothing)]
    for code in selected:
        missing -= interactions_of(candidates[code])
    while missing:
        # The first of several that cover as much, so the selection is the same in every run.
        best = max(candidates, key=lambda code: len(interactions_of(candidates[code]) & missing))
        missing -= interactions_of(candidates[best])
        selected.append(best)
    # A Python version changes no code, but what runs it.
    alone = {code_of(answers) for name, answers in combinations() if is_alone(name)}
    return frozenset(selected) | alone


def linted() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the combinations whose linters run.

    Whether there is a server decides about few lines, so a project without one is only linted
    where it is tested.
    """
    usual = code_options(default_answers())["server"]
    for name, answers in combinations():
        if code_options(answers)["server"] == usual or code_of(answers) in tested_codes():
            yield name, answers
