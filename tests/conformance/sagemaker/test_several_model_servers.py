"""The case of upstream's test_multi_tfs.py: two model servers behind a script in four workers, batching on and off."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

INSTANCES = '{"instances": [1.0, 2.0, 5.0]}'
R1 = {"predictions": [3.5, 4.0, 5.5]}


@pytest.mark.parametrize("batching", ["true", "false"], ids=["batching", "no_batching"])
def test_multi_tfs_predict(
    batching: str,
    scripted_folder: Callable[..., Path],
    binary: str,
    safe_port_range: Callable[[], str],
    start_server: Callable[..., Any],
    send: Callable[..., Any],
) -> None:
    ports = safe_port_range()
    address, server = start_server(
        "sdnn-sagemaker",
        "serve",
        SDNN_MODEL_BASE_PATH=str(scripted_folder("1")),
        SAGEMAKER_TFS_BINARY=binary,
        SAGEMAKER_TFS_INSTANCE_COUNT="2",
        SAGEMAKER_GUNICORN_WORKERS="4",
        SAGEMAKER_TFS_INTER_OP_PARALLELISM="1",
        SAGEMAKER_TFS_INTRA_OP_PARALLELISM="1",
        SAGEMAKER_TFS_ENABLE_BATCHING=batching,
        SAGEMAKER_SAFE_PORT_RANGE=ports,
        SAGEMAKER_TFS_NGINX_LOGLEVEL="info",
        timeout_s=120,
    )
    headers = {
        "content_type": "application/json",
        "x_amzn_sagemaker_custom_attributes": "tfs-model-name=half_plus_three,tfs-method=predict",
    }

    answers = [send(address, "POST", "/invocations", INSTANCES, **headers).json for _ in range(8)]

    assert answers == [R1] * 8
    children = psutil.Process(server.process.pid).children(recursive=True)
    commands = [command for command in (child.cmdline() for child in children) if binary in command]
    low = int(ports.partition("-")[0])
    for number in range(2):
        flags = {
            f"--port={low + 2 * number}",
            f"--rest_api_port={low + 2 * number + 1}",
            "--tensorflow_intra_op_parallelism=1",
        }
        assert sum(flags <= set(command) for command in commands) == 1
    assert len(commands) == 2
    server.stop()
