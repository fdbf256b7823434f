"""Reads YAML documents with one PyYAML and prints the values with their types.

    yaml_values.py 3.12|6|6c  <JOBS  >VALUES

JOBS is a JSON list of base64 documents, VALUES a JSON list of the same length. Each entry is `{"value": V}` or
`{"error": TEXT}`; V is a pair of a type name and the value in a form that JSON keeps exactly: `["str", "yes"]`,
`["bool", true]`, `["int", "41135085296"]`, `["float", "1.5"]`, `["null", null]`, `["list", [V...]]`,
`["map", [[V, V]...]]` in document order. Anything else that YAML 1.1 makes of a bare word (a date, a set, bytes) comes
under the name of its Python type and so never equals what was meant.
"""

import base64
import collections
import collections.abc
import json
import sys

# PyYAML 3.12 is from 2016 and looks where Python kept this name until 3.10.
collections.Hashable = collections.abc.Hashable

import yaml  # noqa: E402  (only importable after the line above)


def loader(which):
    base = {"3.12": "SafeLoader", "6": "SafeLoader", "6c": "CSafeLoader"}[which]
    assert yaml.__version__.split(".")[0] == which[0], f"asked for {which}, found {yaml.__version__}"

    class OneOfEachKey(getattr(yaml, base)):
        """PyYAML takes the last of several equal keys without a word; here they are an error."""

        def construct_mapping(self, node, deep=False):
            seen = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"key {key!r} twice", key_node.start_mark)
                seen.add(key)
            return super().construct_mapping(node, deep)

    return OneOfEachKey


def tagged(value):
    if value is None:
        return ["null", None]
    kind = type(value)
    if kind is bool or kind is str:
        return [kind.__name__, value]
    if kind is int or kind is float:
        return [kind.__name__, repr(value)]
    if kind is list:
        return ["list", [tagged(item) for item in value]]
    if kind is dict:
        return ["map", [[tagged(key), tagged(item)] for key, item in value.items()]]
    return [kind.__name__, repr(value)]


def read(document, loader_class):
    reader = loader_class(document)
    try:
        return reader.get_single_data()
    finally:
        reader.dispose()


def main(which):
    loader_class = loader(which)
    answers = []
    for job in json.load(sys.stdin):
        try:
            answers.append({"value": tagged(read(base64.b64decode(job), loader_class))})
        except yaml.YAMLError as error:
            answers.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
