"""Nodes, workers and drivers killed in a random search on a local Ray cluster of two nodes, against the same unbroken.

The node that is killed is the one beside the head, which holds Ray's own tables; another takes its place at once. A
worker is a process of Ray that is at a trial.
"""

import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray.cluster_utils
import tuning
from killed_sweep import DRIVER, TRIAL, Costs, KilledSweep
from kills import SPACES, TRAINING, kill_often, outcome, unharmed
from options import Options

TRIALS, KILLS = 12, 10
QUICK_TRIALS, QUICK_KILLS = 4, 3
WORKERS = 2  # one a node
NODE = "node"
TITLE = "ray::ray_task"  # what Ray calls a process while it is at a trial


def measure(options: Options) -> Iterator[dict]:
    trials, kills = (QUICK_TRIALS, QUICK_KILLS) if options.quick else (TRIALS, KILLS)
    cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = Node(cluster)
        sweep = (
            f"--algorithm random --max-trials {trials} {SPACES['random']} {TRAINING} --workers {WORKERS} "
            f"--executor ray --ray-address {cluster.address} --seed {options.seed}"
        )
        with tempfile.TemporaryDirectory() as folder:
            unbroken, broken = Path(folder, "unbroken"), Path(folder, "broken")
            run = tuning.tuned(unbroken, sweep)
            expected = tuning.results(unbroken)
            killed = KilledRaySweep(tuning.tune_command(broken, sweep), broken, Path(folder, "log"), node=node)
            costs = Costs.of(expected, run.seconds, WORKERS)
            seconds = kill_often(killed, kills, trials, WORKERS, costs, random.Random(f"{options.seed} ray"))
            yield {
                "algorithm": "random",
                "workers": WORKERS,
                "unbroken_seconds": round(run.seconds),
                "killed_seconds": round(seconds),
                "mean_trial_seconds": round(costs.trial, 1),
                **outcome(killed, (DRIVER, NODE, TRIAL), expected),
            }
    finally:
        cluster.shutdown()


def verdicts(rows: list[dict]) -> dict[str, bool]:
    (row,) = rows
    kinds = ", ".join(f"{kind} {row[f'{kind}_kills']}" for kind in (DRIVER, NODE, TRIAL))
    bar = f"{row['kills']} kills ({kinds}): as unbroken, nothing ran twice, no worker left at a trial"
    return {bar: unharmed(row) and row["kills"] == (KILLS if row["trials"] == TRIALS else QUICK_KILLS)}


class Node:
    """The node beside the head."""

    def __init__(self, cluster: ray.cluster_utils.Cluster):
        self.cluster = cluster
        self.add()

    def add(self) -> None:
        processes_before = set(psutil.Process().children())
        self.node = self.cluster.add_node(num_cpus=1)
        (self.raylet,) = [
            child for child in set(psutil.Process().children()) - processes_before if child.name() == "raylet"
        ]

    def replace(self) -> None:
        self.cluster.remove_node(self.node, allow_graceful=False)
        self.add()


@dataclass(kw_only=True)
class KilledRaySweep(KilledSweep):
    """A sweep whose trials run on the nodes of a cluster."""

    node: Node

    def members(self) -> dict[str, list[psutil.Process]]:
        """The driver, the killable node's raylet, and the workers that are at a trial, of both nodes."""
        members: dict[str, list[psutil.Process]] = {TRIAL: []}
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.pid == self.driver.pid:
                    members[DRIVER] = [process]
                elif any(word.startswith(TITLE) for word in process.cmdline()[:1]):
                    members[TRIAL].append(process)
        if members[TRIAL]:  # a node without work is none to kill
            members[NODE] = [self.node.raylet]
        return members

    def replace(self, kind: str) -> None:
        super().replace(kind)
        if kind == NODE:
            self.node.replace()

    def orphans(self) -> list[str]:
        """The workers that are still at a trial; a node that lives on is no orphan."""
        self.processes = set(self.members()[TRIAL])
        return super().orphans()
