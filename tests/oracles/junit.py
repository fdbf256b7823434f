"""What a reader of JUnit XML sees: standard input is a JSON list of documents, standard output a list of what is in each.

Beyond well-formedness this holds the documents to what readers rely on: the counts in the attributes are those of the elements,
and a test case has one outcome.
"""

import json
import sys
import xml.etree.ElementTree

answers = []
for text in json.load(sys.stdin):
    root = xml.etree.ElementTree.fromstring(text)
    assert root.tag == "testsuites", root.tag
    cases = []
    for suite in root:
        assert suite.tag == "testsuite" and suite.get("name"), suite.tag
        for element in (root, suite):
            assert int(element.get("tests")) == len(element.findall(".//testcase")), text
            assert int(element.get("failures")) == len(element.findall(".//failure")), text
        for case in suite:
            assert case.tag == "testcase" and case.get("name") and case.get("classname"), text
            outcome = [child.tag for child in case]
            assert outcome in ([], ["failure"], ["system-out"]), outcome
            failure = case.find("failure")
            cases.append({
                "file": case.get("file"),
                "name": case.get("name"),
                "outcome": outcome[0] if outcome else "passed",
                "message": None if failure is None else failure.get("message"),
                "text": "".join(case.itertext()).strip(),
            })
    assert len({(case["file"], case["name"]) for case in cases}) == len(cases), text
    answers.append(cases)
json.dump(answers, sys.stdout)
