"""The child process of `hubline.models.local`: llama.cpp's own HTTP server around one GGUF file.

Started by its file, so it imports nothing of the library. The first line of standard input is a JSON object
(`LlamaSettings`); standard output carries one JSON object, the `address` of the server when the model is loaded or an
`error`, and nothing else. The process lives until its standard input ends, which happens when its parent closes it *or
dies in any way*, SIGKILL included: the kernel closes the pipe.
"""

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any, NoReturn, TextIO


@dataclass(frozen=True, slots=True)
class LlamaSettings:
    """What the child is told. `context` counts tokens per slot, prompt and answer together."""

    path: str
    key: str
    context: int
    slots: int
    threads: int

    def dump(self) -> bytes:
        """One line, as the child reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def serve(settings: LlamaSettings) -> Any:
    """Load the model and serve it on a free port of the loopback interface, for as long as the result is kept."""
    import xllamacpp  # type: ignore[import-untyped]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings.path
    parameters.n_parallel = settings.slots
    parameters.n_ctx = settings.context * settings.slots
    parameters.cpuparams.n_threads = settings.threads
    parameters.cpuparams_batch.n_threads = settings.threads
    parameters.fit_params = False  # measures the memory of GPUs for seconds; a small model fits
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [settings.key]  # other users and web pages on this machine can reach the port as well
    parameters.ui = False
    parameters.endpoint_slots = True  # tells whether a slot is at work; asks for the key like everything else
    parameters.verbosity = 1  # errors only
    return xllamacpp.Server(parameters)


def main() -> None:
    """Run until standard input ends."""
    os.closerange(3, 1024)  # uvloop hands down what is inheritable, such as the parent's listening sockets
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # llama.cpp logs to both; whatever it prints must not mix with the answer
    settings = LlamaSettings(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(5)  # the event loop of the parent comes first
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
    os._exit(1)  # Python's orderly exit would abort: the thread below holds the lock of standard input


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)  # at once: an orderly exit would first finish the answers in progress


if __name__ == "__main__":
    main()
