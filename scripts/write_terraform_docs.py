"""Writes the tables of variables and outputs into the READMEs of the terraform modules, from their own descriptions.

python scripts/write_terraform_docs.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hcl2

MODULES = Path(__file__).parent.parent / "terraform" / "modules"
MARK = "<!-- Below this: python scripts/write_terraform_docs.py -->\n"


def readme(module: Path) -> str:
    """The module's README: what people wrote above the mark, and the tables."""
    written, mark, _ = (module / "README.md").read_text().partition(MARK)
    assert mark, f"{module.name}/README.md lacks the mark"
    variables = [f"| `{name}` | {_default(one)} | {_cell(one)} |" for name, one in _blocks(module, "variable")]
    outputs = [f"| `{name}` | {_cell(one)} |" for name, one in _blocks(module, "output")]
    return (
        f"{written}{MARK}\n| Variable | Default | |\n|---|---|---|\n"
        + "\n".join(variables)
        + "\n\n| Output | |\n|---|---|\n"
        + "\n".join(outputs)
        + "\n"
    )


def _blocks(module: Path, kind: str) -> list[tuple[str, dict[str, Any]]]:
    with (module / f"{kind}s.tf").open() as file:
        read: dict[str, Any] = hcl2.load(file)
    return [(name.strip('"'), block) for group in read.get(kind, []) for name, block in group.items()]


def _default(variable: dict[str, Any]) -> str:
    if "default" not in variable:
        return "needed"
    value = variable["default"]
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, int | float) else f"`{str(value).strip(chr(34)) or chr(34) * 2}`"


def _cell(block: dict[str, Any]) -> str:
    return str(block["description"]).strip('"').replace("|", "\\|").replace('\\"', '"')


if __name__ == "__main__":
    for folder in sorted(MODULES.iterdir()):
        (folder / "README.md").write_text(readme(folder))
