"""The compiled transformer: what torch computes, the same bit for bit however rows are batched, on every processor."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from composed.models import decoding, native
from composed.models.adaptation import add_adapters, add_low_rank
from composed.models.transformer import Encoded, Transformer
from tests.emulated import Arm
from tests.toy_models import EOS, PAD, sources, tiny

compiled = pytest.mark.skipif(native.load() is None, reason="it needs a C++ compiler: apt-get install g++")
PROCESSORS = {  # options of the compiler
    "this one": native._PROCESSOR,
    "AVX2": (("-march=native", "-mno-avx512f"),),
    "SSE2": (("-march=x86-64",),),
}
SIZES = [  # width, heads, feedforward, vocabulary, layers: whole lanes, parts of lanes, odd ones, wide heads
    (64, 2, 128, 40, 2),
    (32, 4, 48, 11, 1),
    (24, 3, 40, 70, 2),
    (30, 6, 33, 20, 1),
    (192, 2, 96, 130, 1),
    (320, 1, 64, 33, 1),
]


@functools.cache
def _built(processor: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "_PROCESSOR", PROCESSORS[processor])
        return native.build(shutil.which("g++"))


@pytest.fixture(scope="session")
def arm(tmp_path_factory, once) -> Arm:
    if not Arm.possible():
        pytest.skip("no Arm compiler and emulator: apt-get install g++-aarch64-linux-gnu qemu-user")
    return Arm(once("arm", Arm.build), tmp_path_factory.mktemp("arm"))


@pytest.fixture
def processor(request, monkeypatch):
    """A test's compiled code is made for this processor."""
    if request.param == "Arm":
        code = request.getfixturevalue("arm")
    else:
        if request.param != "this one" and "__x86_64__" not in _macros():
            pytest.skip(f"{request.param} is not of this machine's kind")
        code = _built(request.param)
    monkeypatch.setattr(native, "load", lambda: code)


@functools.cache
def _macros() -> str:
    return native._processor(shutil.which("g++"))[1].decode()


def on(*processors: str):
    def decorated(test):
        test = pytest.mark.parametrize("processor", processors, indirect=True)(test)
        return compiled(pytest.mark.usefixtures("processor")(test))

    return decorated


on_all = on(*PROCESSORS, "Arm")
on_x86 = on(*PROCESSORS)  # as qemu is slow


def random_model(width: int, heads: int, feedforward: int, vocabulary: int, layers: int) -> Transformer:
    """With biases and norms that matter, and scores far enough apart that rounding seldom changes their order."""
    torch.manual_seed(width)
    model = Transformer(vocabulary, width=width, layers=layers, heads=heads, feedforward=feedforward).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(1.0 if "norm" in name else 3.0).add_(torch.randn_like(parameter) * 0.1)
        model.embedding.weight.mul_(0.3)
    return model


def random_sources(vocabulary: int, count: int = 9, length: int = 37) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    source = torch.randint(3, vocabulary, (count, length), generator=generator)
    lengths = torch.randint(1, length, (count,), generator=generator)
    lengths[0] = length
    source[torch.arange(length) >= lengths[:, None]] = PAD
    source[torch.arange(count), lengths - 1] = EOS
    return source


