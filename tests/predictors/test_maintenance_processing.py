# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from pipelines.use_cases import TrainedModel
from predictors.errors import ArtifactError, InvalidRequestError
from predictors.maintenance import Maintenance
from predictors.processing import processing_class
from predictors.signature import Signature, TensorSpec

_INPUTS = (
    TensorSpec(name="product_type", datatype="BYTES", shape=(-1,)),
    TensorSpec(name="air_temperature", datatype="FP64", shape=(-1,)),
    TensorSpec(name="process_temperature", datatype="FP64", shape=(-1,)),
    TensorSpec(name="rotational_speed", datatype="INT64", shape=(-1,)),
    TensorSpec(name="torque", datatype="FP64", shape=(-1,)),
    TensorSpec(name="tool_wear", datatype="INT64", shape=(-1,)),
)
_LABEL = TensorSpec(name="label", datatype="BOOL", shape=(-1,), labels=(False, True))
_PROBABILITIES = TensorSpec(name="probabilities", datatype="FP64", shape=(-1, 2), labels=(False, True))


@pytest.fixture
def processing() -> Maintenance:
    return Maintenance(Signature(inputs=_INPUTS, outputs=(_LABEL, _PROBABILITIES)), None)


def test_clients_send_six_readings_and_get_a_verdict_and_its_probability(processing: Maintenance) -> None:
    public = processing.signature()

    assert public.inputs == _INPUTS
    assert [(spec.name, spec.datatype, spec.shape) for spec in public.outputs] == [
        ("failure", "BOOL", (-1,)),
        ("failure_probability", "FP64", (-1,)),
    ]


def test_the_verdict_is_the_models_and_the_probability_that_of_failing(
    processing: Maintenance, trained_maintenance: TrainedModel
) -> None:
    rows = trained_maintenance.sample.iloc[:2].assign(
        torque=[40.0, 75.0], rotational_speed=[1500, 1300], tool_wear=[5, 210]
    )
    inputs = {str(name): rows[name].to_numpy() for name in rows}
    model = trained_maintenance.model

    assert processing.preprocess(inputs) == inputs
    outputs = {"label": model.predict(rows), "probabilities": model.predict_proba(rows)}
    answer = processing.postprocess(outputs, inputs)

    assert list(answer) == ["failure", "failure_probability"]
    assert answer["failure"].dtype == np.bool_
    assert answer["failure"].tolist() == [False, True]
    assert answer["failure_probability"].tolist() == outputs["probabilities"][:, 1].tolist()
    assert answer["failure_probability"].flags.c_contiguous


@pytest.mark.parametrize(
    ("types", "sentence"),
    [
        (["X"], 'product_type must be one of H, L, M; row 0 has "X"'),
        (["L", "M", "l"], 'product_type must be one of H, L, M; row 2 has "l"'),
        (["H", ""], 'product_type must be one of H, L, M; row 1 has ""'),
        ([None], "product_type must be one of H, L, M; row 0 has null"),
        (["Größe"], 'product_type must be one of H, L, M; row 0 has "Größe"'),
        (['"\n'], 'product_type must be one of H, L, M; row 0 has "\\"\\n"'),
        (["x" * 10_000], f'product_type must be one of H, L, M; row 0 has "{"x" * 20}..."'),
    ],
    ids=["unknown", "lower case", "empty", "missing", "not ASCII", "control characters", "very long"],
)
def test_an_unknown_product_type_is_refused_in_one_sentence(
    processing: Maintenance, types: list[str | None], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        processing.preprocess({"product_type": np.array(types, dtype=object)})

    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "outputs",
    [
        (_LABEL,),
        (_LABEL, _PROBABILITIES.model_copy(update={"labels": ("no", "yes")})),
        (_LABEL, _PROBABILITIES.model_copy(update={"labels": None})),
    ],
    ids=["no probabilities", "other classes", "no classes"],
)
def test_a_model_that_is_no_classifier_of_true_and_false_is_refused(outputs: tuple[TensorSpec, ...]) -> None:
    with pytest.raises(ArtifactError, match="whose classes are false and true"):
        Maintenance(Signature(inputs=_INPUTS, outputs=outputs), None)


def test_the_platform_knows_it_by_name() -> None:
    assert processing_class("maintenance") is Maintenance
