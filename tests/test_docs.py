"""The pages in docs/: commands and options exist, links lead somewhere, codes are explained as the code does."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from infra.cli import app
from schemas.errors import ErrorCode

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
PROGRAM: Any = typer.main.get_command(app)


def commands_in(text: str) -> set[str]:
    """What stands in fences, indented, or in backticks, and begins with `onhand `."""
    fences = re.findall(r"^```sh[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^(onhand [^#\n]*?)(?:\s+#.*)?$", "".join(fences), re.MULTILINE)
    lines += re.findall(r"^ {4}(onhand [^#\n]*?)(?:\s+#.*)?$", text, re.MULTILINE)
    return {*lines, *re.findall(r"`(onhand [^`]*)`", text)}


def anchors_of(page: Path) -> set[str]:
    """What a link may name behind `#`, as GitHub makes it of the titles."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


COMMANDS = sorted({(page.name, line) for page in PAGES for line in commands_in(page.read_text("utf-8"))})


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_in_the_docs_exists_with_its_options(page: str, line: str) -> None:
    del page
    words = shlex.split(line.replace("\\", " ").partition(" > ")[0].partition(" | ")[0].replace("…", " "))[1:]
    command = PROGRAM
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, line
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    named = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert named <= {*options, "--help"}, line


def links_of(page: Path) -> list[tuple[Path, str]]:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text("utf-8"))
    return [((page.parent / path).resolve() if path else page, anchor) for path, anchor in links]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in links_of(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors_of(target), f"{target.name}#{anchor}"


def test_codes_are_explained_in_the_words_that_people_get() -> None:
    known = {code.value: f"| {code.meaning} | {code.hint} |" for code in ErrorCode}
    rows = [
        row
        for page in PAGES
        for row in re.findall(r"^\| `([A-Z_]+)` (\| .* \| .* \|)$", page.read_text("utf-8"), re.MULTILINE)
        if row[0] in known
    ]
    assert len(rows) > len(known)
    assert [row for row in rows if known[row[0]] != row[1]] == []