def uniform(rows: int, length: int) -> torch.Tensor:
    return torch.rand(rows, length, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@on_x86
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_rows_are_those_of_the_plain_engine(sizes, sampled):
    model = random_model(*sizes)
    source, count, length = random_sources(sizes[3]), 3, 50
    numbers = uniform(len(source) * count, length) if sampled else None
    with torch.no_grad():
        mine, plain = (
            engine.generate(model, model.encode(source), count, length, numbers, min_length=4)
            for engine in (native, decoding)
        )
    assert torch.equal(mine, plain)
    ends = (mine == EOS).nonzero()[:, 1]
    assert len(ends) == 0 or ends.min() >= 4
    assert len({tuple(row) for row in mine.tolist()}) > len(source) // 2  # no test of a model that says one thing


@on_all
@pytest.mark.parametrize("sizes", SIZES[:4])
def test_sources_are_encoded_as_torch_does(sizes, monkeypatch):
    model, source = random_model(*sizes), random_sources(sizes[3])
    with torch.no_grad():
        mine = model.encode(source)
        monkeypatch.setattr(native, "applies", lambda _model: False)
        plain = model.encode(source)
    real = plain.mask[:, 0, 0]
    assert torch.equal(mine.mask, plain.mask)
    torch.testing.assert_close(mine.states[real], plain.states[real], rtol=1e-4, atol=1e-4)
    assert not mine.states[~real].any()
    assert plain.states[real].std() > 0.5


@on_all
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_source_is_encoded_the_same_in_every_batch_and_on_every_number_of_threads(precision):
    model, source = random_model(*SIZES[0]), random_sources(40, count=60, length=20)
    before = torch.get_num_threads()
    with torch.no_grad(), torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
        together = model.encode(source)
        for row in (0, 7, 59):
            length = int((source[row] != PAD).sum())
            assert torch.equal(model.encode(source[row : row + 1, :length]).states[0], together.states[row, :length])
        try:
            torch.set_num_threads(3)
            assert torch.equal(model.encode(source).states, together.states)
        finally:
            torch.set_num_threads(before)


@on_all
def test_in_bf16_sources_are_encoded_within_its_rounding():
    model, source = random_model(*SIZES[0]), random_sources(40)
    with torch.no_grad():
        exact = model.encode(source)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.encode(source)
    apart = (rounded.states - exact.states).abs()
    assert apart.max() < 0.3
    assert apart.mean() < 0.02
    assert exact.states.std() > 0.5


@compiled
def test_what_learns_is_encoded_by_torch(monkeypatch):
    """With dropout, or with gradients that somebody waits for."""
    monkeypatch.setattr(native, "encode", lambda *_given: pytest.fail("encoded by compiled code"))
    model = tiny()
    assert model.encode(sources()).states.requires_grad
    with torch.no_grad():
        model.train().encode(sources())


def searched(model: Transformer, source: torch.Tensor, beams: int, length: int) -> list[torch.Tensor]:
    """What compiled beam search finds, and the plain one."""
    with torch.no_grad():
        encoded = model.encode(source)
        return [engine.beam_search(model, encoded, beams, length) for engine in (native, decoding)]


@on_x86
@pytest.mark.parametrize("beams", [1, 2, 4, 7, 60])
@pytest.mark.parametrize("sizes", SIZES)
def test_beams_are_those_of_the_plain_search(sizes, beams):
    """60 beams are more than a thread has slots, and more than some models have words."""
    model, source = random_model(*sizes), random_sources(sizes[3])
    for length in (1, 2, 30):
        mine, plain = searched(model, source, beams, length)
        assert torch.equal(mine, plain)
    assert len({tuple(row) for row in mine.tolist()}) > 2


@on_x86
def test_beams_end_early_and_late_and_are_cut_at_the_length_that_is_allowed():
    """With an end that grows likelier, from beams that never end to beams that end at once, all of them are met."""
    model, source = random_model(*SIZES[1]), random_sources(11, count=40)
    ends = []
    with torch.no_grad():
        direction = model.decoder_norm.bias / model.decoder_norm.bias.norm()
        for push in (-1.0, 0.0, 0.5, 1.0):
            model.embedding.weight[EOS] += push * direction
            mine, plain = searched(model, source, 4, 25)
            assert torch.equal(mine, plain)
            ends += [row.index(EOS) if EOS in row else 25 for row in mine.tolist()]
    assert {0, 25} < {*ends}
    assert len({*ends}) > 8


@on_x86
def test_of_equal_beams_the_first_is_taken():
    """Words 3 and 4, 5 and 6, ... are the same to the model: each hypothesis has equals, whose sums the plain engine
    rounds by their place in the batch."""
    model, source = random_model(*SIZES[1]), random_sources(11)
    with torch.no_grad():
        model.embedding.weight[4::2] = model.embedding.weight[3:-1:2]
        for beams in (2, 3, 8):
            mine, plain = searched(model, source, beams, 12)
            assert not ((mine >= 4) & (mine % 2 == 0)).any()
            scores = [-model.nll(source, rows) / (rows != PAD).sum(1) for rows in (mine, plain)]
            torch.testing.assert_close(*scores)


@on_all
@pytest.mark.parametrize("beams", [1, 3, 20])
def test_where_all_words_are_equally_likely_both_searches_take_the_same(beams):
    model = random_model(*SIZES[1])
    with torch.no_grad():
        model.decoder_norm.weight.zero_()
        model.decoder_norm.bias.zero_()
    mine, plain = searched(model, random_sources(11), beams, 6)
    assert torch.equal(mine, plain)


@on_x86
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_beams_of_a_source_are_the_same_in_every_batch_and_on_every_number_of_threads(precision):
    model, source = random_model(*SIZES[0]), random_sources(40, count=60, length=20)
    before = torch.get_num_threads()
    with torch.no_grad(), torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
        encoded = model.encode(source)
        together = native.beam_search(model, encoded, 3, 30)
        for row in (0, 7, 59):
            one = Encoded(encoded.states[row : row + 1], encoded.mask[row : row + 1])
            assert torch.equal(native.beam_search(model, one, 3, 30)[0], together[row])
        try:
            torch.set_num_threads(3)
            assert torch.equal(native.beam_search(model, encoded, 3, 30), together)
        finally:
            torch.set_num_threads(before)


@on_all
def test_low_rank_updates_are_decoded_too_and_adapters_left_to_the_plain_engine():
    source, numbers = sources(), uniform(6, 12)
    model = tiny()
    add_low_rank(model, 2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.5)
        assert native.applies(model)
        mine, plain = (engine.generate(model, model.encode(source), 2, 12, numbers) for engine in (native, decoding))
        bare = native.generate(tiny(), tiny().encode(source), 2, 12, numbers)
    assert torch.equal(mine, plain)
    assert not torch.equal(mine, bare)
    add_adapters(model, 3)
    assert not native.applies(model)


@on_x86
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_row_is_the_same_in_every_batch_and_on_every_number_of_threads(precision):
    """More rows than slots, so that rows of different ages stand side by side."""
    model, source = random_model(*SIZES[0]), random_sources(40, count=60, length=20)
    numbers, before = uniform(120, 30), torch.get_num_threads()
    with torch.no_grad(), torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
        encoded = model.encode(source)  # once: a batch of another size may round the sources' states otherwise
        together = native.generate(model, encoded, 2, 30, numbers)
        for row in (0, 7, 59):
            one = Encoded(encoded.states[row : row + 1], encoded.mask[row : row + 1])
            alone = native.generate(model, one, 2, 30, numbers[2 * row : 2 * row + 2])
            assert torch.equal(alone, together[2 * row : 2 * row + 2])
        try:
            torch.set_num_threads(3)
            assert torch.equal(native.generate(model, encoded, 2, 30, numbers), together)
        finally:
            torch.set_num_threads(before)


@on_all
def test_bf16_takes_tokens_whose_scores_are_the_best_within_its_rounding():
    """Scores are within 0.05 of the exact ones (`test_decoding.py`): two of them trade places if 0.1 apart."""
    model, source = tiny(width=64, vocabulary=40), random_sources(40)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            rows = native.generate(model, model.encode(source), 1, 50)
        scores = model.logits(source, rows)
        real = rows != PAD
        taken = scores.gather(2, (rows - EOS).clamp(min=0)[..., None])[..., 0]
        behind = (scores.amax(2) - taken)[real]
    assert behind.max() < 0.1
    assert (behind == 0).float().mean() > 0.9
    assert scores[real].std() > 0.5


@on_all
def test_a_diverged_model_ends_its_rows():
    model = tiny()
    with torch.no_grad():
        model.embedding.weight.fill_(torch.nan)
        rows = native.generate(model, model.encode(sources()), 2, 5, uniform(6, 5))
    for beams in searched(model, sources(), 2, 5):
        assert beams.tolist() == [[EOS, PAD, PAD, PAD, PAD]] * 3
    assert rows.shape == (6, 5)
    assert ((rows >= 0) & (rows < 11)).all()


PROGRAM = "from composed.models import native; print(native.load() is None, native.load() is None)"


def loaded(**variables: str) -> tuple[str, str]:
    """What a process of its own says of the compiled code, with this in its environment; and what it warns of."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


BROKEN = {  # a compiler -> what is said of it
    "echo 'native.cpp:1: error: no space' >&2\necho 'see above' >&2\nexit 1": "native.cpp:1: error: no space",
    "case $* in *-dM*) exit 0;; *c++17*) echo \"error: unrecognized '-std=c++17'\" >&2;; esac\nexit 1": "c++17",
    "exit 3": "exit status 3",
    "exec /nowhere": "/nowhere",
}


@pytest.mark.parametrize("script", BROKEN)
def test_where_the_compiler_fails_the_plain_engine_is_used_and_one_line_says_why(tmp_path, script):
    compiler = tmp_path / "g++"
    compiler.write_text(f"#!/bin/sh\n{script}\n")
    compiler.chmod(0o755)
    said, warned = loaded(PATH=f"{tmp_path}:/bin", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert said == "True True\n"
    assert warned.count("\n") == 1
    assert BROKEN[script] in warned
    assert "a compiler that knows C++17" in warned


def test_without_a_compiler_the_plain_engine_is_used_and_one_line_names_the_package(tmp_path):
    said, warned = loaded(PATH=str(tmp_path))
    assert said == "True True\n"
    assert warned.count("\n") == 1
    assert "apt-get install g++" in warned


@compiled
def test_where_code_cannot_be_written_anywhere_the_plain_engine_is_used(tmp_path):
    """A TMPDIR that is no folder leaves the usual ones: all of them are replaced."""
    program = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']; " + PROGRAM
    environment = {**os.environ, "XDG_CACHE_HOME": "/proc/nowhere"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"
    assert "TMPDIR can name a folder" in done.stderr.splitlines()[-1]


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(native, "_OPTIONS", tuple("-O0" if one == "-O3" else one for one in native._OPTIONS))


@compiled
@pytest.mark.parametrize("home", [{"HOME": "/proc/nowhere"}, {"XDG_CACHE_HOME": "/proc/self/cmdline"}, None])
def test_without_a_cache_that_can_be_written_it_is_compiled_for_this_process(
    monkeypatch, tmp_path, quickly, caplog, home
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in (home or {}).items():
        monkeypatch.setenv(name, value)
    if home is None:

        def unknown():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", unknown)
    assert native.load.__wrapped__() is not None
    assert [*tmp_path.iterdir()] == []
    assert [record.getMessage().endswith("XDG_CACHE_HOME can name a folder for it") for record in caplog.records] == [
        True
    ]


@compiled
@pytest.mark.parametrize("damaged", [b"", b"no code"])
def test_what_is_damaged_in_the_cache_is_compiled_again(monkeypatch, tmp_path, quickly, caplog, damaged):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.load.__wrapped__() is not None
    (kept,) = tmp_path.rglob("*.so")
    whole = kept.read_bytes()
    kept.unlink()  # the file that is loaded stays as it is
    kept.write_bytes(damaged)
    assert native.load.__wrapped__() is not None
    assert kept.read_bytes() == whole
    assert caplog.records == []


@compiled
@pytest.mark.parametrize("name", ["c++", "clang++"])
def test_where_there_is_no_gcc_another_compiler_is_taken(monkeypatch, tmp_path, quickly, caplog, name):
    """Each stands for itself here, but is g++."""
    (tmp_path / name).symlink_to(shutil.which("g++"))
    for tool in ("as", "ld"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.load.__wrapped__() is not None
    assert caplog.records == []


@compiled
def test_code_for_another_processor_is_kept_beside_this_ones(monkeypatch, tmp_path, quickly):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for options in PROCESSORS.values():
        monkeypatch.setattr(native, "_PROCESSOR", options)
        assert native.load.__wrapped__() is not None
        assert native.load.__wrapped__() is not None
    assert len([*tmp_path.rglob("*.so")]) == len(PROCESSORS)


@compiled
def test_a_processor_that_the_compiler_does_not_know_is_taken_as_the_plainest_of_its_kind(
    monkeypatch, tmp_path, quickly
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(native, "_PROCESSOR", (("-march=of-next-year",), ("-mcpu=unheard-of",), ()))
    assert native.load.__wrapped__() is not None


def test_it_can_be_switched_off():
    assert loaded(COMPOSED_NATIVE="0") == ("True True\n", "")
