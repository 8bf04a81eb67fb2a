# SPDX-License-Identifier: Apache-2.0
"""Load on any model behind any V2 server, with requests from a file.

locust -f loadtests/model.py --host http://127.0.0.1:8080 --model NAME --input requests.jsonl
"""

from loadtests.errors import LoadTestError
from loadtests.open_loop.session import Kind, Session
from loadtests.user import sends
from loadtests.v2_user import V2User, from_file


class Model(V2User):
    """Someone who sends the requests of a file, each as often as any other."""

    def prepare(self, session: Session) -> None:
        """Encode the requests.

        Raises:
            LoadTestError: The model or its requests are not given, or cannot be read.
        """
        if session.options.model is None or session.options.input is None:
            raise LoadTestError("name the model and its requests: --model NAME --input requests.jsonl")
        super().prepare(session)

    @sends(1, "rest", "json")
    def rest_json(self) -> Kind:
        """A request as JSON."""
        return self._from_file("rest json")

    @sends(1, "rest", "binary")
    def rest_binary(self) -> Kind:
        """A request as bytes over REST."""
        return self._from_file("rest binary")

    @sends(1, "grpc")
    def grpc(self) -> Kind:
        """A request over gRPC."""
        return self._from_file("grpc")

    def _from_file(self, how: str) -> Kind:
        path = self._session.options.input
        assert path is not None, "prepare has seen to it"  # noqa: S101
        return self.kind(how, "from file", from_file(path))
