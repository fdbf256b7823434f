"""Says what cloud-init itself thinks of user-data files: cloud_init_schema.py FILE...

Runs `cloud-init schema --config-file FILE` for each file inside one process, because the import is what costs time.
Prints a line per objection, prefixed with the file, and exits 1 if there is one. Three things are objections here
that cloud-init lets pass or that it only mentions:

* a deprecated key: a later cloud-init may refuse it;
* an unknown key at the top level: the schema is open there until 23.4, so a misspelt module is silently ignored;
* a file that is not read as cloud-config at all.

What a file in gzip unpacks to by cloud-init's own means, as it does with user-data, is left beside it as FILE.plain.
"""

import contextlib
import io
import sys

import yaml
from cloudinit.cmd.main import main as cloud_init
from cloudinit.config.schema import get_schema
from cloudinit.user_data import convert_string


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


def plain(path):
    """The path of the file as text."""
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"\x1f\x8b"):
        return path
    with open(path + ".plain", "wb") as file:
        file.write(convert_string(data).get_payload(decode=True))
    return path + ".plain"


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
        for objection in objections(plain(path), known):
            found += 1
            print(f"{path}: {objection}")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
