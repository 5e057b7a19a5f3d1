"""The type checker of SansType: every gold program passes, and whatever it lets through is a program that compiles."""

import random

import pytest
import torch

from composed import judges
from composed.datamodules import tokenizers
from composed.datamodules.noise import TemplateNoise, corrupt
from composed.datamodules.sanstype import to_cpp
from composed.datamodules.sanstype.checker import START, Checker, advance, possible
from composed.datamodules.sanstype.grammar import FOOTER, Grammar, generate, vocabulary
from composed.errors import ConfigError
from composed.models.composition import Composition
from composed.models.decoding import guided
from composed.models.transformer import Transformer

GRAMMAR = Grammar()
TOKENIZER = tokenizers.train("word", vocabulary(seed=0, grammar=GRAMMAR), 0)
CHECKER = Checker(TOKENIZER)
EOS = TOKENIZER.eos


def gold(count: int, split: str, *, ood: bool = False) -> list[str]:
    return [example.target for example in generate(count, seed=0, split=split, grammar=GRAMMAR, ood=ood)]


def passes(program: str) -> bool:
    """Whether every word may follow those before it, with no word to spare."""
    state, ids = CHECKER.start, [*TOKENIZER.encode(program), EOS]
    for at, token in enumerate(ids):
        if TOKENIZER.pieces[token] not in possible(state, len(ids) - at) and token != EOS:
            return False
        if token != EOS:
            state = CHECKER.after(state, token)
    return possible(state, 1) == {"</s>"}


def test_every_gold_program_of_a_data_set_passes_in_and_out_of_distribution():
    programs = [*gold(400, "train"), *gold(200, "ood", ood=True)]
    assert [program for program in programs if not passes(program)] == []
    assert any("if (" in program and "~" in program for program in programs)


def compiled(programs: list[str]) -> list[bool]:
    asked = [judges.Program(str(i), to_cpp(program)) for i, program in enumerate(programs)]
    verdicts = judges.judge(asked, limits=judges.Limits(cpu=0.2, wall=2.0))
    return [verdict.verdict != "compile_error" for verdict in verdicts]


def walk(rng: random.Random, length: int) -> list[int]:
    """A random program that ends when it has to; a number is no likelier than another word."""
    state, ids = CHECKER.start, []
    while True:
        allowed = CHECKER.allowed(state, length - len(ids))
        if [*allowed] == [EOS]:
            return ids
        going = [token for token in allowed if TOKENIZER.pieces[token] != FOOTER]
        words = [token for token in going if not TOKENIZER.pieces[token].isdigit()]
        numbers = [token for token in going if token not in words]
        ids.append(rng.choice([*words, *rng.sample(numbers, min(1, len(numbers)))] or allowed))
        state = CHECKER.after(state, ids[-1])


def test_random_walks_end_in_programs_that_compile_in_the_room_that_they_have():
    rng = random.Random(0)
    lengths = [*range(10, 130, 2)]
    walks = [walk(rng, length) for length in lengths]
    assert all(len(ids) + 1 <= length for ids, length in zip(walks, lengths, strict=True))
    programs = [TOKENIZER.decode(ids) for ids in walks]
    assert all(program.endswith(FOOTER) for program in programs)
    for part in ("cin >>", "max (", "if (", "temp", "+=", "&&", "~"):
        assert any(part in program for program in programs), part
    assert all(compiled(programs))


def test_what_does_not_compile_is_refused():
    """Programs of the gold kind with up to three typical errors; nearly all of them are broken."""
    programs = corrupt(gold(80, "noise"), TemplateNoise(unchanged=0.1, max_draws=3), 0)
    fine = compiled(programs)
    accepted = [passes(program) for program in programs]
    assert [p for p, compiles, ok in zip(programs, fine, accepted, strict=True) if ok and not compiles] == []
    assert 5 < sum(accepted) < 60


