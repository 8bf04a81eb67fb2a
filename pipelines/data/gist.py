# SPDX-License-Identifier: Apache-2.0
"""When two texts are one: what is left of a text without case, punctuation and the values of numbers."""

import re


def gist(text: str) -> str:
    """Return the text in lower case, its punctuation as single spaces, and each run of digits as one 0."""
    return re.sub(r"\d+", "0", re.sub(r"\W+", " ", text.casefold())).strip()
