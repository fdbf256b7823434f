"""A NoCloud image of each host folder with pycdlib: seed_iso.py OUT FOLDER..."""

import pathlib
import sys

import pycdlib

out = pathlib.Path(sys.argv[1])
out.mkdir()
for number, folder in enumerate(sys.argv[2:]):
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for name, short in (("user-data", "USERDATA"), ("meta-data", "METADATA"), ("network-config", "NETWORK")):
        path = str(pathlib.Path(folder) / name)
        iso.add_file(path, f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    iso.write(str(out / f"{number}.iso"))
    iso.close()
