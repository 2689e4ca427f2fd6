"""What the Terraform files of a server say."""

import re
from pathlib import Path
from typing import Any

import hcl2

_META = {"count", "depends_on", "lifecycle"}


def _plain(value: Any) -> Any:
    """A parsed value without the parser's marks."""
    if isinstance(value, dict):
        return {_plain(name): _plain(inner) for name, inner in value.items() if not name.startswith("__")}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


class TerraformFiles:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.tf")}
        self._documents = [_plain(hcl2.loads(text)) for text in self.texts.values()]
        self.variables = {name: body for each in self._all("variable") for name, body in each.items()}
        self.outputs = {name: body for each in self._all("output") for name, body in each.items()}
        self.locals = {name: value for each in self._all("locals") for name, value in each.items()}

    def blocks(self, kind: str) -> dict[str, dict[str, Any]]:
        """Every resource, or every data source, by type and name."""
        return {
            f"{type_name}.{name}": body
            for each in self._all(kind)
            for type_name, inner in each.items()
            for name, body in inner.items()
        }

    def resource(self, place: str) -> dict[str, Any]:
        return self.blocks("resource")[place]

    def unknown_arguments(self, legal: dict[str, Any]) -> list[str]:
        """Arguments that the provider does not have."""
        return [
            wrong
            for kind in ("resource", "data")
            for place, body in self.blocks(kind).items()
            for wrong in _unknown(body, legal[place.split(".")[0]], place)
        ]

    def dangling_references(self) -> set[str]:
        """References to what is declared nowhere, and variables that nothing refers to."""
        code = "\n".join(re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE) for text in self.texts.values())
        declared = {*self.blocks("resource"), *(f"data.{place}" for place in self.blocks("data"))}
        used = set(re.findall(r"\b(?:data\.)?aws_\w+\.\w+", code))
        variables = {f"var.{name}" for name in self.variables} ^ set(re.findall(r"\bvar\.\w+", self.texts["main.tf"]))
        local_values = set(re.findall(r"\blocal\.(\w+)", code)) ^ set(self.locals)
        return (used - declared) | variables | local_values

    def limits(self, variable: str) -> list[str]:
        """The numbers and texts in the condition of a variable."""
        (validation,) = self.variables[variable]["validation"]
        return re.findall(r'(?<![\w"])\d+|"\w+"', validation["condition"])

    def _all(self, kind: str) -> list[dict[str, Any]]:
        return [each for document in self._documents for each in document.get(kind, [])]


def _unknown(body: dict[str, Any], legal: dict[str, Any], where: str) -> list[str]:
    wrong = []
    for name, value in body.items():
        if name == "dynamic":
            for each in value:
                for block, inner in each.items():
                    wrong += _unknown({block: inner["content"]}, legal, where)
        elif name not in legal and name not in _META:
            wrong.append(f"{where}.{name}")
        elif legal.get(name):
            for each in value:
                wrong += _unknown(each, legal[name], f"{where}.{name}")
    return wrong
