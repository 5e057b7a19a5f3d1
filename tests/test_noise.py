import os
import random
import re
import shutil
import subprocess
from collections import Counter
from itertools import combinations
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules import noise as module
from composed.datamodules import tokenizers
from composed.datamodules.noise import (
    MASK,
    Infilling,
    Masking,
    Mixture,
    RandomDeletion,
    TemplateNoise,
    corrupt,
    poisson,
)
from composed.datamodules.noise_code import CodeErrors
from composed.datamodules.sanstype.grammar import FOOTER, HEADER, generate
from composed.errors import ConfigError

PROGRAMS = [example.target for example in generate(10_000, seed=0, split="unlabeled")]
NOISES = [TemplateNoise(), RandomDeletion()]
BOTH = Mixture({"template": TemplateNoise(), "infilling": Infilling()}, {"template": 1.0, "infilling": 3.0})
ALL = [*NOISES, Masking(), Infilling(), BOTH]
programs = st.sampled_from(PROGRAMS[:200])
seeds = st.integers(0, 2**32)


def outcomes(noise, statement: str, draws: int = 2000) -> set[str]:
    """All that a noise makes of a program of one statement."""
    lines = (noise(f"{HEADER} $ {statement} $ {FOOTER}", random.Random(seed)) for seed in range(draws))
    return {line.removeprefix(f"{HEADER} $").removesuffix(f"$ {FOOTER}").strip() for line in lines}


def segments(line: str) -> list[str]:
    return [segment.strip() for segment in line.split("$")]


def any_type(*statements: str) -> set[str]:
    return {f"{type_} {statement}" for type_ in ("int", "bool", "string") for statement in statements}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("int a = 5 ;", {"bool a = 5 ;", "string a = 5 ;", "a = 5 ;", "bool a ; a = 5 ;", "string a ; a = 5 ;"}),
        (
            "bool a ; a = true ;",
            {"int a = true ;", "string a = true ;", "a = true ;", "int a ; a = true ;", "string a ; a = true ;"},
        ),
        ("string a ;", {"int a ;", "bool a ;"}),
        ("cin >> a ;", {"cin a ;", "cin >> a ;", "cin << a ;"}),
        ('a = "s" ;', {'a = "s" ;'} | any_type('a = "s" ;')),
        ("a += 7 ;", any_type("a += 7 ;", "a = a + 7 ;")),
        ("a = a - 7 ;", any_type("a -= 7 ;", "a = a - 7 ;")),
        ("a = a && false ;", any_type("a = a && false ;")),
        ('a += "s" ;', any_type('a += "s" ;', 'a = a + "s" ;')),
        ('a = a + "s" ;', any_type('a += "s" ;', 'a = a + "s" ;')),
        ('a = "s" + a ;', any_type('a = "s" + a ;')),
        ("a = max ( a , b ) ;", any_type("a = max ( a , b ) ;")),
        ("cout << a ;", {""}),
        (
            "if ( c ) { int temp = a ; a = b ; b = temp ; }",
            {f"if ( c ) {{ {type_}temp = a ; a = b ; b = temp ; }}" for type_ in ("", "bool ", "string ")},
        ),
        (
            "if ( c ) { ~ int a = 1 ; ~ int b ; b = 2 ; int temp = a ; a = b ; b = temp ; }",
            {
                f"if ( c ) {{ ~ {first} ~ {second} {type_}temp = a ; a = b ; b = temp ; }}"
                for first in ("a = 1 ;", "bool a = 1 ;", "string a = 1 ;", "bool a ; a = 1 ;", "string a ; a = 1 ;")
                for second in ("b = 2 ;", "bool b = 2 ;", "string b = 2 ;", "bool b ; b = 2 ;", "string b ; b = 2 ;")
                for type_ in ("", "bool ", "string ")
            },
        ),
    ],
)
def test_a_statement_becomes_exactly_the_corruptions_of_its_kind(statement, expected):
    assert outcomes(TemplateNoise(unchanged=0.0, max_draws=1), statement) == expected


@pytest.mark.parametrize("statement", ["", "a ;", "cin a ;", "while ( a ) { b ; }", "int temp = a ;", "a = b + 1 ;"])
def test_a_statement_of_no_known_kind_stays(statement):
    assert outcomes(TemplateNoise(unchanged=0.0), statement) == {statement}


def test_deletion_loses_words_as_they_were_before_tokenization():
    words = ["a", "=", "max ( a ,", "b ) ;"]
    kept = {" ".join(some) for n in range(5) for some in combinations(words, n)}
    assert outcomes(RandomDeletion(unchanged=0.0, probability=0.5), "a = max ( a , b ) ;") == kept
    words = ["if", "( c )", "{", "~", "b", "=", "true ;", "}"]
    kept = {" ".join(some) for n in range(9) for some in combinations(words, n)}
    assert outcomes(RandomDeletion(unchanged=0.0, probability=0.5), "if ( c ) { ~ b = true ; }", 5000) == kept


