# SPDX-License-Identifier: Apache-2.0
"""The pipeline image's digest: given, or asked of a registry over HTTP."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.definition.image import pipeline_image
from pipelines.errors import PipelineError

DIGEST = "sha256:" + "a1" * 32


class _Registry(BaseHTTPRequestHandler):
    """A container registry as its specification has it, with one image that anyone may have who asks for a token."""

    def do_HEAD(self) -> None:
        if self.headers.get("Authorization") != "Bearer for-anyone":
            self.send_response(401)
            realm = f"http://{self.headers['Host']}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="registry",scope="pull"')
        elif self.path != "/v2/team/pipeline/manifests/1.2.0" or "image.index" not in self.headers["Accept"]:
            self.send_response(404)
        else:
            self.send_response(200)
            self.send_header("Docker-Content-Digest", DIGEST)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        body = b'{"token": "for-anyone"}'
        self.send_response(200 if self.path == "/token?service=registry&scope=pull" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_said: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_digest_is_taken_as_it_is_given() -> None:
    assert pipeline_image(f"team/pipeline@{DIGEST}") == f"team/pipeline@{DIGEST}"


def test_the_environment_names_the_image_where_no_option_does() -> None:
    assert pipeline_image(None, {"PORTSIDE_PIPELINE_IMAGE": f"team/pipeline@{DIGEST}"}) == f"team/pipeline@{DIGEST}"


def test_a_tag_becomes_the_digest_that_its_registry_tells(registry: str) -> None:
    assert pipeline_image(f"{registry}/team/pipeline:1.2.0") == f"{registry}/team/pipeline@{DIGEST}"


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        pytest.param("{registry}/team/pipeline:9.9.9", "tells no digest of it (HTTP 404)", id="unknown tag"),
        pytest.param("127.0.0.1:9/team/pipeline:1", "the registry cannot be asked for its digest", id="nobody there"),
        pytest.param("pipeline", "give the pipeline image as NAME@sha256:DIGEST", id="no tag"),
        pytest.param("team/pipeline:latest", "give the pipeline image as NAME@sha256:DIGEST", id="no registry"),
        pytest.param("team/pipeline@sha256:abc", "give the pipeline image as NAME@sha256:DIGEST", id="short digest"),
    ],
)
def test_an_image_that_cannot_be_pinned_is_told(registry: str, reference: str, sentence: str) -> None:
    with pytest.raises(PipelineError) as told:
        pipeline_image(reference.format(registry=registry))
    assert sentence in str(told.value)
