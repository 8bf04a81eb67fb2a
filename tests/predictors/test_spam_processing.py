# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from pipelines.use_cases import TrainedModel
from predictors.errors import ArtifactError
from predictors.processing import processing_class
from predictors.signature import Signature, TensorSpec
from predictors.spam import SpamFilter


def _signature(labels: tuple[str, ...] | None = ("ham", "spam")) -> Signature:
    return Signature(
        inputs=(TensorSpec(name="text", datatype="BYTES", shape=(-1,)),),
        outputs=(
            TensorSpec(name="label", datatype="BYTES", shape=(-1,), labels=labels),
            TensorSpec(name="probabilities", datatype="FP64", shape=(-1, 2), labels=labels),
        ),
    )


def test_clients_send_texts_and_get_label_and_probability() -> None:
    public = SpamFilter(_signature(), None).signature()

    assert [(spec.name, spec.datatype, spec.shape) for spec in public.inputs] == [("text", "BYTES", (-1,))]
    assert [(spec.name, spec.datatype, spec.shape) for spec in public.outputs] == [
        ("label", "BYTES", (-1,)),
        ("spam_probability", "FP64", (-1,)),
    ]
    assert public.output("label").labels == ("ham", "spam")


def test_labels_are_the_models_and_the_probability_is_that_of_spam(trained_spam: TrainedModel) -> None:
    texts = np.array(["WINNER!! Claim your £900 prize, call 09061701461 now", "ok see you at home"], dtype=object)
    model = trained_spam.model
    processing = SpamFilter(_signature(), None)

    inputs = processing.preprocess({"text": texts})
    outputs = {"label": model.predict(inputs["text"]), "probabilities": model.predict_proba(inputs["text"])}
    answer = processing.postprocess(outputs, {"text": texts})

    assert list(answer) == ["label", "spam_probability"]
    assert answer["label"].tolist() == ["spam", "ham"]
    assert answer["spam_probability"].tolist() == outputs["probabilities"][:, 1].tolist()
    assert answer["spam_probability"].flags.c_contiguous
    assert answer["spam_probability"].round(1).tolist() == [1.0, 0.0]


def test_the_column_of_spam_is_found_by_its_label() -> None:
    outputs = {"label": np.array(["spam"], dtype=object), "probabilities": np.array([[0.7, 0.3]])}

    answer = SpamFilter(_signature(("spam", "ham")), None).postprocess(outputs, {})

    assert answer["spam_probability"].tolist() == [0.7]


@pytest.mark.parametrize("labels", [("ham", "phishing"), None], ids=["other classes", "no classes"])
def test_a_model_without_the_class_spam_is_refused(labels: tuple[str, ...] | None) -> None:
    with pytest.raises(ArtifactError, match='one of its classes "spam"'):
        SpamFilter(_signature(labels), None)


def test_a_model_without_probabilities_is_refused() -> None:
    signature = _signature()

    with pytest.raises(ArtifactError, match="needs a classifier with probabilities"):
        SpamFilter(Signature(inputs=signature.inputs, outputs=signature.outputs[:1]), None)


def test_the_platform_knows_it_by_name() -> None:
    assert processing_class("spam") is SpamFilter
