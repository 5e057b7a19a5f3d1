"""task=python: SansType's examples in Python print what the C++ prints; lines, indentation, styles, noise, data."""

import contextlib
import io
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed import judges
from composed.config.options import read_option
from composed.datamodules import python, sanstype
from composed.datamodules.noise import TemplateNoise
from composed.datamodules.python.noise import INDENTATION, PythonTemplate
from composed.datamodules.python.translation import normal_form, to_python, translate, vocabulary
from composed.datamodules.sanstype.files import as_source, to_cpp
from composed.datamodules.sanstype.grammar import Grammar, generate
from composed.datamodules.sanstype.inputs import choose
from composed.datamodules.sanstype.style import normal_form as normal_form_of_cpp
from composed.datamodules.text import TextData
from composed.datamodules.tokenizers import train
from composed.judges.python import Judge
from composed.tasks.reading import prediction_rows

SIZES = {"train": 30, "val": 10, "test": 12, "ood": 12, "unlabeled": 60, "unlabeled_val": 10}
GRAMMARS = st.builds(Grammar, max_variables=st.integers(1, 4), max_rounds=st.integers(1, 6))
PAPER = Grammar()
SEEDS = st.integers(0, 2**32)
BLOCK = (
    "int main () { $ bool var_0 ; $ cin >> var_0 ; $ int var_1 ; var_1 = 3 ; $ var_1 -= 4 ; "
    "$ if ( var_0 ) { ~ int var_1 = 5 ; ~ int var_2 ; var_2 = 6 ; int temp = var_1 ; var_1 = var_2 ; var_2 = temp ; } "
    "$ var_0 = var_0 && true ; $ cout << var_0 ; $ cout << var_1 ; $ return 0; }"
)
BLOCK_IN_PYTHON = """\
var_0 = bool ( int ( input ( ) ) )
var_1 = 3
var_1 -= 4
if var_0 :
    def block ( ) :
        var_1 = 5
        var_2 = 6
        var_1 , var_2 = var_2 , var_1
    block ( )
var_0 = var_0 and True
print ( int ( var_0 ) , end = "" )
print ( var_1 , end = "" )
"""


NOISED = [  # by the revision before the two languages shared their draws
    "int main () { $ var_0 = 3 ; $ var_0 += 4 ; $ $ return 0; }",
    "int main () { $ int var_0 = 3 ; $ int var_0 += 4 ; $ cout << var_0 ; $ return 0; }",
    "int main () { $ string var_0 = 3 ; $ int var_0 = var_0 + 4 ; $ cout << var_0 ; $ return 0; }",
]


def drawn(count: int, seed: int = 0, grammar: Grammar = PAPER, split: str = "any") -> list[str]:
    return [translate(each.target) for each in generate(count, seed=seed, split=split, grammar=grammar)]


def load(folder: Path, **settings: Any) -> TextData:
    small = {"max_variables": 2, "max_rounds": 2}
    given = {"data": str(folder), "seed": 0, "grammar": small, "sizes": SIZES, "inputs": 4, "folder": None}
    return python.load({**given, **settings}, judges.execute)


def printed(code: str, given: str) -> str:
    """What a program that was generated here prints, in this process."""
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(told):
        patch.setattr(sys, "stdin", io.StringIO(given))
        exec(compile(code, "program.py", "exec"), {})
    return told.getvalue()


def test_a_block_with_variables_of_its_own_worked_out_by_hand():
    assert to_python(translate(BLOCK)) == BLOCK_IN_PYTHON
    assert [printed(BLOCK_IN_PYTHON, given) for given in ("1\n", "0\n")] == ["1-1", "0-1"]


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("int var_0 = 3 ;", "var_0 = 3"),
        ("bool var_0 ; var_0 = false ;", "var_0 = False"),
        ('string var_0 = "str_1" ;', 'var_0 = "str_1"'),
        ("int var_0 ; $ cin >> var_0 ;", "var_0 = int ( input ( ) )"),
        ("bool var_0 ; $ cin >> var_0 ;", "var_0 = bool ( int ( input ( ) ) )"),
        ("string var_0 ; $ cin >> var_0 ;", "var_0 = input ( )"),
        ("var_0 = var_0 && false ;", "var_0 = var_0 and False"),
        ("var_0 += 3 ;", "var_0 += 3"),
        ('var_0 = "str_1" + var_0 ;', 'var_0 = "str_1" + var_0'),
        ("var_0 = max ( var_0 , var_1 ) ;", "var_0 = max ( var_0 , var_1 )"),
        ("string var_0 ; $ cout << var_0 ;", 'print ( var_0 , end = "" )'),
        ("bool var_0 = true ; $ cout << var_0 ;", 'var_0 = True $ print ( int ( var_0 ) , end = "" )'),
        (
            "if ( var_2 ) { string temp = var_0 ; var_0 = var_1 ; var_1 = temp ; }",
            "if var_2 : $ ~ var_0 , var_1 = var_1 , var_0",
        ),
    ],
)
def test_statements_worked_out_by_hand(statement: str, line: str):
    assert translate(f"int main () {{ $ {statement} $ return 0; }}") == line


