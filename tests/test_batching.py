"""Batches: everything once per epoch, under the budget, a function of (seed, update) alone."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.batching import Pairs, Redrawn, Updates, pad, plan

PAD = 0


def pairs(lengths: list[int]) -> Pairs:
    rows = [np.arange(1, length + 1, dtype=np.int32) for length in lengths]
    return Pairs(rows, rows[::-1], PAD)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(1, 200), st.booleans())
def test_every_row_is_in_one_batch_under_the_budget(costs: list[int], budget: int, random: bool):
    batches = plan(np.array(costs), budget, np.random.default_rng(0) if random else None)
    assert sorted(itertools.chain(*batches)) == list(range(len(costs)))
    for batch in batches:
        assert len(batch) * max(costs[row] for row in batch) <= budget or len(batch) == 1


def test_batches_hold_rows_of_similar_length():
    costs = np.random.default_rng(0).integers(10, 100, 2000)
    batches = plan(costs, 2000, np.random.default_rng(1))
    padded = sum(len(batch) * costs[batch].max() for batch in batches)
    assert costs.sum() / padded > 0.9


def test_epochs_differ_and_a_seed_repeats():
    def first(seed: int) -> list[list[int]]:
        updates = Updates(pairs(list(range(1, 50))), batch_tokens=100, accumulate=1, seed=seed)
        updates.stop = 40
        return [batch.rows.tolist() for batch in updates]

    assert first(0) == first(0)
    assert first(0) != first(1)
    epoch = len(plan(pairs(list(range(1, 50))).cost(), 100, np.random.default_rng([0, 0])))
    assert first(0)[:epoch] != first(0)[epoch : 2 * epoch]


@given(st.integers(0, 12), st.integers(1, 3))
def test_going_on_from_any_position_gives_the_rest_of_the_uninterrupted_sequence(position: int, accumulate: int):
    def rows(start: int) -> list[tuple]:
        updates = Updates(pairs(list(range(1, 30))), batch_tokens=90, accumulate=accumulate, seed=3)
        updates.position, updates.stop = start, 12
        return [(batch.update, batch.part, batch.tokens, batch.rows.tolist()) for batch in updates]

    assert rows(position) == rows(0)[position * accumulate :]


def test_chunk_after_chunk_is_the_whole_sequence():
    whole = Updates(pairs(list(range(1, 30))), batch_tokens=60, accumulate=2, seed=3)
    whole.stop = 9
    chunks = Updates(pairs(list(range(1, 30))), batch_tokens=60, accumulate=2, seed=3)
    seen = []
    for start, stop in ((0, 4), (4, 8), (8, 9)):
        chunks.position, chunks.stop = start, stop
        assert len(chunks) == 2 * (stop - start)
        seen += [batch.rows.tolist() for batch in chunks]
    assert seen == [batch.rows.tolist() for batch in whole]


def test_processes_share_an_update_without_loss_and_know_its_size():
    def rows(rank: int, world: int) -> list:
        updates = Updates(pairs([5] * 24), batch_tokens=40, accumulate=1, seed=0, rank=rank, world=world)
        updates.stop = 3
        return list(updates)

    for whole, *parts in zip(rows(0, 1), rows(0, 2), rows(1, 2), strict=True):
        assert whole.places is None
        for part in parts:
            assert part.rows.tolist() == whole.rows[part.places].tolist()
            assert part.whole == len(whole.rows)
        assert sorted(whole.rows.tolist()) == sorted(itertools.chain(*(part.rows.tolist() for part in parts)))
        assert {part.tokens for part in parts} == {whole.tokens}
        assert whole.tokens == int((whole.target != PAD).sum())


def test_padding_is_on_the_right():
    assert pad([np.array([3, 4]), np.array([5])], PAD).tolist() == [[3, 4], [5, PAD]]
    assert pad([np.array([3, 4, 6])], PAD, 4).tolist() == [[3, 4, 6, PAD]]


def test_a_process_without_a_row_of_its_own_computes_along_with_no_weight():
    updates = Updates(pairs([9]), batch_tokens=9, accumulate=1, seed=0, rank=1, world=2)
    updates.stop = 1
    (batch,) = updates
    assert batch.weight == 0
    assert batch.rows.tolist() == batch.places == [0]


def test_redrawn_sources_are_functions_of_row_and_update():
    rows = [np.arange(1, length + 1, dtype=np.int32) for length in (3, 5, 4)]
    redrawn = Redrawn(rows, rows, PAD, lambda row, update: np.array([10 * update + row, 1], dtype=np.int32))
    updates = Updates(redrawn, batch_tokens=15, accumulate=1, seed=0)
    updates.stop = 3
    for batch in updates:
        assert batch.source[:, 0].tolist() == [10 * batch.update + row for row in batch.rows.tolist()]
        assert [int((row != PAD).sum()) for row in batch.target] == [len(rows[row]) for row in batch.rows.tolist()]
