"""Runs a planned sweep: starts processes, prepares data, drives trials."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_rnn.datasets import Dataset
from keras_rnn.errors import UsageError
from keras_rnn.files import write_json
from keras_rnn.search import layout
from keras_rnn.search.algorithms import create_oracle, get_algorithm
from keras_rnn.search.driver import drive
from keras_rnn.search.executor import Executor
from keras_rnn.search.plan import Plan
from keras_rnn.search.preparation import check_models, explore_space, prepare_data
from keras_rnn.search.processes import CAN_FORK, ProcessExecutor, Slot, call_in_slot, take_slot
from keras_rnn.search.program import Program, write_program
from keras_rnn.search.progress import SweepProgress
from keras_rnn.search.proposals import Proposals, trial_count
from keras_rnn.search.resources import slot_environments
from keras_rnn.search.settings import Settings
from keras_rnn.search.space_config import describe_space, space_config, space_differences
from keras_rnn.search.trial import TrialRecord
from keras_rnn.training.prepare import open_prepared


@dataclass(frozen=True)
class TrialData:
    """The data of all trials: the plan's dataset (in `dataset` if it is in memory) or a HyperModel's own data."""

    is_prepared: bool = True
    dataset: Dataset | None = None
    fit_arguments: Mapping[str, Any] = field(default_factory=dict)


def run_sweep(plan: Plan, settings: Settings, data: TrialData, directory: Path, console: Console) -> list[TrialRecord]:
    """Runs the sweep in its claimed `directory` and returns its trials, all of them ended.

    Raises:
        UsageError: the check of models, data or HyperModel before the first trial fails.
    """
    with contextlib.ExitStack() as stack:
        share = _ray_share(settings, stack) if settings.executor == "ray" else None
        # With Ray one process of this machine prepares the data; trials use the cluster.
        environments, threads = slot_environments(*((1, 0) if share else (settings.workers, settings.gpus)))
        slots = []
        for environment in environments:
            slots.append(take_slot(environment, settings.reuse_workers))
            stack.callback(slots[-1].close)
        program = _prepare(plan, settings, data, directory, slots[0], threads, console)
        if share:
            slots[0].close()
            executor = _ray_executor(settings, share, program, data, directory)
        else:
            if not CAN_FORK:
                slots[0].restart()  # preparing the data has hidden its GPU
            executor = ProcessExecutor(directory, slots, settings.trial_timeout)
        stack.callback(executor.close)
        return _drive(plan, settings, program, directory, executor, console)


def _ray_share(settings: Settings, stack: contextlib.ExitStack) -> dict[str, int]:
    from keras_rnn.search.ray_cluster import fair_share, ray_connection

    stack.enter_context(ray_connection(settings.ray_address))
    return fair_share(settings.workers, settings.gpus)


def _prepare(
    plan: Plan, settings: Settings, data: TrialData, directory: Path, slot: Slot, threads: int, console: Console
) -> Program:
    program = Program(
        hypermodel=plan.hypermodel,
        space=space_config(plan.hyperparameters),
        objective=plan.objective.name,
        direction=plan.objective.direction,
        seed=plan.config.training.seed,
        fit_arguments=data.fit_arguments,
        batch_size=plan.config.training.batch_size if data.is_prepared and not plan.is_builtin else None,
        threads=threads,
        trial_timeout=settings.trial_timeout,
        keep_checkpoints=get_algorithm(plan.algorithm).continues_trials,
    )
    if plan.is_builtin:
        call_in_slot(slot, check_models, plan.hypermodel.options, dict(program.space))
    if data.is_prepared:
        facts = call_in_slot(slot, prepare_data, plan.config, data.dataset, directory / layout.DATA)
        console.print(facts, highlight=False, soft_wrap=True)
    write_program(program, directory / layout.PROGRAM)
    if not plan.is_builtin:
        program = replace(program, space=call_in_slot(slot, explore_space, directory))
        _check_explored(directory, program.space)
        write_program(program, directory / layout.PROGRAM)
    for line in describe_space(program.hyperparameters()):
        console.print(line, highlight=False, soft_wrap=True)
    return program


def _check_explored(directory: Path, space: Mapping[str, Any]) -> None:
    """UsageError if a HyperModel declares another space than at the start of the sweep."""
    path = directory / layout.EXPLORED
    if not path.is_file():
        write_json(path, space)
    elif changes := space_differences(json.loads(path.read_text(encoding="utf-8")), space):
        raise UsageError(f"{directory} holds a sweep of another HyperModel: {'; '.join(changes)}")


def _ray_executor(
    settings: Settings, share: Mapping[str, Any], program: Program, data: TrialData, directory: Path
) -> Executor:
    from keras_rnn.search.ray_executor import RayExecutor

    return RayExecutor(
        program,
        open_prepared(directory / layout.DATA) if data.is_prepared else None,
        directory,
        retries=settings.retries,
        trial_timeout=settings.trial_timeout,
        reuse_workers=settings.reuse_workers,
        **share,
    )


def _drive(
    plan: Plan, settings: Settings, program: Program, directory: Path, executor: Executor, console: Console
) -> list[TrialRecord]:
    epochs = plan.config.training.epochs

    def new_oracle():
        hyperparameters = program.hyperparameters()
        return create_oracle(plan.algorithm, plan.objective, hyperparameters, seed=program.seed, epochs=epochs)

    total = trial_count(new_oracle(), settings.max_trials)
    with SweepProgress(console, total, plan.objective.name, plan.objective.direction) as progress:
        trials = drive(
            directory,
            Proposals(new_oracle(), epochs),
            executor,
            objective=plan.objective,
            max_trials=settings.max_trials,
            retries=settings.retries,
            show=progress.update,
        )
    if settings.max_trials is None:  # no later call needs them: it has the same trials
        for checkpoint in (directory / layout.TRIALS).glob(f"*/{layout.CHECKPOINT}"):
            checkpoint.unlink()
    return trials
