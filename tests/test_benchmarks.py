"""The frame of experiments/benchmarks, and that every part of it runs."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "experiments" / "benchmarks"
sys.path += [str(FOLDER), str(FOLDER.parent)]

import against  # noqa: E402
import growth  # noqa: E402
import growth_texts  # noqa: E402
import layers  # noqa: E402
import run  # noqa: E402
import step  # noqa: E402
import turns  # noqa: E402
from layer_case import GATES, Case  # noqa: E402
from part import Bar, Options  # noqa: E402
from peer import Peer, PeerError, installed  # noqa: E402
from step_case import StepCase, zipf  # noqa: E402

CHILD = f"""
import os, sys
sys.path.append({str(FOLDER)!r})
from peer import serve

def double(number):
    print("half of it is", number)
    return {{"number": 2 * number}}

def die():
    print("these are my last words", file=sys.stderr, flush=True)
    os._exit(3)

def garble():
    os.write(answers, b"not json\\n")
    return {{}}

answers = os.dup(1)
serve({{"double": double, "die": die, "garble": garble}})
"""


@pytest.fixture
def child(tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    with Peer(script) as peer:
        yield peer


def options(**changed) -> Options:
    return Options(**{"quick": True, "rounds": 1, "data": Path("data"), "seed": 0, **changed})


class TestPeer:
    def test_answers_whatever_it_prints(self, child):
        assert child.ask("double", number=2) == {"number": 4}
        assert child.ask("double", number=3) == {"number": 6}

    def test_an_error_comes_with_its_traceback_and_the_child_lives_on(self, child):
        with pytest.raises(PeerError, match=r"(?s)failed at double.*in double.*TypeError"):
            child.ask("double", number=None)
        assert child.ask("double", number=1) == {"number": 2}

    def test_a_handler_that_is_not_there(self, child):
        with pytest.raises(PeerError, match="KeyError: 'halve'"):
            child.ask("halve")

    def test_one_that_dies_leaves_its_last_words(self, child):
        with pytest.raises(PeerError, match=r"child\.py ended with status 3; it said:\nthese are my last words"):
            child.ask("die")
        with pytest.raises(PeerError, match="ended with status 3"):
            child.ask("double", number=1)

    def test_one_that_never_was(self, tmp_path):
        with Peer(tmp_path / "missing.py") as peer, pytest.raises(PeerError, match=r"(?s)status 2.*missing\.py"):
            peer.ask("double", number=1)

    def test_garbage_is_no_answer(self, child):
        with pytest.raises(PeerError, match="answered 'not json', which is no answer"):
            child.ask("garble")

    @pytest.mark.parametrize("line", ["[1]", "{}", '{"result": {}, "error": "both"}'])
    def test_json_that_is_no_answer(self, line, tmp_path):
        script = tmp_path / "child.py"
        script.write_text(f"print({line!r})\n")
        with Peer(script) as peer, pytest.raises(PeerError, match="which is no answer"):
            peer.ask("double", number=1)

    def test_ends_when_it_is_closed(self, child):
        child.ask("double", number=1)
        child.close()
        assert child.process.returncode == 0

    def test_what_is_not_installed_is_left_out_with_a_line(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "torch", None)
        assert installed("numpy")
        assert not installed("torch")
        assert capsys.readouterr().out.startswith("torch is not installed and left out")


class TestTurns:
    def test_each_round_begins_with_another_one(self):
        turn_order = []
        contenders = {name: lambda name=name: turn_order.append(name) or float(len(turn_order)) for name in "abc"}
        times = turns.take_turns(contenders, 4)
        assert "".join(turn_order) == "abcbcacababc"
        assert times == {"a": [1, 6, 8, 10], "b": [2, 4, 9, 11], "c": [3, 5, 7, 12]}

    def test_a_ratio_is_taken_within_a_round(self):
        # The second round, ten times as slow, leaves it as it is.
        assert turns.ratio([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == 2.0

    def test_geometric_mean(self):
        assert turns.geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)

    def test_calls_until_there_are_enough_and_the_first_does_not_count(self):
        calls = []
        turns.seconds_per_call(lambda: calls.append(1), seconds=0, calls=3)
        assert len(calls) == 4
        turns.seconds_per_call(lambda: calls.append(1), seconds=0.01, calls=3)
        assert len(calls) > 8

    def test_the_median_call_counts(self, monkeypatch):
        now = [100.0]
        seconds = iter([9.0, 0.5, 0.25, 4.0])

        def call():
            now[0] += next(seconds)

        monkeypatch.setattr(turns.time, "perf_counter", lambda: now[0])
        assert turns.seconds_per_call(call, seconds=0, calls=3) == 0.5

    def test_a_turn_of_a_peer_asks_for_as_much_as_it_takes(self):
        class Asked:
            def ask(self, handler, **arguments):
                self.asked = handler, arguments
                return {"seconds": 1.5}

        peer = Asked()
        assert turns.turn_of(peer, False, what="forward")() == 1.5
        assert peer.asked == ("turn", {"what": "forward", **turns.TURN})
        turns.turn_of(peer, True)()
        assert peer.asked == ("turn", turns.QUICK_TURN)


TIMES = {"ours": [1.0, 2.0], "keras": [3.0, 6.0], "torch padded": [2.0, 2.0], "torch packed": [0.5, 1.0]}


class TestAgainst:
    def test_the_best_torch_counts(self):
        row = against.beside(TIMES)
        assert row["ours, ms"] == 1500
        assert row[against.AGAINST_KERAS] == 3
        assert row[against.AGAINST_TORCH] == 0.5

    def test_bars(self):
        row = against.beside(TIMES)
        assert [(bar.figure, bar.met) for bar in against.bars([row], [row])] == [
            (pytest.approx(3), True),
            (3, True),
            (pytest.approx(0.5), False),
        ]

    def test_without_torch_there_is_no_bar_for_it(self):
        row = against.beside({"ours": [2.0], "keras": [1.0]})
        assert row[against.AGAINST_TORCH] is None
        assert [bar.met for bar in against.bars([row], [row])] == [False, False]


class TestCases:
    @pytest.mark.parametrize("cell", GATES)
    def test_a_layer_takes_the_weights(self, cell):
        import keras_rnn

        case = Case(cell, bidirectional=True, batch=2, time=3, features=4, units=5, seed=0)
        layer = keras_rnn.Bidirectional(getattr(keras_rnn, cell)(case.units, return_sequences=True))
        layer.build(case.inputs().shape)
        layer.set_weights(case.weights())
        assert case.slopes().shape == layer.compute_output_shape(case.inputs().shape)

    def test_words_are_as_frequent_as_zipf_says(self):
        words = zipf(np.random.default_rng(0), 1000, 100_000)
        counts = np.bincount(words, minlength=1000)
        assert len(counts) == 1000
        # With 1 / n as frequencies the first ten have a share of ln 11 / ln 1001.
        assert counts[:10].sum() / counts.sum() == pytest.approx(np.log(11) / np.log(1001), abs=0.01)

    def test_batches_of_a_step(self):
        case = StepCase(batch=5, time=9, shortest=4, vocabulary_size=30, hidden_size=2, num_layers=1, seed=0)
        for token_ids, labels in case.batches():
            lengths = np.count_nonzero(token_ids, axis=1)
            assert lengths.min() >= 4
            assert lengths.max() == 9
            assert all(
                row[:length].min() > 1 and not row[length:].any()
                for row, length in zip(token_ids, lengths, strict=True)
            )
            assert token_ids.max() < 30
            assert labels.shape == (5,)

    def test_rows_of_text_are_the_same_each_time_and_as_long_as_real_ones(self, tmp_path):
        for name in ("a.csv", "b.csv"):
            growth_texts.write_rows(tmp_path / name, 2000, seed=1)
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
        with open(tmp_path / "a.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 2000
        assert {row["label"] for row in rows} == set("0123")
        assert 35 < np.mean([len(row["text"].split()) for row in rows]) < 41

    def test_each_word_once(self):
        assert len({growth_texts.word(number) for number in range(growth_texts.WORDS)}) == growth_texts.WORDS


class TestParts:
    def test_outputs_that_differ_are_an_error(self, tmp_path):
        class Made:
            def __init__(self, outputs, graph=("MatMul",)):
                self.outputs, self.graph = outputs, graph

            def ask(self, handler, case, results):
                np.savez(results, outputs=self.outputs)
                return {"forward": self.graph}

        case = Case("LSTM", False, 1, 2, 3, 4, seed=0)
        assert layers.check_alike({"ours": Made([1.0, 2.0]), "keras": Made([1.0, 2.0001])}, case, tmp_path)
        assert not layers.check_alike({"ours": Made([1.0], ["Mul"]), "keras": Made([1.0])}, case, tmp_path)
        with pytest.raises(ValueError, match=r"outputs of Case.*from those of keras by 5.0e-02"):
            layers.check_alike({"ours": Made([1.0, 1.9]), "keras": Made([1.0, 2.0])}, case, tmp_path)

    def test_logits_that_differ_are_an_error(self):
        with pytest.raises(ValueError, match="those of keras by 1.0e-01"):
            step.check_alike({"ours": np.array([[1.0, 2.0]]), "keras": np.array([[1.0, 2.1]])})

    def test_growth_is_held_against_tokens_and_the_cache(self):
        lengths = [{"grows": growth.LENGTH, "tokens": n, "step, ms": 5 * n**1.2} for n in (10, 20, 40)]
        sets = [
            {
                "grows": growth.ROWS,
                "rows": n,
                "tokens": n,
                "read, s": n,
                "encode, s": n,
                "cache MiB": 2 * n,
                "prepare peak MiB": 100 + 3 * n,
                "peak MiB": 100 + n,
            }
            for n in (10, 100)
        ]
        assert [(bar.figure, bar.met) for bar in growth.bars([*lengths, *sets])] == [
            (pytest.approx(1.2), False),
            (pytest.approx(1), True),
            (1.5, False),
            (0.5, True),
        ]


class TestRun:
    def test_results_say_how_they_were_made_without_paths_of_the_machine(self, tmp_path, monkeypatch):
        monkeypatch.setattr(run, "HERE", tmp_path)
        monkeypatch.setattr(run, "PEERS", [])
        rows = [{"a": 1, "b": 2.5}, {"a": 3, "c": "x"}]
        run.write("layers", options(data=Path.cwd().parent / "data"), 12.4, 0.25, rows, [Bar("fast", 2.0, True)])
        result = json.loads((tmp_path / "results" / "layers.json").read_text())
        assert result["command"] == "python experiments/benchmarks/run.py layers --rounds 1 --data ../data --seed 0"
        assert result["seconds"] == 12
        assert result["stolen_share"] == 0.25
        assert {"processor", "cores", "tensorflow", "keras"} <= result.keys()
        assert result["bars"] == [{"what": "fast", "figure": 2.0, "met": True}]
        assert (tmp_path / "results" / "layers.csv").read_text() == "a,b,c\n1,2.5,\n3,,x\n"

    def test_a_part_there_is_not(self):
        process = run_py("steps")
        assert process.returncode == 2
        assert "no part steps; PART takes layers, step, " in process.stderr

    def test_a_part_that_lacks_what_it_needs_is_skipped_with_the_reason(self):
        process = run_py("versions")
        assert process.returncode == 0
        assert process.stdout == "versions: skipped: no --before CHECKOUT\n"

    @pytest.mark.slow
    @pytest.mark.parametrize("part", run.PARTS)
    def test_every_part_runs(self, part):
        files_before = sorted(FOLDER.glob("results/*"))
        process = run_py("--quick", part, *(["--before", str(FOLDER.parents[1])] if part == "versions" else []))
        assert process.returncode == 0, process.stdout + process.stderr
        assert re.search(rf"^{part}: [1-9]\d* rows, \d+ s$", process.stdout, re.MULTILINE), process.stdout
        assert sorted(FOLDER.glob("results/*")) == files_before


def run_py(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, FOLDER / "run.py", *arguments], capture_output=True, text=True)
