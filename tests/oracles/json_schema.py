"""What JSON Schemas say of documents.

Standard input: {"schemas": {NAME: SCHEMA or null}, "jobs": [[NAME, DOCUMENT], ...]}. A schema that is null is NAME.json of the
folder given as argument. Standard output: for each job the list of its errors, [] for a document that fits.
"""

import json
import os
import sys

import jsonschema

folder = sys.argv[1]
request = json.load(sys.stdin)
validators = {}
for name, schema in request["schemas"].items():
    if schema is None:
        with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
            schema = json.load(file)
    validator = jsonschema.validators.validator_for(schema, jsonschema.Draft7Validator)
    validator.check_schema(schema)
    validators[name] = validator(schema)

answers = []
for name, document in request["jobs"]:
    errors = validators[name].iter_errors(document)
    answers.append(["/".join(map(str, error.absolute_path)) + ": " + error.message[:300] for error in errors])
json.dump(answers, sys.stdout)
