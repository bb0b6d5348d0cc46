"""Checks that every public docstring is a complete numpydoc docstring; exits with 1 if not."""

import inspect
import sys

from numpydoc.validate import validate

import randla
import randla.sketch
import randla.sklearn
import randla.torch

# What we do not ask for: GL01 (the summary on a line of its own), SS05 (an infinitive: nouns begin
# sentences here), ES01 and SA01 (not everything has more to say, or relatives).
IGNORED = {"GL01", "SS05", "ES01", "SA01"}
# Reports and results list their fields under Attributes, and are shown where functions return them.
IGNORED_OF_INFO = {"PR01", "EX01"}
# What other classes begin with: these show how they are made.
BASES = {"randla.sketch.Sketch": {"PR01", "EX01"}, "randla.sketch.LinearSketch": {"PR01", "EX01"}}
# The example of a class shows its methods.
IGNORED_OF_METHODS = {"EX01"}


def names(prefix: str, scope: object, listed: list[str]) -> list[str]:
    """Public functions and classes of a scope, with the public methods of classes."""
    found = []
    for name in listed:
        thing = getattr(scope, name)
        if inspect.isfunction(thing):
            found.append(f"{prefix}.{name}")
        elif inspect.isclass(thing):
            found.append(f"{prefix}.{name}")
            # scikit-learn makes the methods that end like this
            methods = [m for m in vars(thing) if not m.startswith("_") and m[-8:] != "_request"]
            found += names(f"{prefix}.{name}", thing, methods)
        elif inspect.ismodule(thing):
            found += names(f"{prefix}.{name}", thing, thing.__all__)
    return found


def main() -> int:
    """Print what is wrong."""
    public = names("randla", randla, randla.__all__)
    for room in (randla.sketch, randla.sklearn, randla.torch):
        public += names(room.__name__, room, room.__all__)
    wrong = []
    for name in public:
        ignored = IGNORED | BASES.get(name, set())
        if name.endswith(("Info", "Result", "Scheme", "OmegaBound")):
            ignored = ignored | IGNORED_OF_INFO
        if name.rpartition(".")[0].rpartition(".")[2][0].isupper():
            ignored = ignored | IGNORED_OF_METHODS
        errors = validate(name)["errors"]
        wrong += [f"{name}: {code} {text}" for code, text in errors if code not in ignored]
    print(*wrong, f"{len(public)} docstrings, {len(wrong)} faults", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