@pytest.mark.parametrize("noise", NOISES)
@given(program=programs, seed=seeds)
def test_noise_keeps_the_frame_and_the_number_of_segments(noise, program, seed):
    noised = noise(program, random.Random(seed))
    assert noised.startswith(HEADER)
    assert noised.endswith(FOOTER)
    assert noised.count("$") == program.count("$")
    assert noised == " ".join(noised.split())


@pytest.mark.parametrize("noise", ALL)
@given(program=programs, seed=seeds)
def test_noise_keeps_the_frame_and_single_blanks(noise, program, seed):
    noised = noise(program, random.Random(seed))
    assert noised.startswith(HEADER)
    assert noised.endswith(FOOTER)
    assert noised == " ".join(noised.split())


def body(program: str) -> list[str]:
    """The tokens between the frame."""
    return re.findall(r'"[^"]*"|\S+', program.removeprefix(HEADER).removesuffix(FOOTER))


@given(program=programs, seed=seeds, probability=st.floats(0, 1))
def test_masking_hides_tokens_in_their_places(program, seed, probability):
    noised = body(Masking(unchanged=0.0, probability=probability)(program, random.Random(seed)))
    assert len(noised) == len(body(program))
    assert all(bad in (clean, MASK) for clean, bad in zip(body(program), noised, strict=True))


def test_masking_hides_its_share():
    before = [token for program in PROGRAMS[:1000] for token in body(program)]
    noised = corrupt(PROGRAMS[:1000], Masking(unchanged=0.0, probability=0.2), seed=0)
    hidden = sum(program.count(MASK) for program in noised)
    assert abs(hidden / len(before) - 0.2) < 5 * sqrt(0.2 * 0.8 / len(before))


@given(program=programs, seed=seeds, probability=st.floats(0, 1), span=st.floats(1, 10))
def test_infilling_covers_exactly_its_share_and_keeps_the_rest_in_order(program, seed, probability, span):
    clean = body(program)
    noised = body(Infilling(unchanged=0.0, probability=probability, span=span)(program, random.Random(seed)))
    kept = [token for token in noised if token != MASK]
    assert len(kept) == len(clean) - round(probability * len(clean))
    rest = iter(clean)
    assert all(token in rest for token in kept)  # a subsequence


def test_infilling_covers_spans_of_the_mean_that_is_asked_for():
    """Tokens per mask, in programs so long that the last span, which is cut, counts little."""
    program = f"{HEADER} $ {'a ; $ ' * 2000}{FOOTER}"
    masks = [
        Infilling(unchanged=0.0, probability=0.5, span=4.0)(program, random.Random(i)).count(MASK) for i in range(30)
    ]
    assert sum(masks) / 30 == pytest.approx(round(0.5 * 6001) / 4, rel=0.02)


def test_poisson_numbers_have_the_mean_and_the_variance_of_their_distribution():
    rng = random.Random(0)
    drawn = [poisson(3.0, rng) for _ in range(20_000)]
    mean = sum(drawn) / len(drawn)
    assert mean == pytest.approx(3.0, abs=5 * sqrt(3 / len(drawn)))
    assert sum((x - mean) ** 2 for x in drawn) / len(drawn) == pytest.approx(3.0, rel=0.05)


def test_infilling_all_tokens_leaves_the_frame_and_masks():
    noised = Infilling(unchanged=0.0, probability=1.0)(f"{HEADER} $ int a = 5 ; $ {FOOTER}", random.Random(0))
    assert set(body(noised)) == {MASK}


def test_a_mixture_draws_its_parts_in_proportion():
    programs = PROGRAMS[:2000]
    noised = corrupt(programs, Mixture({"a": Masking(0.0, 1.0), "b": Masking(1.0)}, {"a": 1.0, "b": 3.0}), seed=0)
    hidden = sum(MASK in program for program in noised)
    assert shares_agree(hidden, len(programs), 0.25, published_n=10**9)


def test_a_mixture_leaves_out_what_weighs_nothing():
    mixture = Mixture({"a": Masking(0.0, 1.0), "b": Infilling()}, {"a": 0.0, "b": 0.5})
    assert all(set(body(line)) != {MASK} for line in corrupt(PROGRAMS[:200], mixture, seed=0))


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_a_mask_is_one_unknown_token_to_both_tokenizers(kind):
    tokenizer = tokenizers.train(kind, PROGRAMS[:300], 200)
    clean = f"{HEADER} $ int var_0 = 5 ; $ {FOOTER}"
    masked = clean.replace("var_0 =", MASK)
    ids = tokenizer.encode(masked)
    assert ids.count(tokenizer.unk) == 1
    assert tokenizer.unk not in tokenizer.encode(clean)
    assert tokenizer.decode(ids).replace(" ", "") == masked.replace(" ", "")


@pytest.mark.parametrize("noise", [TemplateNoise(1.0), RandomDeletion(1.0), Masking(1.0), Infilling(1.0)])
@given(program=programs, seed=seeds)
def test_unchanged_programs_come_back_as_they_were(noise, program, seed):
    assert noise(program, random.Random(seed)) == program


