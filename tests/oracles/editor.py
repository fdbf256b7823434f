"""What an editor with yaml-language-server shows: editor.py SERVER WORKSPACE <JOB

The job: {"schemas": {schema's path: glob}, "file": path, "text": …, "at": [line, column] or null}, places from 0. The
answer: {"diagnostics": [[line, message], …], "labels": [completion, …]}. The server is spoken to over stdio (LSP 3.17).
"""

import json
import pathlib
import subprocess
import sys


class Server:
    def __init__(self, program, settings):
        self.process = subprocess.Popen([program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.settings = settings
        self.number = 0
        self.diagnostics = None

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def read(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            sys.exit("the server has ended")
        message = json.loads(self.process.stdout.read(length))
        if "method" in message and "id" in message:
            self.send({"id": message["id"], "result": self.answer(message)})
        elif message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics = message["params"]["diagnostics"]
        return message

    def answer(self, message):
        if message["method"] != "workspace/configuration":
            return None
        return [self.settings.get(item.get("section"), {}) for item in message["params"]["items"]]

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def request(self, method, params):
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        while True:
            message = self.read()
            if message.get("id") == self.number and "method" not in message:
                return message.get("result")


def main():
    program, workspace = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    job = json.load(sys.stdin)
    yaml = {"schemas": job["schemas"], "schemaStore": {"enable": False}, "validate": True, "completion": True}
    server = Server(program, {"yaml": yaml})
    folder = {"uri": workspace.as_uri(), "name": "site"}
    abilities = {"workspace": {"configuration": True, "workspaceFolders": True}}
    server.request(
        "initialize",
        {"processId": None, "rootUri": folder["uri"], "workspaceFolders": [folder], "capabilities": abilities},
    )
    server.notify("initialized", {})
    server.notify("workspace/didChangeConfiguration", {"settings": {"yaml": yaml}})
    uri = (workspace / job["file"]).as_uri()
    document = {"uri": uri, "languageId": "yaml", "version": 1, "text": job["text"]}
    labels = []
    server.notify("textDocument/didOpen", {"textDocument": document})
    while server.diagnostics is None:
        server.read()
    if job["at"]:
        line, column = job["at"]
        place = {"line": line, "character": column}
        found = server.request("textDocument/completion", {"textDocument": {"uri": uri}, "position": place})
        labels = [item["label"] for item in found["items"]]
    diagnostics = [[each["range"]["start"]["line"], each["message"]] for each in server.diagnostics]
    print(json.dumps({"diagnostics": diagnostics, "labels": labels}))
    server.process.kill()


main()
