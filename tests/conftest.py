import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the same results on every machine

# The files that take longest, first: pytest-xdist hands files out in this order, and the last ones should be short.
LONG = ("test_cli.py", "test_every_model.py", "test_train.py", "test_sweep.py", "test_ray.py", "test_run_trial.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
