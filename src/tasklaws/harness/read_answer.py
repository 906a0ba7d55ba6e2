"""Answers read as people would: out of prose and markup, where `exact_match` takes the text to the character.

A reading picks one answer by rules that do not know which is right, and only then is it compared. They, and what they
get wrong, stand in custom_tasks/README.md.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from tasklaws.harness.read_program import said

VERSION = 1.0
"""Of the rules here and in read_program.py: another wherever a response may be read otherwise."""

_MATH_DELIMITERS = re.compile(r"\\[()\[\]]|\$\$?")
_LATEX = (
    (re.compile(r"\{,\}|\\,"), ","),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|texttt|mathtt)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (_MATH_DELIMITERS, " "),
)
_EMPHASIS = re.compile(
    r"(?<![\w)*])\*{1,3}(?=\S)([^*\n]*?\S)\*{1,3}(?![\w(*])|(?<!\w)_{1,2}(?=[^\s_])([^_\n]*?[^\s_])_{1,2}(?!\w)"
)
_BOXED = re.compile(r"\\boxed\s*\{([^{}]*)\}")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_MARKED = re.compile(
    r"(?:\banswer\b[^.\n=:]{0,60}?(?:\bis\b|\bwas\b|[:=])|^#{4} )(?P<rest>[^\n]*(?:\n+[^\n]+)?)", re.I | re.M
)
_NEGATED = re.compile(
    r"(?:\bnot|n't|\bnever|≠|!=|\brather than|\binstead of)\s+(?:(?:be|equal|to|simply|just)\s+)*$", re.IGNORECASE
)
_TERM_BEFORE = re.compile(r"(?:\b[A-Za-z]|[\d)\]}])\s*[-+*/^×·÷−]\s*$")
_TERM_AFTER = re.compile(r"\s*(?:[+*/^×·÷−]\s*[\w(]|-\s*[\d(])")
_NUMBERED = re.compile(r"\b(?:step|line|part|case|example|option|method|equation)\s+$", re.IGNORECASE)
_JOINED = re.compile(r",?\s+(?:or|and|to|through)\s+|\s*[–~]\s*")
_AROUND = " \t\r\"'`“”‘’«»*_#.,:;!=()[]{}"
_NUMERAL = (
    r"(?<!\w)(?<!\d[.,])(?:(?<![\w)\]])[-+−])?"
    r"(?:\d{1,3}(?:[,_'\u2009\u202f\u00a0]\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}|\d+(?:\.\d+)?(?:e[-+]?\d{1,2})?)"
    r"(?!\w|[.,]\d)"
)


def is_answer(response: str, answer: str, question: str = "") -> bool:
    r"""Whether the answer that a person would read in a response is the right one.

    The first line is it where it holds nothing else. Otherwise it is what stands in the last \boxed{}, else behind the
    last "answer is" or "####", else the last one alone in bold, else the last one of the text. Left out are terms of a
    calculation, numbers of steps, what is negated, and, where there are others, those that the `question` has. Two
    different ones joined by "or", "and" or "to" are none.
    """
    text = _plain(said(response).strip())
    reader = _Reader.of(answer, question)
    first = _plainer(text).strip().split("\n")[0]
    if (alone := reader.alone(first)) is not None:
        return alone == reader.right
    if boxes := _BOXED.findall(text):
        return reader.one(boxes[-1]) == reader.right
    marked = [rest for found in _MARKED.finditer(_plainer(text)) if (rest := reader.one(found["rest"])) is not None]
    if marked:
        return marked[-1] == reader.right
    bold = [one for found in _BOLD.findall(text) if (one := reader.alone(found)) is not None]
    return (bold[-1] if bold else reader.one(_plainer(text), last=True)) == reader.right


def is_printed(output: str, answer: str, question: str = "") -> bool:
    """Whether the last answer in what a program printed is the right one; left out is what `is_answer` leaves out."""
    reader = _Reader.of(answer, question)
    return reader.one(output, last=True) == reader.right


def _plain(text: str) -> str:
    for pattern, written in _LATEX:
        text = pattern.sub(written, text)
    return text


def _plainer(text: str) -> str:
    return _EMPHASIS.sub(lambda found: found[1] or found[2], text)


@dataclass(frozen=True)
class _Reader:
    """Finds what may be an answer: texts of the same form as the right one, compared by their `value`."""

    form: re.Pattern[str] | None
    value: Callable[[str], object]
    right: object
    asked: frozenset[object]

    @classmethod
    def of(cls, answer: str, question: str) -> Self:
        value: Callable[[str], object] = str
        if re.fullmatch(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", answer):
            form, value = _NUMERAL, _number
        elif re.fullmatch(r"[0-9a-f]{16,}", answer):
            form, value = rf"(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{{{len(answer)}}}(?![0-9A-Za-z])", _digest
        elif re.fullmatch(r"\d+", answer):
            form = rf"(?<![\w.,])\d{{{len(answer)}}}(?!\w|[.,]\d)"
        elif re.fullmatch(r"[A-Z]+", answer):
            form = r"(?<!\w)(?<!\w['’])(?!(?:A|I)\s+[a-z]|I['’])[A-Z]+(?!\w)"
        else:
            return cls(None, value, answer.strip(_AROUND), frozenset())
        pattern = re.compile(form)
        return cls(pattern, value, value(answer), frozenset(value(found[0]) for found in pattern.finditer(question)))

    def alone(self, line: str) -> object | None:
        """The answer that is all of a line, but for what may stand around it."""
        bare = line.strip(_AROUND)
        if self.form is None:
            return bare if bare == self.right else None
        return self.value(bare) if self.form.fullmatch(bare) else None

    def one(self, text: str, last: bool = False) -> object | None:
        """The first answer of a text, or the last one; None where there is none, or two in its place."""
        if self.form is None:
            lines = [line for line in text.split("\n") if line.strip(_AROUND)]
            return lines[-1 if last else 0].strip(_AROUND) if lines else None
        found = [one for one in self.form.finditer(text) if not _is_in_passing(text, one)]
        new = [one for one in found if self.value(one[0]) not in self.asked]
        if not found:
            return None
        chosen = (new or found)[-1 if last or not new else 0]
        for before, after in itertools.pairwise(found):
            joined = chosen in (before, after) and _JOINED.fullmatch(text, before.end(), after.start())
            if joined and self.value(before[0]) != self.value(after[0]):
                return None
        return self.value(chosen[0])


def _is_in_passing(text: str, found: re.Match[str]) -> bool:
    """Whether an answer is negated, a term of a calculation, or the number of a step."""
    before, line = text[max(found.start() - 40, 0) : found.start()], text.rfind("\n", 0, found.start())
    if _NEGATED.search(before) or _TERM_BEFORE.search(before) or _NUMBERED.search(before):
        return True
    is_of_list = line >= 0 and not text[line : found.start()].strip() and re.match(r"[.)]\s+\S", text[found.end() :])
    return bool(_TERM_AFTER.match(text, found.end()) or is_of_list)


def _number(text: str) -> object:
    """A number's value, however it is written; with zeros before it, which no number has, the text."""
    number = re.sub(r"[,_'\u2009\u202f\u00a0]", "", text).replace("−", "-")
    if number.count(".") > 1:
        number = number.replace(".", "")
    return text if re.match(r"[-+]?0\d", number) else Decimal(number)


def _digest(text: str) -> str:
    """Hexadecimal digits are a number's, and the same in capitals."""
    return text.lower().removeprefix("0x")
