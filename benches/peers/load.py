"""Only loads every profile of a site with the pure Python reader, as cloud-init on 18.04 does: load.py SITE"""

import pathlib
import sys

import yaml

for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    for _ in yaml.load_all(path.read_text(), yaml.SafeLoader):
        pass
