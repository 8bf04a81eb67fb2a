# SPDX-License-Identifier: Apache-2.0
"""The serving image's entry, with the arguments that a KServe runtime gives, or the variables that Vertex AI sets."""

import argparse
import logging
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from predictors.errors import PredictorError
from predictors.serving.logs import set_up_logs
from predictors.serving.main import serve
from predictors.serving.settings import Settings
from predictors.vertex.contract import contract_of


def main() -> int:
    """Serve the artifact, or plain ONNX file, that KServe's storage initializer put in place; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m predictors", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model_name", help="the name to serve the model under; its own by default")
    parser.add_argument(
        "--model_dir", type=Path, default=Path("/mnt/models"), help="the folder of the artifact, or of one .onnx file"
    )
    parser.add_argument("--http_port", type=int, help="REST (8080)")
    parser.add_argument("--grpc_port", type=int, help="gRPC (8081)")
    parser.add_argument("--workers", type=int, help="processes that answer (1)")
    words = vars(parser.parse_args())
    set_up_logs("info", "json")
    name, folder = words.pop("model_name"), words.pop("model_dir")
    try:
        contract = contract_of(os.environ)
        if contract is not None:
            words["http_port"] = contract.http_port
        settings = Settings.from_env(os.environ, **words)
        set_up_logs(settings.log_level, settings.log_format or "json")
        if contract is None or contract.storage_uri is None:
            return serve([folder], settings, name=name, contract=contract)
        with TemporaryDirectory(prefix="portside-") as own:
            # A plain ONNX file has its version from its folder's name.
            folder = Path(own, contract.storage_uri.rpartition("/")[2])
            return serve([folder], settings, name=name, contract=contract)
    except PredictorError as err:
        logging.getLogger("predictors").error("%s", err)  # noqa: TRY400 (the sentence is the whole of it)
        return 2


if __name__ == "__main__":
    sys.exit(main())
