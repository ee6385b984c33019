"""Workers meet before TensorFlow starts: it would wait for a missing one for an hour, deaf to Ctrl-C.

The chief listens at its own address of the cluster. Each other worker connects and sends its index; when all are
there, the chief answers every one and gives its port up to TensorFlow.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from micronets_gen.errors import RunError, UsageError

PATIENCE_S = 300.0

_READY = b"all here\n"
_POLL_S = 0.2
_PROMPT_S = 5.0


def meet(index: int, addresses: Sequence[str], patience_s: float = PATIENCE_S) -> None:
    """Return when every worker has called.

    Args:
        index: Of this worker; the chief is 0.
        addresses: ``host:port`` of every worker, the chief's first.

    Raises:
        RunError: one did not within ``patience_s`` seconds.
        UsageError: the chief's port is taken, or an address is none.
    """
    deadline = time.monotonic() + patience_s
    if index == 0:
        _receive(addresses, deadline)
    else:
        _report(index, addresses, deadline)


def _receive(addresses: Sequence[str], deadline: float) -> None:
    try:
        listener = socket.create_server(("", _split(addresses[0])[1]))
    except OSError as error:
        raise UsageError(
            "cannot listen at the chief's address",
            where=f"TF_CONFIG: {addresses[0]}",
            why=str(error),
            remedy="take a free port",
        ) from error
    here: dict[int, socket.socket] = {}
    everyone = range(1, len(addresses))
    try:
        with listener:
            listener.settimeout(_POLL_S)
            while missing := [addresses[i] for i in everyone if i not in here]:
                if time.monotonic() > deadline:
                    raise RunError(
                        f"did not come: {', '.join(missing)}",
                        where="--strategy multi-worker",
                        remedy="start the same command on every host, and see that they reach each other's ports",
                    )
                try:
                    caller, _ = listener.accept()
                except TimeoutError:
                    continue
                caller.settimeout(_PROMPT_S)
                name = _line(caller)
                if name.isdigit() and int(name) in everyone:
                    here[int(name)] = caller
                else:
                    caller.close()
        for caller in here.values():
            caller.sendall(_READY)
    finally:
        for caller in here.values():
            caller.close()


def _report(index: int, addresses: Sequence[str], deadline: float) -> None:
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection(_split(addresses[0]), timeout=left) as chief:
                chief.sendall(b"%d\n" % index)
                if _line(chief) == _READY.strip():
                    return
        except OSError:
            pass
        time.sleep(_POLL_S)
    raise RunError(
        f"the chief did not call all workers together: {addresses[0]}",
        where="--strategy multi-worker",
        remedy="start the same command on every host, and see that they reach each other's ports",
    )


def _line(connection: socket.socket) -> bytes:
    """Return what comes until the end of a line, without it; what came so far where the connection ends."""
    text = b""
    try:
        while not text.endswith(b"\n") and len(text) < 64:
            part = connection.recv(64)
            if not part:
                break
            text += part
    except OSError:
        pass
    return text.strip()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise UsageError("is no address", where=f"TF_CONFIG: {address}", remedy="write host:port")
    return host.strip("[]"), int(port)
