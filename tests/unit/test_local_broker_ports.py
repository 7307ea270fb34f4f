"""A broker that has ended is gone when its ports are, so that the next start finds them."""

from __future__ import annotations

import socket
import time
from threading import Timer

from utresa_connectors import local_broker


def test_should_wait_until_nobody_listens_on_the_port_any_more() -> None:
    with socket.create_server((local_broker.HOST, 0)) as listener:
        port = listener.getsockname()[1]
        Timer(0.3, listener.close).start()
        started = time.monotonic()
        local_broker.wait_until_free(port)
        assert time.monotonic() - started >= 0.3
    with socket.create_server((local_broker.HOST, port)):
        """It is free."""
