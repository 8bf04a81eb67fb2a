# SPDX-License-Identifier: Apache-2.0
"""A process that has imported what all steps need, and forks itself for each step that it is told of.

Each step is a process of its own, as it is in a cluster; importing pandas, scikit-learn and kfp anew would take seconds
of each. This one does nothing else: its only other threads are OpenBLAS's and jemalloc's, which both see to a fork. It
reads a JSON line for each step, ``{"words": [...], "log": path}``, and answers with a line: the exit code, negative
where a signal ended it.

On Linux a run that dies takes its server and the step under way with it, however it dies: a step that went on alone
could deploy beside the next run's.
"""

import ctypes
import json
import os
import signal
import sys
import warnings
from functools import partial
from importlib import import_module
from typing import Final, NoReturn

_MODULES: Final = (
    "kfp.dsl.executor",
    "pandas",
    "pandera.pandas",
    "pipelines.registry",
    "predictors.loading",
    "predictors.packing",
    "sklearn.pipeline",
)


#: Linux's prctl option PR_SET_PDEATHSIG: which signal a process gets when its parent dies.
_PARENT_DEATH_SIGNAL: Final = 1


def main() -> None:
    """Serve until there is nothing more to read."""
    _die_with_parent()
    # Of Ctrl-C, which all processes of a terminal get, the run makes what is to be made.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Kubeflow's own word for a step's process: without it, kfp imports its client and Kubernetes', for seconds.
    os.environ.setdefault("_KFP_RUNTIME", "true")
    for module in _MODULES:
        import_module(module)
    # Python 3.12 and later warn of any thread, those that libraries see to themselves when a process forks as well.
    warnings.filterwarnings("ignore", message=".*multi-threaded", category=DeprecationWarning)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_the_step(order["words"], order["log"])
        signal.signal(signal.SIGTERM, partial(_end, child))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _be_the_step(words: list[str], log: str) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from pipelines.__main__ import main as step

    sys.argv = ["pipelines", *words]
    code: object = 1
    try:
        step(words)
        code = 0
    except SystemExit as err:
        code = err.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _end(child: int, _signal: int, _frame: object) -> NoReturn:
    os.kill(child, signal.SIGTERM)
    os._exit(1)


if __name__ == "__main__":
    main()
