"""What several processes share: every piece is done once, in order, known to all; and what fails, fails for all."""

import itertools
import os
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from composed.errors import DataError
from composed.system import processes
from composed.tasks.writing import decode_all
from tests import toys
from tests.processes import together


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("pieces", [0, 1, 2, 7])
def test_every_piece_is_done_once_and_all_know_all_in_order(count, pieces, tmp_path):
    def work(rank: int) -> tuple[list[int], list[str]]:
        done: list[int] = []

        def double(own: Sequence[int]) -> list[str]:
            done.extend(own)
            return [f"{piece}!" for piece in own]

        return done, processes.share(range(pieces), double)

    done, results = zip(*together(count, work, tmp_path), strict=True)
    assert sorted(itertools.chain(*done)) == list(range(pieces))
    assert list(results) == [[f"{piece}!" for piece in range(pieces)]] * count


def test_what_fails_in_one_process_fails_in_all_with_its_words(tmp_path):
    def work(rank: int) -> str:
        def fail(own: Sequence[int]) -> list[int]:
            if 1 in own:
                raise DataError("piece 1 is spoilt")
            return list(own)

        with pytest.raises(DataError) as error:
            processes.share(range(4), fail)
        return str(error.value)

    assert together(2, work, tmp_path) == ["piece 1 is spoilt"] * 2


def test_one_process_alone_shares_with_nobody():
    assert not processes.joined()
    assert processes.share([3, 4], lambda own: [2 * piece for piece in own]) == [6, 8]
    assert processes.cores(1) == len(os.sched_getaffinity(0))


def test_decoded_rows_are_the_same_for_any_number_of_processes(tmp_path):
    pairs, model = toys.reversals(300, 0), toys.model().eval()

    def work(_rank: int) -> Any:
        device = torch.device("cpu")
        return decode_all(pairs, lambda _rows, source: [model.predict(source, max_length=8)], device)

    alone = work(0)
    assert len(alone[0]) == len(pairs)
    for count in (2, 3):
        assert together(count, work, tmp_path) == [alone] * count


def test_free_memory_is_below_all_of_it() -> None:
    everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    before = processes.free_memory()
    assert 0 < before < everything
    taken = b"1" * 500_000_000
    assert processes.free_memory() < everything - len(taken)