def test_every_program_prints_what_the_program_in_cpp_prints():
    """240 of two grammars and both wordings, on up to four inputs that take their branches."""
    grammars = [(Grammar(), False), (Grammar(2, 6), True)]
    examples = [
        each for grammar, ood in grammars for each in generate(120, seed=8, split="same", grammar=grammar, ood=ood)
    ]
    given = [["".join(f"{x}\n" for x in values) for values in choose(e.target, e.inputs, 4)] for e in examples]
    ran = judges.execute([to_cpp(each.target) for each in examples], given)
    compared = 0
    for each, texts, outcome in zip(examples, given, ran, strict=True):
        code = to_python(translate(each.target))
        assert [printed(code, text) for text in texts] == [text.decode() for text in outcome.printed], code
        compared += len(texts)
    assert compared > 480
    assert sum("def block" in translate(each.target) for each in examples) > 10


@given(SEEDS, GRAMMARS)
def test_lines_and_indentation_survive_the_tokens(seed: int, grammar: Grammar):
    (line,) = drawn(1, seed, grammar)
    words = train("word", [line])
    assert words.decode(words.encode(line)) == line
    assert to_python(" ".join(line.split())) == to_python(
        line.replace(" ~", "~").replace("~ ", "~").replace(" $ ", "$")
    )


def test_every_word_of_programs_and_of_pseudocode_has_a_token_whatever_the_sizes():
    grammar = Grammar()
    tokenizer = train("word", vocabulary(seed=0, grammar=grammar))
    examples = generate(200, seed=4, split="other", grammar=grammar)
    texts = [text for each in examples for text in (each.source, translate(each.target))]
    noised = [PythonTemplate(0.0, 3)(line, random.Random(n)) for n, line in enumerate(drawn(200, 5))]
    assert not [text for text in (*texts, *noised) if tokenizer.unk in tokenizer.encode(text)]
    pieces = train("bpe", vocabulary(seed=0, grammar=grammar), 600)
    assert all(pieces.decode(pieces.encode(text)) == " ".join(text.split()) for text in texts)


@pytest.mark.parametrize(
    ("prediction", "code"),
    [
        ("", "\n"),
        ("a = 1", "a = 1\n"),
        ("if a :$~ b = <unk> $ ~~ c = 1", "if a :\n    b = unk\n        c = 1\n"),
        ("a = ~ b $ $ c", "a = ~ b\n\nc\n"),
    ],
)
def test_a_prediction_of_any_kind_becomes_lines(prediction: str, code: str):
    assert to_python(prediction) == code


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a += 3", "a = a + 3", True),
        ("if b : $ ~ a -= 3", "if b :  $ ~  a = a - 3", True),
        ("~ ~ a += 3", "~ a += 3", False),
        ("a += 3", "a = 3 + a", False),
        ("a += 3 $ b", "a += 3 b", False),
        ("a = 3 $ b = 4", "b = 4 $ a = 3", False),
    ],
)
def test_style_worked_out_by_hand(one: str, other: str, same: bool):
    assert (normal_form(one) == normal_form(other)) is same


@given(SEEDS, GRAMMARS)
def test_programs_of_one_normal_form_in_cpp_have_one_in_python(seed: int, grammar: Grammar):
    """Two programs of the stream, and the first one in the style of its normal form."""
    (target,) = [each.target for each in generate(1, seed=seed, split="any", grammar=grammar)]
    restyled = " $ ".join(_in_the_other_style(statement) for statement in target.split(" $ "))
    assert normal_form_of_cpp(restyled) == normal_form_of_cpp(target)
    assert normal_form(translate(restyled)) == normal_form(translate(target))
    assert normal_form(normal_form(translate(target))) == normal_form(translate(target))


