"""What the benches share: running a program, waiting with a limit, reading a generated script's variables, emulating a machine."""
import functools
import pathlib
import re
import subprocess
import time

# Without KVM. Measured: a processor with every feature costs a third more, because the guest's programs then use vector
# instructions, which are slow to emulate.
EMULATED = ("-accel", "tcg,thread=multi", "-cpu", "qemu64,-svm")


class Failed(Exception):
    """A test's expectation does not hold."""


def run(*words, **options):
    options.setdefault("check", True)
    options.setdefault("text", True)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    try:
        return subprocess.run([str(word) for word in words], **options).stdout
    except subprocess.CalledProcessError as problem:
        raise Failed("%s: %s" % (" ".join(str(w) for w in words[:6]), (problem.stdout or "").strip()[-600:])) from None


def wait(seconds, what, ready, pause=0.2):
    end = time.monotonic() + seconds
    while True:
        value = ready()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("%s: not within %d s" % (what, seconds))
        time.sleep(pause)


def variables(script):
    """The variable block of a generated script, as bash reads it."""
    block = script.split("# ---- common", 1)[0]
    names = re.findall(r"^([A-Z_]+)=", block, re.M)
    show = "set +u\n" + "".join('printf "%%s\\0" "%s" "${#%s[@]}" "${%s[@]}"\n' % (n, n, n) for n in names)
    words = run("bash", "-c", block + show).split("\0")
    values = {}
    while len(words) > 1:
        name, count = words[0], int(words[1])
        values[name], words = words[2:2 + count], words[2 + count:]
    return values


@functools.cache
def emulator():
    """The path of the qemu that machines run under; it is fetched where that has not been done yet. Asked once in a run: where it
    cannot be had, each time would try the network again.
    """
    recipe = pathlib.Path(__file__).resolve().parent / "emulator"
    return subprocess.run([recipe], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
