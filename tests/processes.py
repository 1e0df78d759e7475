"""Processes that the tests start."""

import json
import socket


def cluster(number=2):
    """The TF_CONFIG of every worker of a cluster on this machine."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    tasks = [{"type": "worker", "index": i} for i in range(number)]
    return [json.dumps({"cluster": {"worker": workers}, "task": task}) for task in tasks]
