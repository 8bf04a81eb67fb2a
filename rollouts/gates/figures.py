# SPDX-License-Identifier: Apache-2.0
"""Figures as the gates' lines have them."""

from typing import Final

_MILLISECONDS: Final = 1000.0
_WHOLE: Final = 100


def percent(share: float) -> str:
    """Return a share in per cent, with two digits or, from 10 % on, up to one decimal: ``5.1 %``, ``0.017 %``."""
    value = share * 100
    text = f"{value:.1f}".removesuffix(".0") if abs(value) >= 10 else f"{value:.2g}"  # noqa: PLR2004
    return f"{_plain(text)} %"


def milliseconds(seconds: float) -> str:
    """Return a duration with three digits: ``52.3 ms``, ``0.412 ms``."""
    return f"{number(seconds * _MILLISECONDS)} ms"


def number(value: float) -> str:
    """Return a number with three digits, or all those before the point: ``1.24``, ``5,310``."""
    return f"{value:,.0f}" if abs(value) >= _WHOLE else _plain(f"{value:.3g}")


def _plain(text: str) -> str:
    """Return a number as it is written without an exponent."""
    return f"{float(text):.10f}".rstrip("0").rstrip(".") if "e" in text else text
