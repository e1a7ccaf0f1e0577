"""Runs commands of gbplan, each in a process forked from this one, with a fault at the n-th change of a file.

To be started with the compiled ``fail_nth.c`` preloaded. Reads a request per line on stdin: ``args`` of the command,
the folder ``below`` that faults are confined to, ``at`` which change and in which ``mode`` (see ``fail_nth.c``), and
the files ``said`` for its output and ``counted`` for the number of changes; and perhaps a ``stop``, a signal and the
seconds after which the process gets it. Answers with the exit status.
"""

import atexit
import ctypes
import json
import os
import signal
import sys
import threading
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.backends.backend_svg  # noqa: F401, so that not every process imports it
import torch
import torch.utils.tensorboard
from PIL import Image

import gbplan.callbacks
import gbplan.cli.lightning_cli
import gbplan.data.collect
import gbplan.evaluation.run
import gbplan.report.table  # noqa: F401
from gbplan.cli import main
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel


def run(args, below, at, mode, said, counted, stop=None):
    libc = ctypes.CDLL(None)
    count = ctypes.c_long.in_dll(libc, "fault_count")
    atexit.register(lambda: Path(counted).write_text(str(count.value)))
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(300)
    if stop is not None:
        number, seconds = stop
        timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()
    (ctypes.c_char * 4096).in_dll(libc, "fault_root").value = below.encode()
    ctypes.c_int.in_dll(libc, "fault_mode").value = mode
    ctypes.c_long.in_dll(libc, "fault_at").value = at
    main(args)


def warm_up():
    """Load what a command loads when it is first needed, so that not every process does."""
    model = WorldModel(IdentityEncoder(dim=2), MLPPredictor(latent_dim=2, action_dim=2, hidden_sizes=[128, 128]))
    actions = torch.zeros(1, 5, 2, requires_grad=True)
    model.rollout(torch.zeros(1, 1, 2), torch.zeros(1, 0, 2), actions).sum().backward()
    with torch.no_grad():
        model.rollout(torch.zeros(1, 1, 2), torch.zeros(1, 0, 2), actions)
    Image.init()


def serve():
    torch.set_num_threads(1)
    warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        if not (child := os.fork()):
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            run(**json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
