"""Loads model versions. New ones are loaded, warmed up and put into use; old ones are drained and unloaded."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from keras_rnn.errors import UsageError
from keras_rnn.serving.integrity import verify_files
from keras_rnn.serving.server.errors import invalid, not_found
from keras_rnn.serving.server.generator import generator_of
from keras_rnn.serving.server.repository import fingerprint, version_folders
from keras_rnn.serving.server.servable import Servable
from keras_rnn.serving.server.warmup import warm_up

DRAIN_SECONDS = 0.05  # between checks whether an old version's last request has ended
MAX_ENDED_VERSIONS = 8  # unloaded versions of a model that its status still lists

log = logging.getLogger("keras_rnn.serve")


@dataclass(frozen=True)
class VersionState:
    """`state` is START, LOADING, AVAILABLE, UNLOADING or END, as in TensorFlow Serving."""

    state: str
    error: str = ""


class ModelManager:
    """The loaded versions of every model in a folder: the latest of each, and those that a label names.

    If a version cannot be loaded, the one before it stays in use. The version is tried again when its files change.
    """

    def __init__(self, root: Path, labels: dict[tuple[str, str], int], poll_seconds: float):
        self._root, self._labels, self._poll_seconds = root, labels, poll_seconds
        self._loaded: dict[str, dict[int, Servable]] = {}
        self._states: dict[str, dict[int, VersionState]] = {}
        self._broken: dict[Path, tuple] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._retiring: set[asyncio.Task] = set()
        self._watch_task: asyncio.Task | None = None

    async def start(self) -> None:
        """Loads the versions in the folder, then watches it for changes.

        Raises:
            UsageError: the folder holds no version that can be loaded, or a label names a missing version.
        """
        await self._refresh()
        if not any(self._loaded.values()):
            broken = f"; {len(self._broken)} could not be loaded" if self._broken else ""
            raise UsageError(f"{self._root} takes NAME/VERSION/saved_model.pb, but holds no version to serve{broken}")
        for (name, label), version in self._labels.items():
            if version not in self._loaded.get(name, {}):
                raise UsageError(f"label {label!r} names version {version} of model {name!r}, which cannot be served")
        self._watch_task = asyncio.create_task(self._poll())

    async def stop(self) -> None:
        if self._watch_task is not None:
            self._watch_task.cancel()
        for task in self._retiring:
            task.cancel()
        await asyncio.to_thread(self._loader.shutdown)
        for servables in self._loaded.values():
            for servable in servables.values():
                servable.close()

    @contextmanager
    def use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[Servable]:
        """Yields the requested version, by default the latest. It stays loaded within the context.

        Raises:
            ServingError: NOT_FOUND, or INVALID_ARGUMENT for an unknown label.
        """
        if label is not None:
            if version is not None:
                raise invalid("both a version and a version label cannot be given")
            version = self._label_version(name, label)
        loaded = self._loaded.get(name)
        if not loaded or (version is not None and version not in loaded):
            request = f"Latest({name[:100]})" if version is None else f"Specific({name[:100]}, {version})"
            raise not_found(f"Servable not found for request: {request}")
        servable = loaded[max(loaded) if version is None else version]
        servable.users += 1
        try:
            yield servable
        finally:
            servable.users -= 1

    def version_states(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> dict[int, VersionState]:
        """Returns the states of a model's versions, or of one. Raises ServingError (NOT_FOUND) if there is none."""
        if label is not None:
            version = self._label_version(name, label)
        states = self._states.get(name, {})
        if version is not None:
            if version not in states:
                raise not_found(f"Could not find version {version} of model {name[:100]}")
            return {version: states[version]}
        if not states:
            raise not_found(f"Could not find any versions of model {name[:100]}")
        return dict(sorted(states.items(), reverse=True))

    def _label_version(self, name: str, label: str) -> int:
        if (name, label) not in self._labels:
            raise invalid(f"Unrecognized servable version label: {label[:100]}")
        return self._labels[name, label]

    def loaded_versions(self) -> list[str]:
        """Returns `NAME/VERSION` of each loaded version."""
        return [f"{name}/{version}" for name in sorted(self._loaded) for version in sorted(self._loaded[name])]

    def latest_versions(self) -> list[Servable]:
        """Returns the latest loaded version of each model."""
        return [loaded[max(loaded)] for _, loaded in sorted(self._loaded.items()) if loaded]

    async def _poll(self) -> None:
        last_warning = ""
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self._refresh()
                last_warning = ""
            except Exception as error:  # the folder is changing, or is missing for a moment
                if last_warning != (last_warning := _first_line(error)):
                    log.warning("cannot read the folder of models: %s", last_warning)

    async def _refresh(self) -> None:
        model_folders = await asyncio.to_thread(version_folders, self._root)
        for name in [*model_folders, *(name for name in self._loaded if name not in model_folders)]:
            if (folders := model_folders.get(name, {})) is None:
                continue  # its loaded versions stay
            try:
                await self._refresh_model(name, folders)
            except OSError as error:  # the other models go on
                log.warning("cannot read the versions of model %s: %s", name, _first_line(error))
        self._broken = {folder: files for folder, files in self._broken.items() if folder.is_dir()}

    async def _refresh_model(self, name: str, folders: dict[int, Path]) -> None:
        """Loads the versions that should be served and retires the others."""
        labelled = {version for (model, _), version in self._labels.items() if model == name and version in folders}
        to_serve = {version for version in labelled if await self._ensure_loaded(name, version, folders[version])}
        for version in sorted(folders, reverse=True):
            if await self._ensure_loaded(name, version, folders[version]):
                to_serve.add(version)
                break
        loaded = self._loaded.get(name, {})
        for version in [version for version in loaded if version not in to_serve]:
            servable = loaded.pop(version)
            self._set_state(name, version, "UNLOADING")
            task = asyncio.create_task(self._retire(servable))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        if not loaded:
            self._loaded.pop(name, None)

    async def _ensure_loaded(self, name: str, version: int, folder: Path) -> bool:
        """Loads the version if it is not loaded; returns whether it is loaded then."""
        if version in self._loaded.get(name, {}):
            return True
        files = await asyncio.to_thread(fingerprint, folder)
        if self._broken.get(folder) == files:
            return False
        self._set_state(name, version, "LOADING")
        began = perf_counter()
        try:
            servable = await asyncio.get_running_loop().run_in_executor(self._loader, _load, name, version, folder)
        except Exception as error:  # TensorFlow raises many types for a broken version
            self._broken[folder] = files
            self._set_state(name, version, "END", "the version could not be loaded")
            log.error("cannot load version %s of model %s: %s", version, name, _first_line(error))
            return False
        self._broken.pop(folder, None)
        self._loaded.setdefault(name, {})[version] = servable
        self._set_state(name, version, "AVAILABLE")
        log.info("serving version %s of model %s, loaded in %.1f s", version, name, perf_counter() - began)
        return True

    async def _retire(self, servable: Servable) -> None:
        while servable.users:
            await asyncio.sleep(DRAIN_SECONDS)
        await asyncio.get_running_loop().run_in_executor(self._loader, servable.close)
        if servable.version not in self._loaded.get(servable.name, {}):  # the version may be back
            self._set_state(servable.name, servable.version, "END")
        log.info("unloaded version %s of model %s", servable.version, servable.name)

    def _set_state(self, name: str, version: int, state: str, error: str = "") -> None:
        states = self._states.setdefault(name, {})
        states.pop(version, None)
        states[version] = VersionState(state, error)
        ended = [ended_version for ended_version, known in states.items() if known.state == "END"]
        for ended_version in ended[:-MAX_ENDED_VERSIONS]:
            del states[ended_version]


def _load(name: str, version: int, folder: Path) -> Servable:
    verify_files(folder)
    servable = Servable(name, version, folder)
    try:
        warm_up(servable, folder)
        servable.generator = generator_of(servable.signatures)
    except BaseException:
        servable.close()
        raise
    return servable


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
