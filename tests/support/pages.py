"""The pages that users read: their blocks of code, the commands in them, and the answers that they show."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/*.md")))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SHELL = ("bash", "console")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, and the number of its first line."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command of a shell block, without what joins its lines, and the output that the page shows for it, or ""."""

    text: str
    output: str = ""


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    text = read(page)
    return [Block(match[1], match[2], text.count("\n", 0, match.start(2)) + 1) for match in FENCE.finditer(text)]


def commands(block: Block) -> list[Command]:
    """Those of a shell block: each line of ```bash, each line after "$ " of ```console; `&&` parts two of them."""
    lines = re.sub(r" *\\\n *", " ", block.text).splitlines()
    if block.language == "bash":
        return [Command(part) for line in lines for part in line.split(" && ")]
    shown: list[Command] = []
    for line in lines:
        if line.startswith("$ "):
            shown.append(Command(line.removeprefix("$ ")))
        else:
            shown[-1] = Command(shown[-1].text, f"{shown[-1].output}{line}\n")
    return shown


def shell_commands(page: str) -> list[Command]:
    return [command for block in blocks(page) if block.language in SHELL for command in commands(block)]


def inline_code(page: str) -> Iterator[str]:
    """What stands between backticks in the page's prose and tables."""
    prose = FENCE.sub("", read(page)).replace("\\|", "|")
    return (re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", prose))


def keras_rnn_arguments(text: str) -> list[list[str]]:
    """The arguments of each `keras-rnn` in a line of a shell, pipes included."""
    parts = (shlex.split(part) for part in re.split(r"[|&;]+", text)) if "keras-rnn" in text else ()
    return [part[1:] for part in parts if part and part[0] == "keras-rnn"]


def matches(output: str, expected: str) -> bool:
    """Whether `output` is what a page shows, where "..." stands for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, output.strip(), re.S) is not None
