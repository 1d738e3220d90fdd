"""What was written, and where: files, variables and flags become one list of given values.

Nothing is judged here but form: is it TOML, is there such a key. Each value keeps the place that it came
from, because that place is the first thing a person needs when it is wrong.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoned.config.kinds import shown
from zoned.config.lines import KeyPath, key_lines, line_of
from zoned.config.schema import BY_DEPENDENCY_KEY, BY_PATH, SECTIONS, Key

ENV_PREFIX = "ZONED_"


@dataclass(frozen=True, slots=True)
class Given:
    """One value as written. ``text``: it came from a variable or a flag, so it is a string."""

    value: object
    origin: str
    text: bool = False


@dataclass(slots=True)
class Findings:
    """Everything that was given, in order (the last wins), and what was wrong with its form."""

    keys: dict[str, list[Given]] = field(default_factory=dict)
    dependencies: list[tuple[str, dict[str, Given]]] = field(default_factory=list)
    """(where it begins, its keys) per ``[[dependency]]``."""
    sections: dict[str, str] = field(default_factory=dict)
    """Where a section is first opened."""
    problems: list[str] = field(default_factory=list)

    def add(self, key: str, given: Given) -> None:
        """Remember one value."""
        self.keys.setdefault(key, []).append(given)


def nearest(word: str, words: Iterable[str]) -> str:
    """`` (did you mean "replicas"?)`` where a word is close enough, else what there is."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else "there are " + ", ".join(known)


def _names(section: str) -> list[str]:
    if section == "dependency":
        return list(BY_DEPENDENCY_KEY)
    return [key.name for key in BY_PATH.values() if key.section == section]


def _unknown_key(section: str, name: str) -> str:
    """Why there is no such key; a key of that very name elsewhere is the likeliest answer."""
    elsewhere = [key.path for key in BY_PATH.values() if key.name == name]
    hint = f'did you mean "{elsewhere[0]}"?' if elsewhere else nearest(name, _names(section))
    return f"{section}.{name}: unknown key; {hint}"


class _File:
    """One TOML file: its values, and the lines that they stand on."""

    def __init__(self, path: Path, text: str, data: Mapping[str, Any]) -> None:
        self._path = path
        self._lines = key_lines(text)
        self._data = data

    def place(self, *key: str | int) -> str:
        path: KeyPath = key
        return f"{self._path}:{line_of(self._lines, path)}"

    def collect(self, found: Findings) -> None:
        for section, content in self._data.items():
            if section not in SECTIONS:
                problem = f"unknown section; {nearest(section, SECTIONS)}"
                found.problems.append(f"{self.place(section)}: {section}: {problem}")
            elif section == "dependency":
                self._dependencies(content, found)
            elif not isinstance(content, dict):
                problem = f"expected a section [{section}], got {shown(content)}"
                found.problems.append(f"{self.place(section)}: {section}: {problem}")
            else:
                found.sections.setdefault(section, self.place(section))
                self._section(section, content, found)

    def _section(self, section: str, content: Mapping[str, object], found: Findings) -> None:
        for name, value in content.items():
            origin = self.place(section, name)
            if f"{section}.{name}" in BY_PATH:
                found.add(f"{section}.{name}", Given(value, origin))
            else:
                found.problems.append(f"{origin}: {_unknown_key(section, name)}")

    def _dependencies(self, content: object, found: Findings) -> None:
        if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
            problem = f"expected sections [[dependency]], got {shown(content)}"
            found.problems.append(f"{self.place('dependency')}: dependency: {problem}")
            return
        for index, item in enumerate(content):
            keys = {}
            for name, value in item.items():
                origin = self.place("dependency", index, name)
                if name in BY_DEPENDENCY_KEY:
                    keys[name] = Given(value, origin)
                else:
                    found.problems.append(f"{origin}: {_unknown_key('dependency', name)}")
            found.dependencies.append((self.place("dependency", index), keys))


def read_files(path: Path, found: Findings) -> None:
    """The main file, then ``conf.d/*.toml`` beside it by name."""
    folder = path.parent / "conf.d"
    extra = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    for file in (path, *extra):
        try:
            text = file.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except OSError as error:
            found.problems.append(f"{file}: expected a readable file, got {error.strerror or error}")
        except UnicodeDecodeError as error:
            found.problems.append(f"{file}: expected UTF-8, got byte {error.object[error.start]:#04x}")
        except tomllib.TOMLDecodeError as error:
            found.problems.append(_syntax(file, str(error)))
        else:
            _File(file, text, data).collect(found)


def _syntax(file: Path, message: str) -> str:
    """tomllib says ``Expected '=' (at line 3, column 5)``; editors want ``file:3``."""
    what, _, place = message.rpartition(" (at ")
    line = place.removeprefix("line ").split(",")[0] if place.startswith("line ") else "1"
    return f"{file}:{line}: expected TOML, got: {what or message}"


def read_env(env: Mapping[str, str], found: Findings) -> None:
    """``ZONED_<SECTION>__<KEY>``. Variables without ``__`` are for the command line."""
    for variable in sorted(env):
        section, separator, name = variable.removeprefix(ENV_PREFIX).lower().partition("__")
        if not variable.startswith(ENV_PREFIX) or not separator:
            continue
        origin = f"env {variable}"
        if section == "dependency":
            found.problems.append(f"{origin}: dependencies can only be set in a file")
        elif section not in SECTIONS:
            found.problems.append(f"{origin}: {section}: unknown section; {nearest(section, SECTIONS)}")
        elif f"{section}.{name}" not in BY_PATH:
            found.problems.append(f"{origin}: {_unknown_key(section, name)}")
        else:
            found.add(f"{section}.{name}", Given(env[variable], origin, text=True))


def read_flags(flags: Mapping[str, str], found: Findings) -> None:
    """Flags by the key that they set (``agent.zone``); a list is separated by commas."""
    for path, text in flags.items():
        key: Key | None = BY_PATH.get(path)
        if key is None:
            found.problems.append(f"flag: {_unknown_key(*path.partition('.')[::2])}")
        else:
            found.add(path, Given(text, key.flag or f"--{path}", text=True))