def _in_the_other_style(statement: str) -> str:
    match statement.split():
        case [name, ("+=" | "-=") as sign, value, ";"]:
            return f"{name} = {name} {sign[0]} {value} ;"
        case [("int" | "bool" | "string") as type_, name, "=", value, ";"]:
            return f"{type_} {name} ; {name} = {value} ;"
    return statement


def test_data_are_the_examples_of_sanstype_with_other_outputs(tmp_path):
    data = load(tmp_path)
    settings = {"data": str(tmp_path), "folder": None, "seed": 0, "inputs": 4, "sizes": SIZES}
    cpp = sanstype.load({**settings, "grammar": {"max_variables": 2, "max_rounds": 2}}, lambda *_: [])
    pairs = [(data.train, cpp.train), (data.val, cpp.val), *((data.tests[name], cpp.tests[name]) for name in cpp.tests)]
    for ours, theirs in pairs:
        assert (ours.sources, ours.tests) == (theirs.sources, theirs.tests)
        assert ours.targets == [*map(translate, theirs.targets)]
    assert [*data.tests] == ["id", "ood"]
    held_out = {
        *data.val.targets,
        *data.unlabeled_val,
        *(line for split in data.tests.values() for line in split.targets),
    }
    assert len(data.unlabeled) == len({*data.unlabeled})
    assert {*map(translate, cpp.unlabeled)} - held_out == {*data.unlabeled}
    assert load(tmp_path) == data
    assert as_source("read var_0; print var_0;") == data.as_source("read var_0; print var_0;")


def test_the_judge_takes_every_gold_program_for_correct(tmp_path):
    data = load(tmp_path, sizes={**SIZES, "train": 4})
    keys = {key: value for key, value in read_option("judge", "python").items() if key != "name"}
    rows = [row for split in data.tests.values() for row in prediction_rows(data, split, {"gold": split.targets})]
    assert len(rows) == 24
    assert {each.verdict for each in Judge(**{**keys, "workers": 2}).judge(rows)} == {"correct"}


@given(SEEDS, GRAMMARS)
def test_noise_is_of_its_stream_alone_and_makes_as_many_mistakes_as_it_says(seed: int, grammar: Grammar):
    (line,) = drawn(1, seed, grammar)
    noised = PythonTemplate(0.0, 2)(line, random.Random(seed))
    assert noised == PythonTemplate(0.0, 2)(line, random.Random(seed))
    assert PythonTemplate(1.0)(line, random.Random(seed)) == line
    before, after = ([part.split() for part in text.split("$")] for text in (line, noised))
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= 2


LINES = {re.sub(r"\d+", "0", part): part for each in drawn(60, 1, Grammar(3, 6)) for part in each.split(" $ ")}


@pytest.mark.parametrize("line", sorted(LINES.values()))
def test_noise_knows_every_line_and_keeps_its_place_unless_that_is_the_mistake(line: str):
    made = {PythonTemplate().corrupted(line, random.Random(n)) for n in range(60)}
    statement = line.lstrip("~ ")
    indent = len(line) - len(statement)
    moved = {each for each in made if each.lstrip("~ ") == statement and each != line}
    assert {len(each) - len(statement) for each in moved} == {indent + 2, *([indent - 2] if indent else [])}
    changed = made - moved - {line}
    assert changed
    assert all(not each or each[:indent] == line[:indent] for each in changed)


def test_a_quarter_of_the_mistakes_is_in_the_indentation():
    rng = random.Random(0)
    made = [PythonTemplate().corrupted("~ block ( )", rng) for _ in range(2000)]
    share = sum(each.lstrip("~ ") == "block ( )" for each in made) / len(made)
    assert share == pytest.approx(INDENTATION, abs=0.03)


def test_what_is_no_line_of_the_grammar_stays_but_for_its_indentation():
    made = {PythonTemplate().corrupted("while True : pass", random.Random(n)) for n in range(30)}
    assert made == {"while True : pass", "~ while True : pass"}


def test_the_noise_of_cpp_draws_as_before():
    target = "int main () { $ int var_0 = 3 ; $ var_0 += 4 ; $ cout << var_0 ; $ return 0; }"
    assert [TemplateNoise(0.1, 3)(target, random.Random(f"noise/0/{n}")) for n in range(3)] == NOISED
