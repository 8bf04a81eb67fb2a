# SPDX-License-Identifier: Apache-2.0
"""What is asked of a server besides inference: readiness, metadata, statistics, the model repository."""

import asyncio
from concurrent.futures import Executor

from predictors.serving.lifecycle import Lifecycle
from predictors.serving.metrics.statistics import model_stats
from predictors.serving.models import Models
from predictors.v2.metadata import model_metadata, server_metadata


class Management:
    """Tells of a server's models, and changes which of them answer, as each protocol's messages have it."""

    def __init__(self, models: Models, lifecycle: Lifecycle, executor: Executor) -> None:
        """Tell of these models.

        Args:
            models: The models.
            lifecycle: Whether the server is loading, ready or draining.
            executor: Loads models again.
        """
        self._models = models
        self._lifecycle = lifecycle
        self._executor = executor

    def is_ready(self) -> bool:
        """Return whether the server and all of its models answer, and will for longer than a moment."""
        return self._lifecycle.is_ready and self._models.all_ready

    def is_model_ready(self, name: str, version: str | None = None) -> bool:
        """Return whether a model does; ModelNotFoundError for one that there is not, once the models are known."""
        return not self._lifecycle.is_loading and self._models.is_ready(name, version) and self._lifecycle.is_ready

    def server_metadata(self) -> dict[str, object]:
        """Return the server's name, version and extensions."""
        return server_metadata(*(("model_repository",) if self._models.may_change else ()))

    def metadata(self, name: str, version: str | None = None) -> dict[str, object]:
        """Return a model's metadata; raises as ``Models.find`` does."""
        model = self._models.find(name, version).model
        return model_metadata(model.name, model.version, f"portside_{model.scorer.name}", model.signature)

    def statistics(self, name: str | None = None, version: str | None = None) -> dict[str, object]:
        """Return the statistics of a model, or of all that answer; raises as ``Models.find`` does."""
        if name is None:
            return model_stats(self._models.ready.values())
        return model_stats([self._models.find(name, version)])

    def names(self) -> list[str]:
        """Return the names of all models."""
        return sorted(self._models.known)

    def index(self) -> list[dict[str, str]]:
        """Return each model with its state, as the model repository extension has it."""
        return [
            {
                "name": name,
                "version": version,
                "state": "READY" if name in self._models.ready else "UNAVAILABLE",
                "reason": "" if name in self._models.ready else "unloaded",
            }
            for name, version in sorted(self._models.known.items())
        ]

    async def load(self, name: str) -> None:
        """Verify and load a model anew from its folder, and answer for it from then on.

        Raises:
            InvalidRequestError: Models are not loaded over the network here.
            ModelNotFoundError: There is no such model.
            ArtifactError: The artifact cannot be trusted or used any more.
        """
        loader = self._models.loader_of(name)
        self._models.put(await asyncio.get_running_loop().run_in_executor(self._executor, loader))

    def unload(self, name: str) -> None:
        """Stop answering for a model; raises as ``load`` does."""
        self._models.unload(name)
