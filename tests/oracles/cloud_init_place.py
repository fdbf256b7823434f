"""Sets the time zone that user-data says: cloud_init_place.py FILE, in a namespace whose /etc may be written to.

Runs cloud-init's own module for it, with its own class of the distribution.
"""

import logging
import sys

import yaml
from cloudinit import distros, helpers
from cloudinit.config import cc_timezone


class Cloud:
    """As much of cloud-init's own as the module asks for."""

    distro = distros.fetch("debian")("debian", {}, helpers.Paths({"run_dir": "/run/c", "cloud_dir": "/run/c"}))


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        config = yaml.safe_load(file)
    cc_timezone.handle("timezone", config, Cloud(), logging.getLogger(), [])


main()
