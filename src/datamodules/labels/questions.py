"""Questions and what they ask for, generated: a tiny data set that needs no file, in known wordings and in others.

The wordings of the test set `ood` occur nowhere else; the words that fill them are the same. No question occurs twice.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from composed.datamodules.text import Split, TextData
from composed.errors import DataError

ATTEMPTS = 100  # draws of a question that was not drawn before

_TABLE = """
person   ada alan grace emmy carl marie isaac leonhard sofia kurt henri mary niels lise max rosa
thing    telescope compass engine piano printer camera bridge clock radio violin lamp bicycle mirror loom
event    race festival fair regatta congress parade concert auction tournament exhibition
place    norway peru kenya japan france chile egypt india canada greece spain ghana
animal   owl otter beetle salmon falcon badger lizard heron moth seal
deed     invented painted repaired sold designed borrowed broke found
quality  old heavy famous small rare loud bright slow
"""
WORDS: Mapping[str, Sequence[str]] = {line.split()[0]: line.split()[1:] for line in _TABLE.strip().splitlines()}

# Of each label how a question for it is worded, in distribution and out of it.
WORDINGS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "PLACE:city": (
        (
            "in which city was {person} born ?",
            "what city hosts the {event} of {place} ?",
            "what city is {person} from ?",
        ),
        ("name the city where the {event} takes place .", "{person} grew up in what city ?"),
    ),
    "PLACE:country": (
        ("in which country do they race the {animal} ?", "what country sells the most {quality} {thing}s ?"),
        ("the {quality} {animal} lives in what country ?", "name the country where {person} {deed} the {thing} ."),
    ),
    "PERSON:name": (
        (
            "who {deed} the {quality} {thing} ?",
            "who won the {event} of {place} ?",
            "who is the owner of this {thing} ?",
        ),
        ("name the person who {deed} the {thing} .", "the {event} of {place} was won by whom ?"),
    ),
    "PERSON:description": (
        ("who was {person} of {place} ?", "what is {person} known for ?", "why is {person} famous in {place} ?"),
        ("tell me about {person} .", "describe {person} , who {deed} the {thing} ."),
    ),
    "NUMBER:date": (
        (
            "when was the {thing} {deed} ?",
            "what year was the {event} of {place} ?",
            "when did {person} visit {place} ?",
        ),
        ("name the year when {person} {deed} the {thing} .", "the {event} of {place} began on what day ?"),
    ),
    "NUMBER:count": (
        ("how many {quality} {thing}s are there in {place} ?", "how many {animal}s did {person} see ?"),
        ("what is the number of {animal}s in {place} ?", "count the {thing}s that {person} {deed} ."),
    ),
    "THING:animal": (
        ("what animal eats the {quality} {animal} ?", "which animal did {person} keep in {place} ?"),
        ("name an animal that is as {quality} as the {animal} .", "the {animal} is hunted by what animal ?"),
    ),
    "THING:colour": (
        ("what colour is the {quality} {animal} of {place} ?", "what colour was the {thing} that {person} {deed} ?"),
        ("name the colour of the {animal} .", "{person} painted the {thing} in what colour ?"),
    ),
    "REASON:cause": (
        ("why is the {animal} so {quality} ?", "why did {person} leave {place} ?", "why was the {event} moved ?"),
        ("what made {person} leave the {event} ?", "for what reason is the {thing} {quality} ?"),
    ),
    "REASON:manner": (
        ("how did {person} reach {place} ?", "how does a {quality} {thing} work ?", "how is a {thing} {deed} ?"),
        ("explain the way that a {thing} works .", "in what way was the {event} of {place} won ?"),
    ),
}


@dataclass(frozen=True)
class Sizes:
    """Questions in each split."""

    train: int
    val: int
    test: int
    ood: int


def generate(sizes: Sizes, *, fine: bool, seed: int) -> TextData:
    """Labels are such as PLACE:city where they are `fine`, else PLACE. Raises DataError for more than there are."""
    seen: set[str] = set()
    # Those that measure come first, so that no size of the training changes them.
    splits = {name: _split(name, getattr(sizes, name), fine, seed, seen) for name in ("test", "ood", "val", "train")}
    tests = {"id": splits["test"], "ood": splits["ood"]}
    return TextData(splits["train"], splits["val"], tests, [], [], about="generated questions; OOD has other wordings")


def _split(name: str, size: int, fine: bool, seed: int, seen: set[str]) -> Split:
    rng = random.Random(f"questions/{seed}/{name}")
    questions, labels = [], []
    for number in range(size):
        for _ in range(ATTEMPTS):
            label = rng.choice([*WORDINGS])
            question = _filled(rng.choice(WORDINGS[label][name == "ood"]), rng)
            if question not in seen:
                break
        else:
            raise DataError(f"task.sizes.{name}={size}: no more than {number} different questions; ask for fewer")
        seen.add(question)
        questions.append(question)
        labels.append(label if fine else label.partition(":")[0])
    return Split(questions, labels)


def _filled(wording: str, rng: random.Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: rng.choice(WORDS[match.group(1)]), wording)
