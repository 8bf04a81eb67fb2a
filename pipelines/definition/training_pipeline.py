# SPDX-License-Identifier: Apache-2.0
"""The one training pipeline: from raw data to a version that serves, if it is better than the one that does."""

from typing import Any

from kfp import dsl
from kfp.dsl import Artifact, Input, Model

from pipelines.definition.components import component
from pipelines.definition.needs import Place
from pipelines.definition.places import place_task


def training_pipeline(use_case: str, name: str, *, image: str, place: Place, root: str, deploy_to: str) -> Any:
    """Return the training pipeline of a use case.

    Args:
        use_case: A built-in one, or the module of one's own.
        name: The pipeline's name: that of the model.
        image: The pipeline image.
        place: What will run it.
        root: The registry, unless a run names another.
        deploy_to: Where versions are served, unless a run names another place.
    """

    def task(step: str, **inputs: Any) -> Any:
        return place_task(component(step, image)(**inputs), step, place)

    # Kubeflow's local runner finds the value of a condition only among the inputs of the pipeline around it.
    @dsl.pipeline(  # type: ignore[untyped-decorator]  # kfp has no types
        name="promotion", description="Package a challenger and put it in the champion's place."
    )
    def promotion(
        promote: bool,
        use_case: str,
        root: str,
        version: str,
        champion: str,
        data: str,
        data_digest: str,
        fingerprint: str,
        seed: int,
        reason: str,
        deploy_to: str,
        namespace: str,
        options: dict[str, str],
        model: Input[Model],
        evaluation: Input[Artifact],
    ) -> None:
        with dsl.If(promote == True, name="better"):  # noqa: E712 (it builds an expression)
            package = task(
                "package_model",
                use_case=use_case,
                root=root,
                version=version,
                champion=champion,
                data=data,
                data_digest=data_digest,
                fingerprint=fingerprint,
                seed=seed,
                reason=reason,
                model=model,
                evaluation=evaluation,
            )
            task(
                "deploy_model",
                use_case=use_case,
                root=root,
                version=version,
                champion=champion,
                deploy_to=deploy_to,
                namespace=namespace,
                options=options,
                artifact=package.outputs["artifact"],
            )

    @dsl.pipeline(  # type: ignore[untyped-decorator]
        name=name, description=f"Train {name}, compare it with the champion, serve it when it is better."
    )
    def training(
        use_case: str = use_case,
        root: str = root,
        data: str = "",
        seed: int = 0,
        because: str = "",
        deploy_to: str = deploy_to,
        namespace: str = "models",
        options: dict[str, str] = {},  # noqa: B006 (Kubeflow reads it, nobody changes it)
        notify: str = "",
    ) -> None:
        report = task("report_run", use_case=use_case, root=root, because=because, notify=notify)
        with dsl.ExitHandler(report, name="training"):
            inputs = task(
                "resolve_inputs",
                use_case=use_case,
                root=root,
                data=data,
                seed=seed,
                because=because,
                deploy_to=deploy_to,
                namespace=namespace,
            ).outputs
            loaded = task(
                "load_data",
                use_case=use_case,
                root=root,
                data=data,
                data_digest=inputs["data_digest"],
                seed=seed,
            ).outputs
            parts = {part: loaded[part] for part in ("train", "validation", "test")}
            validated = task("validate_data", use_case=use_case, root=root, champion=inputs["champion"], **parts)
            trained = task(
                "train_model",
                use_case=use_case,
                root=root,
                seed=seed,
                train=parts["train"],
                validation=parts["validation"],
            ).after(validated)
            model = trained.outputs["model"]
            evaluation = task(
                "evaluate_model", use_case=use_case, root=root, seed=seed, model=model, test=parts["test"]
            ).outputs["evaluation"]
            compared = task(
                "compare_models",
                use_case=use_case,
                root=root,
                champion=inputs["champion"],
                seed=seed,
                model=model,
                test=parts["test"],
                evaluation=evaluation,
            )
            promotion(
                promote=compared.outputs["promote"],
                use_case=use_case,
                root=root,
                version=inputs["version"],
                champion=inputs["champion"],
                data=data,
                data_digest=inputs["data_digest"],
                fingerprint=inputs["fingerprint"],
                seed=seed,
                reason=inputs["reason"],
                deploy_to=deploy_to,
                namespace=namespace,
                options=options,
                model=model,
                evaluation=evaluation,
            )

    return training
