"""Says what cloud-init itself thinks of user-data files: cloud_init_schema.py FILE...

Runs `cloud-init schema --config-file FILE` for each file inside one process, because the import is what costs time.
Prints a line per objection, prefixed with the file, and exits 1 if there is one. Three things are objections here
that cloud-init lets pass or that it only mentions:

* a deprecated key: a later cloud-init may refuse it;
* an unknown key at the top level: the schema is open there until 23.4, so a misspelt module is silently ignored;
* a file that is not read as cloud-config at all.
"""

import contextlib
import io
import sys

import yaml
from cloudinit.cmd.main import main as cloud_init
from cloudinit.config.schema import get_schema


def module_keys(schema):
    """Every key that some module declares at the top level of a cloud-config."""
    keys = set()
    for definition in schema["$defs"].values():
        keys.update(definition.get("properties", {}))
    return keys


def verdict(path):
    """The exit code and the text of cloud-init's own command."""
    said = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = cloud_init(["cloud-init", "schema", "--config-file", path]) or 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return code, said.getvalue()


def objections(path, known):
    code, said = verdict(path)
    if code != 0:
        yield said.strip() or f"exit code {code}"
    elif not said.startswith("Valid cloud-config"):
        yield said.strip()
    elif "deprecat" in said.lower() or "invalid" in said.lower():
        yield said.strip()
    with open(path, "rb") as file:
        document = yaml.safe_load(file)
    if not isinstance(document, dict):
        yield "not a mapping"
    else:
        for key in document:
            if key not in known:
                yield f"unknown key at the top level: {key!r}"


def main(paths):
    known = module_keys(get_schema())
    found = 0
    for path in paths:
        for objection in objections(path, known):
            found += 1
            print(f"{path}: {objection}")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
