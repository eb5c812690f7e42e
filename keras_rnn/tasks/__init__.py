"""What a network learns: each task is a file or folder here, and one line in the registry."""

from keras_rnn.tasks.registry import (
    DEFAULT_TASK,
    get_contract,
    get_task,
    list_tasks,
    load_tasks,
    register_task,
    task_name_of,
)
from keras_rnn.tasks.task import Objective, Table, Task

__all__ = [
    "DEFAULT_TASK",
    "Objective",
    "Table",
    "Task",
    "get_contract",
    "get_task",
    "list_tasks",
    "load_tasks",
    "register_task",
    "task_name_of",
]
