"""One process speaks; a signal is an orderly end."""

import os
import signal

import pytest

from composed.cli import report, train
from composed.errors import Interrupted
from composed.system.console import (
    RANKS,
    STOPPING,
    TRAINING_ID,
    main_process,
    raise_on_signals,
    say,
    started_together,
    without_first,
)
from composed.training.recorder import StopSignals


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "speaks"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "0"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
    ],
)
def test_of_several_processes_one_speaks_on_standard_error(monkeypatch, capsys, environment, speaks):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main_process() == speaks
    say("hello")
    assert capsys.readouterr() == ("", "hello\n" if speaks else "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_what_no_handler_of_errors_catches(number):
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        raise_on_signals()
        with pytest.raises(Interrupted) as stopped:
            os.kill(os.getpid(), number)
        assert stopped.value.code == 128 + number
        assert not isinstance(stopped.value, Exception)
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


def test_a_process_that_the_first_one_waits_for_leaves_signals_to_it(monkeypatch):
    """The first one, in PyTorch's code, would wait for half an hour and hear nothing."""
    before = {n: signal.getsignal(n) for n in STOPPING}
    try:
        raise_on_signals()
        with monkeypatch.context() as helping:
            helping.setenv("LOCAL_RANK", "1")
            os.kill(os.getpid(), signal.SIGINT)
            with StopSignals() as signals:
                for _ in range(2):
                    os.kill(os.getpid(), signal.SIGINT)
            assert signals.received == signal.SIGINT
            helping.setattr("composed.system.processes.joined", lambda: True)
            with pytest.raises(Interrupted):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


@pytest.mark.parametrize(
    ("variables", "together"),
    [
        ({}, 0),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "1"}, 1),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "3"}, 3),
        ({"SLURM_STEP_NUM_TASKS": "1"}, 0),
        ({"SLURM_STEP_NUM_TASKS": "2"}, 2),
    ],
)
def test_processes_that_somebody_else_started_are_known(variables, together, monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert started_together() == together


@pytest.mark.parametrize(
    ("variables", "nodes", "several", "found"),
    [
        ({}, 1, True, ""),
        ({"LOCAL_RANK": "1"}, 1, False, "LOCAL_RANK=1"),
        ({"LOCAL_RANK": "1", TRAINING_ID: "elsewhere 1"}, 1, True, "LOCAL_RANK=1"),
        ({"LOCAL_RANK": "1", TRAINING_ID: f"{os.uname().nodename} {os.getppid()}"}, 1, True, ""),
        ({"LOCAL_RANK": "0"}, 1, False, ""),
        ({"LOCAL_RANK": "0"}, 1, True, "LOCAL_RANK=0"),
        ({"RANK": "3", "NODE_RANK": ""}, 1, False, "RANK=3 NODE_RANK="),
        ({"SLURM_PROCID": "2"}, 1, False, "SLURM_PROCID=2"),
        ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4"}, 1, False, ""),
        ({"RANK": "1", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}, 1, True, ""),
        ({"NODE_RANK": "1", "MASTER_ADDR": "first"}, 2, False, ""),
        ({"NODE_RANK": "1", "MASTER_ADDR": "first"}, 1, False, "NODE_RANK=1"),
        ({"NODE_RANK": "1"}, 2, False, "NODE_RANK=1"),
    ],
)
def test_a_process_that_nobody_would_join_is_known(monkeypatch, variables, nodes, several, found):
    for name in (TRAINING_ID, "MASTER_ADDR", "TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert without_first(nodes=nodes, several=several) == found


def test_a_training_that_would_wait_for_a_first_process_is_refused_with_the_variable(monkeypatch, capsys):
    for name in (TRAINING_ID, "MASTER_ADDR", "TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["composed-train", "profile=smoke"])
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(SystemExit) as ended:
        train.main()
    assert ended.value.code == 2
    assert "error: LOCAL_RANK=1 in the environment: " in (said := capsys.readouterr().err)
    assert said.endswith("unset LOCAL_RANK\n")


@pytest.mark.parametrize("name", RANKS)
def test_a_command_of_one_process_speaks_whatever_started_it(monkeypatch, capsys, tmp_path, name):
    monkeypatch.setenv(name, "3")
    assert report.main([str(tmp_path / "none")]) != 0
    assert "error: " in capsys.readouterr().err
