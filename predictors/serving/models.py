# SPDX-License-Identifier: Apache-2.0
"""The models of a server by their names: which answer, and, where that is switched on, unloading and loading them."""

from collections.abc import Callable, Iterable
from functools import partial

from predictors.errors import InvalidRequestError, ModelNotFoundError, NotReadyError, quoted_names
from predictors.serving.endpoint import Endpoint

#: Loads a model anew, from its own folder, by its name; slow, so it is called in a thread.
Loader = Callable[[str], Endpoint]


class Models:
    """The models that a server was started with.

    Attributes:
        ready: Those that answer, by name. The dictionary stays the same one as long as the server lives.
    """

    def __init__(self, endpoints: Iterable[Endpoint], loader: Loader | None = None) -> None:
        """Answer for these models.

        Args:
            endpoints: The models, all loaded.
            loader: Loads one again; None where models are not loaded over the network.
        """
        self.ready = {endpoint.model.name: endpoint for endpoint in endpoints}
        self._loader = loader
        self._known = {name: endpoint.model.version for name, endpoint in self.ready.items()}

    @property
    def known(self) -> dict[str, str]:
        """The version of each model, of those that are unloaded too."""
        return dict(self._known)

    def find(self, name: str, version: str | None = None) -> Endpoint:
        """Return the model of that name, in the version that is asked for if any.

        Raises:
            ModelNotFoundError: There is no such model, or no such version of it.
            NotReadyError: It is unloaded.
        """
        if not self.is_ready(name, version):
            raise NotReadyError(f'model "{name}" is unloaded; load it before asking it')
        return self.ready[name]

    def is_ready(self, name: str, version: str | None = None) -> bool:
        """Return whether the model answers; ModelNotFoundError as ``find`` raises it."""
        if name not in self._known:
            raise ModelNotFoundError(f'no model "{name}" is served here; there is {quoted_names(sorted(self._known))}')
        if version is not None and version != self._known[name]:
            raise ModelNotFoundError(f'model "{name}" is served in version {self._known[name]}, not "{version}"')
        return name in self.ready

    @property
    def may_change(self) -> bool:
        """Whether models are loaded and unloaded over the network."""
        return self._loader is not None

    @property
    def all_ready(self) -> bool:
        """Whether every model answers."""
        return len(self.ready) == len(self._known)

    def loader_of(self, name: str) -> Callable[[], Endpoint]:
        """Return what loads a model again.

        Raises:
            InvalidRequestError: Models are not loaded over the network here.
            ModelNotFoundError: There is no such model.
        """
        if self._loader is None:
            raise InvalidRequestError(
                "models are not loaded or unloaded over the network here; PREDICTOR_MODEL_REPOSITORY switches it on"
            )
        self.is_ready(name)
        return partial(self._loader, name)

    def unload(self, name: str) -> None:
        """Stop answering for a model, what is in flight excepted; raises as ``loader_of`` does."""
        self.loader_of(name)
        self.ready.pop(name, None)

    def put(self, endpoint: Endpoint) -> None:
        """Answer for a model that was loaded again, in whatever version it now has."""
        self._known[endpoint.model.name] = endpoint.model.version
        self.ready[endpoint.model.name] = endpoint
