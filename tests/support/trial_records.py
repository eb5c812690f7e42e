"""Made-up records of trials."""

from keras_rnn.search.trial import COMPLETED, FAILED, NAN_LOSS, RUNNING, Job, Result, TrialRecord

EPOCHS = 3


def completed(number: int, score: float, values: dict, **fields) -> TrialRecord:
    """A trial of three epochs, of which the second is the best. `fields` are fields of the result."""
    history = [
        {"epoch": epoch, "seconds": 10.0, "loss": 1.0 / epoch, "val_accuracy": score - 0.1 * (epoch != 2)}
        for epoch in range(1, EPOCHS + 1)
    ]
    result = Result(**{"history": history, "parameters": 1000, "seconds": 30.0, "device": "CPU"} | fields)
    return TrialRecord(_job(number, values), COMPLETED, attempts=1, score=score, best_epoch=2, result=result)


def failed(number: int, values: dict, failure=NAN_LOSS, error="the loss of epoch 2 is nan") -> TrialRecord:
    return TrialRecord(
        _job(number, values), FAILED, attempts=2, result=Result(failure=failure, error=error, seconds=5.0)
    )


def running(number: int, values: dict) -> TrialRecord:
    return TrialRecord(_job(number, values), RUNNING, attempts=1)


def _job(number: int, values: dict) -> Job:
    return Job(f"{number:04d}", values, EPOCHS)
