"""What is wrong in a site file, and where: values that print as one line each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """
    One mistake, or one warning.

    :ivar file: the file that says it, as the person who started the program called it
    :ivar line: the line in it, from 1; 0 when the whole file is meant
    :ivar section: the title without brackets, for instance ``pool app``; empty outside of sections
    :ivar key: the key; empty when the section as a whole is meant
    :ivar reason: what is wrong
    :ivar remedy: what to write instead; possibly empty
    """

    file: str
    line: int
    section: str
    key: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        section = f" [{self.section}]" if self.section else ""
        key = f" {self.key}" if self.key else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}{section}{key}: {self.reason}{remedy}"


class ConfigError(Exception):
    """A site cannot be used; :attr:`errors` are all the reasons, in the order of the files and lines."""

    def __init__(self, errors: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class BadValue(ValueError):
    """The text of one value cannot be understood."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}; {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy
