"""The child process of `hubline.models.local`: llama.cpp's own HTTP server around one GGUF file.

It is started by its file name, so it imports nothing of the library. The first line of standard input is a JSON object
(`LlamaSettings`). Standard output has one JSON object: the `address` of the server when the model is loaded, or an
`error`. The process ends when its standard input ends: when its parent closes it, or when the parent ends in any way,
SIGKILL included, because the kernel then closes the pipe.
"""

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any, NoReturn, TextIO


@dataclass(frozen=True, slots=True)
class LlamaSettings:
    """The settings of the child. `context` is in tokens for each slot, prompt and answer together."""

    path: str
    key: str
    context: int
    slots: int
    threads: int

    def dump(self) -> bytes:
        """The settings as one line, as the child reads them."""
        return json.dumps(asdict(self)).encode() + b"\n"


def serve(settings: LlamaSettings) -> Any:
    """Load the model and serve it on a free port of the loopback interface. Keep the result: it is the server."""
    import xllamacpp  # type: ignore[import-untyped]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings.path
    parameters.n_parallel = settings.slots
    parameters.n_ctx = settings.context * settings.slots
    parameters.cpuparams.n_threads = settings.threads
    parameters.cpuparams_batch.n_threads = settings.threads
    parameters.fit_params = False  # the fit takes seconds to measure the memory of GPUs; a small model fits
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [settings.key]  # other users and web pages on this machine can also reach the port
    parameters.ui = False
    parameters.endpoint_slots = True  # tells whether a slot is busy; requires the key, as all requests do
    parameters.verbosity = 1  # errors only
    return xllamacpp.Server(parameters)


def main() -> None:
    """Run until standard input ends."""
    os.closerange(3, 1024)  # with uvloop the child inherits descriptors such as the parent's listening sockets
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # llama.cpp logs to both, and its output must not be mixed with the JSON object
    settings = LlamaSettings(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(5)  # the event loop of the parent has priority
    try:
        server = serve(settings)
    except ImportError:
        _give_up(answers, "the package `xllamacpp`, which runs llama.cpp, is not installed")
    except RuntimeError:
        _give_up(answers, f"llama.cpp cannot load {os.path.basename(settings.path)}")
    _tell(answers, address=str(server.listening_address))
    threading.Event().wait()


def _tell(answers: TextIO, **answer: str) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _give_up(answers: TextIO, why: str) -> NoReturn:
    _tell(answers, error=why)
    os._exit(1)  # a normal exit of Python would abort, because the thread below holds the lock of standard input


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)  # at once: a normal exit would first finish the answers in progress


if __name__ == "__main__":
    main()
