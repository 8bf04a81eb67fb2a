# SPDX-License-Identifier: Apache-2.0
"""Users that ask a V2 server: rows of real data, alone and in batches, as REST JSON, REST binary and gRPC."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Final, cast

from loadtests.answers import AnswerCheck
from loadtests.errors import LoadTestError
from loadtests.open_loop.session import Kind, Session
from loadtests.payloads.grpc import encode_grpc
from loadtests.payloads.jsonl import read_requests
from loadtests.payloads.outputs import Output
from loadtests.payloads.rest_binary import encode_rest_binary
from loadtests.payloads.rest_json import encode_rest_json
from loadtests.payloads.rows import Rows, prepared
from loadtests.payloads.tensors import EncodedRequest, Encoder
from loadtests.user import OpenLoopUser, sends

#: Makes the requests of one kind, with an encoder, for a model, and for a version of it.
Make = Callable[[Encoder, str, str | None], tuple[EncodedRequest, ...]]

_ENCODERS: Final[Mapping[str, Encoder]] = {
    "rest json": encode_rest_json,
    "rest binary": encode_rest_binary,
    "grpc": encode_grpc,
}
#: Rows in the requests of one kind: enough that no cache answers them all, few enough to encode in a moment.
_DIFFERENT: Final = 2_048
_FEWEST_DIFFERENT: Final = 8


class V2User(OpenLoopUser):
    """What the suites have in common: the model that is asked, and how its answers are told right from wrong."""

    abstract = True

    #: The model's name; ``--model`` says another one.
    model: ClassVar[str]
    #: What is known of the answers besides their form.
    outputs: ClassVar[tuple[Output, ...]] = ()

    def prepare(self, session: Session) -> None:
        """Encode the requests, once for all users of this process, and leave out the tasks that cannot be.

        Raises:
            LoadTestError: No tasks are left, or data are missing.
        """
        options = session.options
        left_out = {
            "grpc": options.grpc_host is None,
            "golden": options.golden is None,
            "bulk": "bulk" not in session.tags,
        }
        self.tasks = [
            one
            for one in self.tasks
            if not any(left_out.get(name, False) for name in getattr(one, "locust_tag_set", ()))
        ]
        if not self.tasks:
            raise LoadTestError(
                "no requests are left to send: look at --tags and --exclude-tags; gRPC needs --grpc-host"
            )
        self._kinds = session.kinds.setdefault(type(self), {})
        self._session = session
        for one in dict.fromkeys(self.tasks):
            cast("Callable[[V2User], Kind]", one)(self)

    def kind(self, how: str, what: str, make: Make) -> Kind:
        """Return requests of one kind, encoded when first asked for.

        Args:
            how: "rest json", "rest binary" or "grpc".
            what: What they hold, for their name.
            make: Makes them.
        """
        name = f"{how}, {what}"
        if name not in self._kinds:
            options = self._session.options
            self._kinds[name] = Kind(
                name=name,
                requests=make(_ENCODERS[how], options.model or self.model, options.model_version),
                transport=self._session.transport("grpc" if how == "grpc" else "rest"),
                check=AnswerCheck(self.outputs),
            )
        return self._kinds[name]


class RowsUser(V2User):
    """A user with rows of data: most requests hold one, some a batch."""

    abstract = True

    #: Rows of a batch.
    batch: ClassVar[int] = 32
    #: Rows of a request of which few are as much as a server can do.
    bulk: ClassVar[int] = 1_000

    @classmethod
    @abstractmethod
    def rows(cls) -> Rows:
        """Return the data that requests are drawn from.

        Raises:
            LoadTestError: They are not installed.
        """

    @sends(4, "rest", "json", "single")
    def rest_json_single(self) -> Kind:
        """One row as JSON."""
        return self._rows("rest json", 1)

    @sends(1, "rest", "json", "batch")
    def rest_json_batch(self) -> Kind:
        """A batch as JSON."""
        return self._rows("rest json", self.batch)

    @sends(4, "rest", "binary", "single")
    def rest_binary_single(self) -> Kind:
        """One row as bytes over REST."""
        return self._rows("rest binary", 1)

    @sends(1, "rest", "binary", "batch")
    def rest_binary_batch(self) -> Kind:
        """A batch as bytes over REST."""
        return self._rows("rest binary", self.batch)

    @sends(4, "grpc", "single")
    def grpc_single(self) -> Kind:
        """One row over gRPC."""
        return self._rows("grpc", 1)

    @sends(1, "grpc", "batch")
    def grpc_batch(self) -> Kind:
        """A batch over gRPC."""
        return self._rows("grpc", self.batch)

    @sends(1, "rest", "json", "bulk")
    def rest_json_bulk(self) -> Kind:
        """Very many rows as JSON; sent only where ``--tags`` names it."""
        return self._rows("rest json", self.bulk)

    @sends(1, "rest", "binary", "bulk")
    def rest_binary_bulk(self) -> Kind:
        """Very many rows as bytes over REST; sent only where ``--tags`` names it."""
        return self._rows("rest binary", self.bulk)

    @sends(1, "rest", "json", "golden")
    def golden(self) -> Kind:
        """Requests whose answers are known, as JSON."""
        path = self._session.options.golden
        assert path is not None, "this task is left out without --golden"  # noqa: S101
        return self.kind("rest json", "golden", from_file(path))

    def _rows(self, how: str, size: int) -> Kind:
        seed = self._session.options.seed

        def drawn(encode: Encoder, model: str, version: str | None) -> tuple[EncodedRequest, ...]:
            different = max(_DIFFERENT // size, _FEWEST_DIFFERENT)
            return prepared(self.rows(), size, encode, model, version, different, seed)

        return self.kind(how, f"{size} rows" if size > 1 else "1 row", drawn)


def from_file(path: Path) -> Make:
    """Return what makes the requests of a file, each once."""

    def read(encode: Encoder, model: str, version: str | None) -> tuple[EncodedRequest, ...]:
        return tuple(encode(request, model, version) for request in read_requests(path))

    return read
