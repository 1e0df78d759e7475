"""The cluster that TF_CONFIG describes, without TensorFlow."""

import json
import os


def is_chief_task(cluster, task_type, task_id):
    """Whether a task is the one that writes files: the chief, or without one the first worker.

    Args:
        cluster: dict of lists of addresses by task type.
        task_type: str or `None`, which is a process on its own.
        task_id: int.
    """
    return task_type in (None, "chief") or (task_id == 0 and not cluster.get("chief"))


def is_chief():
    """Whether this process is the chief of the cluster in TF_CONFIG; alone it is."""
    config = _config()
    task = config.get("task", {})
    return is_chief_task(config.get("cluster", {}), task.get("type"), int(task.get("index", 0)))


def is_present():
    """Whether TF_CONFIG describes a cluster."""
    return bool(_config().get("cluster"))


def _config():
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config = json.loads(text)
        int(config.get("task", {}).get("index", 0))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            "The environment variable TF_CONFIG must be a JSON object with `cluster` and `task`. "
            f"Received: {text!r:.200}"
        ) from error
    return config