@pytest.mark.parametrize(
    "body",
    [
        "int var_1 = true ;",
        "var_1 = 3 ;",
        "int var_1 = 3 ; $ int var_1 = 4 ;",
        "int var_1 = 3 ; $ bool var_1 = true ;",
        "bool var_1 = true ; $ var_1 += 3 ;",
        "bool var_1 ; $ cout << var_1 ;",  # is read first
        "int var_1 = 3 ; $ cin >> var_1 ;",  # is not read again
        "int var_1 = 3 ; $ var_1 = max ( var_1 , var_1 ) ;",
        "int var_1 = 3 ; $ if ( var_1 ) { ~ int var_2 = 1 ; ~ int var_3 = 2 ; int temp = var_2 ;",
        "bool var_1 = true ; $ if ( var_1 ) { bool temp = var_1 ; var_1 = var_1 ; var_1 = temp ; }",
        'bool var_1 = true ; $ if ( var_1 ) { ~ int var_2 = 1 ; ~ string var_3 = "str_1" ; int temp = var_2 ;',
        'string var_1 = "str_1" ; $ var_1 = var_1 - "str_2" ;',
        "int var_1 = 3 ; $ var_1 = var_2 + 3 ;",
        "int var_1 = 3 ; $ cout << var_2 ;",
        "int var_1 = 3",
    ],
)
def test_a_program_with_an_error_is_refused(body):
    assert not passes(f"int main () {{ $ {body} $ return 0; }}")


@pytest.mark.parametrize(
    "body",
    [
        "bool var_1 = true ; $ if ( var_1 ) { ~ int var_1 = 1 ; ~ int var_3 ; var_3 = 2 ; int temp = var_1 ; "
        "var_1 = var_3 ; var_3 = temp ; }",
        "int var_1 ; $ cin >> var_1 ; $ int var_2 = 4 ; $ var_1 = min ( var_1 , var_2 ) ; $ cout << var_2 ;",
        'string var_1 ; var_1 = "str_1" ; $ var_1 = "str_2" + var_1 ; $ var_1 = var_1 + "str_3" ;',
    ],
)
def test_a_program_without_one_passes(body):
    assert passes(f"int main () {{ $ {body} $ return 0; }}")


def test_a_block_ends_with_the_variables_that_there_were():
    inside = "~ int var_2 = 1 ; ~ int var_3 = 2 ; int temp = var_2 ; var_2 = var_3 ; var_3 = temp ; }"
    before = f"int main () {{ $ bool var_1 = true ; $ if ( var_1 ) {{ {inside} $ cout <<"
    state = START
    for token in TOKENIZER.encode(before):
        state = advance(state, TOKENIZER.pieces[token])
    assert possible(state, 99) == {"var_1"}


def model(seed: int) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(TOKENIZER.size, width=16, layers=1, heads=2, feedforward=32).eval()


def test_an_untrained_f_and_an_untrained_pi_write_programs_that_compile():
    source = torch.randint(4, TOKENIZER.size, (24, 9), generator=torch.Generator().manual_seed(0))
    f, pi = model(0), model(1)
    with torch.no_grad():
        rows = guided(f, source, 60, CHECKER)
        denoised = Composition(f, pi).denoise(rows, max_length=60, guide=CHECKER)
    for output in (rows, denoised):
        assert (output == EOS).any(1).all()
        programs = [TOKENIZER.decode(row) for row in output.tolist()]
        assert all(map(passes, programs))
        assert len({*programs}) > 1
    assert all(compiled(programs))


def test_what_is_guided_nowhere_is_what_is_not_guided_at_all():
    class Anything:
        start = None

        def allowed(self, _state, _left):
            return range(EOS, TOKENIZER.size)

        def after(self, _state, _token):
            return None

    source = torch.randint(4, TOKENIZER.size, (24, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(guided(model(0), source, 20, Anything()), model(0).predict(source, max_length=20))


def test_pieces_of_words_are_refused_and_so_is_a_length_that_no_program_has():
    bpe = tokenizers.train("bpe", vocabulary(seed=0, grammar=GRAMMAR), 300)
    with pytest.raises(ConfigError, match=r"tokenizer\.kind=word"):
        Checker(bpe)
    assert [*CHECKER.allowed(CHECKER.start, 10)] == TOKENIZER.encode("int main () {")
    with pytest.raises(ConfigError, match=r"raise task\.max_length"):
        CHECKER.allowed(CHECKER.start, 9)
