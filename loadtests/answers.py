# SPDX-License-Identifier: Apache-2.0
"""Whether an answer is right: in form, in what is known of its values, and by the model's earlier answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isnan, nan
from typing import TYPE_CHECKING, Final

from loadtests.payloads.inference_answer import InferenceAnswer, UnreadableAnswerError, read_grpc, read_rest
from loadtests.payloads.outputs import Output
from loadtests.payloads.tensors import EncodedRequest, ExpectedTensor, InferenceRequest, Value

if TYPE_CHECKING:  # what judges answers needs no gevent
    from loadtests.transports.reply import Reply

#: Below this absolute difference two numbers are equal, however small they are.
_ABSOLUTE_TOLERANCE: Final = 1e-12

#: By how much a model's answers to one request may differ, relatively and absolutely, where the datatype is a coarse
#: one: its sums come out otherwise with another batch or another number of threads.
_NOISE: Final[Mapping[str, tuple[float, float]]] = {"FP32": (1e-4, 1e-6), "FP16": (1e-2, 1e-3)}

_JSON_LENGTH_HEADER: Final = "inference-header-content-length"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    Attributes:
        version: The model's version that answered; "" where there is none.
        problem: None when the answer is right; else what is wrong, the same text for the same cause.
    """

    version: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    """A right answer of one version: its last bytes, and the values of the first."""

    body: bytes
    json_length: str | None
    values: InferenceAnswer
    answer: Answer


class AnswerCheck:
    """Checks the answers of a run."""

    def __init__(self, outputs: Sequence[Output] = ()) -> None:
        """Remember what is known of the outputs.

        Args:
            outputs: The outputs that every answer must have; it may have others too.
        """
        self._outputs = tuple(outputs)
        self._known: dict[EncodedRequest, dict[str, _Known]] = {}

    def read(self, encoded: EncodedRequest, reply: "Reply") -> Answer:
        """Return what an answer tells; where there is none, the problem is the reply's code.

        The values must be those that the request expects, within its tolerance, and those that the same version gave
        to the same encoded request before. An answer whose bytes were right before is not read again.
        """
        if not reply.ok:
            return Answer("", reply.code)
        json_length = reply.headers.get(_JSON_LENGTH_HEADER)
        known_of = self._known.setdefault(encoded, {})
        for known in known_of.values():
            if known.body == reply.body and known.json_length == json_length:
                return known.answer
        try:
            values = read_grpc(reply.body) if encoded.protocol == "grpc" else read_rest(reply.body, json_length)
        except UnreadableAnswerError as err:
            return Answer("", f"wrong answer: {err}")
        earlier = known_of.get(values.version)
        problem = self._problem(encoded, values) or (
            earlier and _inconsistency(encoded.request, values, earlier.values)
        )
        if problem:
            return Answer(values.version, f"wrong answer: {problem}")
        answer = Answer(values.version, None)
        known_of[values.version] = _Known(reply.body, json_length, earlier.values if earlier else values, answer)
        return answer

    def _problem(self, encoded: EncodedRequest, answer: InferenceAnswer) -> str | None:
        if answer.model != encoded.model:
            return "it is another model's"
        if encoded.version is not None and answer.version != encoded.version:
            return "it is another version's"
        for output in self._outputs:
            problem = _output_problem(output, answer.outputs.get(output.name), encoded.request.rows)
            if problem:
                return problem
        for want in encoded.request.expected or ():
            problem = _difference(want, answer.outputs.get(want.name), encoded.request.tolerance)
            if problem:
                return problem
        return None


def _output_problem(output: Output, got: ExpectedTensor | None, rows: int) -> str | None:
    if got is None:
        return f"{output.name} is missing"
    if got.datatype != output.datatype:
        return f"{output.name} is {got.datatype} instead of {output.datatype}"
    if not output.fits(got.shape, rows):
        return f"{output.name} has another shape than asked for"
    values = got.data or ()
    if output.categories and not set(values) <= set(output.categories):
        return f"{output.name} is none of {', '.join(map(str, output.categories))}"
    if output.bounded and not all(output.low <= _number(value) <= output.high for value in values):
        return f"{output.name} is not from {output.low:g} to {output.high:g}"
    return None


def _difference(want: ExpectedTensor, got: ExpectedTensor | None, tolerance: float) -> str | None:
    if got is None:
        return f"{want.name} is missing"
    if got.datatype != want.datatype:
        return f"{want.name} is {got.datatype} instead of {want.datatype}"
    if got.shape != want.shape:
        return f"{want.name} has another shape than the known answer"
    if want.data is not None and not _equal(want.data, got.data, want.datatype, tolerance, _ABSOLUTE_TOLERANCE):
        return f"{want.name} differs from the known answer"
    return None


def _inconsistency(request: InferenceRequest, answer: InferenceAnswer, earlier: InferenceAnswer) -> str | None:
    if answer.outputs.keys() != earlier.outputs.keys():
        return f"other outputs than an earlier answer of version {answer.version}"
    for name, one in earlier.outputs.items():
        other = answer.outputs[name]
        relative, absolute = _NOISE.get(one.datatype, (0.0, _ABSOLUTE_TOLERANCE))
        if (one.datatype, one.shape) != (other.datatype, other.shape) or not _equal(
            one.data, other.data, one.datatype, max(relative, request.tolerance), absolute
        ):
            return f"{name} differs from an earlier answer of version {answer.version}"
    return None


def _equal(
    one: tuple[Value, ...] | None, other: tuple[Value, ...] | None, datatype: str, relative: float, absolute: float
) -> bool:
    """Return whether values of the same number are equal, floats within the tolerances."""
    if one == other:
        return True
    if not datatype.startswith("FP") or one is None or other is None:
        return False
    return all(
        isclose(first, second, rel_tol=relative, abs_tol=absolute) or (isnan(first) and isnan(second))
        for first, second in zip(map(_number, one), map(_number, other), strict=True)
    )


def _number(value: Value) -> float:
    """Return a number of an output; JSON writes NaN as a null."""
    return nan if value is None else float(value)