@pytest.mark.parametrize("noise", ALL)
@given(line=st.text())
def test_any_text_is_accepted(noise, line):
    noise(line, random.Random(0))


@pytest.mark.parametrize("noise", ALL)
def test_a_program_is_corrupted_alike_whatever_stands_beside_it(noise):
    noised = corrupt(PROGRAMS[:100], noise, seed=5)
    assert noised == corrupt(PROGRAMS[:100], noise, seed=5)
    assert noised[:40] == corrupt(PROGRAMS[:40], noise, seed=5)
    assert noised[40:] == corrupt([""] * 40 + PROGRAMS[40:100], noise, seed=5)[40:]
    assert noised != corrupt(PROGRAMS[:100], noise, seed=6)


@pytest.mark.parametrize("noise", [*ALL, CodeErrors()])
def test_several_processes_corrupt_as_one_does(noise, monkeypatch):
    alone = corrupt(PROGRAMS[:70], noise, seed=5)
    monkeypatch.setattr(module, "TOO_FEW_FOR_PROCESSES", 60)
    monkeypatch.setattr(module, "CHUNK", 20)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert corrupt(PROGRAMS[:70], noise, seed=5) == alone


def shares_agree(count: int, n: int, share: float, published_n: int) -> bool:
    """Whether two samples differ by less than 3 standard deviations, given the published share and size."""
    return abs(count / n - share) < 3 * sqrt(share * (1 - share) * (1 / n + 1 / published_n))


def test_template_noise_changes_as_many_statements_as_the_published_noise():
    noised = corrupt(PROGRAMS, TemplateNoise(), seed=0)
    changed = Counter(
        sum(clean != bad for clean, bad in zip(segments(program), segments(line), strict=True))
        for program, line in zip(PROGRAMS, noised, strict=True)
    )
    assert set(changed) == {0, 1, 2, 3}
    for slots, share in enumerate((0.141, 0.376, 0.338, 0.146)):
        assert shares_agree(changed[slots], len(PROGRAMS), share, published_n=4000), slots


def test_random_deletion_leaves_as_many_programs_whole_as_the_published_noise():
    noised = corrupt(PROGRAMS, RandomDeletion(), seed=0)
    assert shares_agree(sum(map(str.__eq__, PROGRAMS, noised)), len(PROGRAMS), 0.118, published_n=2000)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_as_many_noised_programs_compile_as_with_the_published_noise():
    clean = PROGRAMS[:1000]
    noised = [
        line for line, program in zip(corrupt(clean, TemplateNoise(), seed=0), clean, strict=True) if line != program
    ]
    assert compiled(clean[:200]) == 200
    assert shares_agree(compiled(noised), len(noised), 39 / 175, published_n=175)


def compiled(lines: list[str]) -> int:
    """How many programs g++ accepts, each a function on a line of its own: noise keeps every brace."""
    functions = [line.replace("main", f"main_{i}").translate(str.maketrans("$~", "  ")) for i, line in enumerate(lines)]
    code = "\n".join(["#include <iostream>", "#include <string>", "using namespace std;", "#line 1", *functions])
    command = ["g++", "-fsyntax-only", "-fmax-errors=0", "-w", "-x", "c++", "-"]
    report = subprocess.run(command, input=code, capture_output=True, text=True, timeout=120).stderr
    return len(lines) - len(set(re.findall(r"^<stdin>:(\d+):\d+: error", report, re.MULTILINE)))


@pytest.mark.parametrize(
    ("noise", "name", "value"),
    [
        (TemplateNoise, "unchanged", 1.5),
        (TemplateNoise, "max_draws", 0),
        (RandomDeletion, "unchanged", -0.1),
        (RandomDeletion, "probability", float("nan")),
        (Masking, "probability", 2.0),
        (Infilling, "probability", -1.0),
        (Infilling, "span", 0.5),
        (Infilling, "span", float("inf")),
    ],
)
def test_impossible_parameters_are_refused_by_name(noise, name, value):
    with pytest.raises(ConfigError, match=f"noise.{name}="):
        noise(**{name: value})


@pytest.mark.parametrize("weights", [{"a": 1.0, "b": -1.0}, {"a": 0.0, "b": 0.0}, {"a": 1.0}, {"a": 1.0, "c": 1.0}])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ConfigError, match=r"noise\.weights="):
        Mixture({"a": Masking(), "b": Infilling()}, weights)


@pytest.mark.shared
def test_every_statement_of_the_published_programs_is_recognised():
    folder = Path(__file__).parents[2] / "shared" / "data" / "sanstype_reference"
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}")
    lines = [line for split in ("train", "val") for line in (folder / f"{split}.tgt").read_text().splitlines()]
    kinds = {
        re.sub(r"var_\d", "a", re.sub(r"\d+ ;", "5 ;", segment)) for line in lines for segment in segments(line)[1:-1]
    }
    noise = TemplateNoise(unchanged=0.0, max_draws=1)
    assert len(lines) == 1500
    assert [kind for kind in kinds if outcomes(noise, kind, draws=30) == {kind}] == []
