"""Compiles every kernel once, for all processes of the tests; `scripts/test` runs it first."""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import recommender
from planted import interactions_of, two_groups
from recommender.config import compiled_folder
from recommender.serving.compile_ahead import compile_ahead
from recommender.training.evaluation import cut_at
from recommender.training.fitting import TEST_SHARE, before, evaluate, learn_newest
from recommender.training.source import TrainingSet

AHEAD = "compile_kernels()"
_COUNTING = """
from pathlib import Path

from recommender.cli.run_commands import compile_kernels
from recommender.config import compiled_folder

# Behind ours: numba looks once where its code is kept, when it is imported.
from numba.core import event

compiled = event.RecordingListener()
event.register("numba:compile", compiled)
{work}
print(len(compiled.buffer), compiled_folder())
"""
_COMPILATIONS = "compilations.txt"


def compilations(home: Path, work: str) -> tuple[int, Path]:
    """Return the number of compilations of a process with this home, and its folder."""
    environ = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", _COUNTING.format(work=work)],
        env=environ | {"RECOMMENDER_HOME": str(home), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "not-compiled" not in done.stdout + done.stderr
    assert "slate-failed" not in done.stdout + done.stderr
    number, folder = done.stdout.split()[-2:]
    return int(number), Path(folder)


def compiled_ahead() -> tuple[Path, int, Path]:
    """Return a home in which one process has compiled ahead, its compilations and its folder.

    That takes half a minute, so it is done once for each state of the sources, whoever asks first.
    Nobody else may work in this home.
    """
    sources = Path(recommender.__file__).parent
    place = hashlib.sha256(f"{sys.prefix} {sources}".encode()).hexdigest()[:16]
    parent = Path(tempfile.gettempdir()) / f"recommender-kernels-{os.getuid()}" / place
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = parent / _state(sources)
        told = home / _COMPILATIONS
        if not told.exists():
            for other in parent.glob("state-*"):
                shutil.rmtree(other)
            number, folder = compilations(home, AHEAD)
            told.write_text(f"{number} {folder}")
    number, folder = told.read_text().split()
    return home, int(number), Path(folder)


def _state(sources: Path) -> str:
    """Return a name for all that decides what is compiled, and whether numba takes it back."""
    stamps = [
        (str(path), status.st_mtime_ns, status.st_size)
        for path in sorted(sources.rglob("*.py"))
        for status in [path.stat()]
    ]
    told = repr((sys.version, importlib.metadata.version("numba"), stamps))
    return "state-" + hashlib.sha256(told.encode()).hexdigest()[:16]


def main() -> None:
    _, _, folder = compiled_ahead()
    for made in folder.iterdir():
        # Checkouts with the same kernels share the folder, with a part for each.
        if made.is_dir() and not (compiled_folder() / made.name).exists():
            shutil.copytree(made, compiled_folder() / made.name)
    compile_ahead()
    # So many that settings are tried side by side, by kernels of their own.
    training_set = TrainingSet(interactions_of(two_groups(200)))
    known = before(training_set, cut_at(training_set.interactions, TEST_SHARE))
    evaluate(training_set, learn_newest(known, seed=0))


if __name__ == "__main__":
    main()
