"""Plants what user-data says: cloud_init_plants.py FILE, in a namespace whose /etc and the rest may be written to.

Runs cloud-init's own modules `bootcmd` and `write_files`, in the order in which its first network stage has them. Prints a line
for each private key, as it lies there when its bytes are written and its mode is not set yet: PATH FILE-MODE FOLDER-MODE.
"""

import logging
import os
import sys
import types

import yaml
from cloudinit import util
from cloudinit.config import cc_bootcmd, cc_write_files

set_mode = util.chmod


def mode(path):
    return "%04o" % (os.stat(path).st_mode & 0o7777)


def look_and_set_mode(path, real_mode):
    if os.path.isfile(path):
        with open(path, "rb") as file:
            if b"PRIVATE KEY" in file.read():
                print(path, mode(path), mode(os.path.dirname(path)))
    set_mode(path, real_mode)


def main():
    os.umask(0o022)
    util.chmod = look_and_set_mode
    with open(sys.argv[1], encoding="ascii") as file:
        config = yaml.safe_load(file)
    cloud = types.SimpleNamespace(
        get_instance_id=lambda: "instance", distro=types.SimpleNamespace(default_owner="root:root")
    )
    log = logging.getLogger()
    cc_bootcmd.handle("bootcmd", config, cloud, log, [])
    cc_write_files.handle("write_files", config, cloud, log, [])


main()
