
# ---- common ---------------------------------------------------------------------------------------------------------
# What every stage leans on: speaking, stopping, waiting, and writing files so that a power cut leaves the old file or
# the new one.

# systemd gives a service of 18.04 no /snap/bin, no HOME and a locale that may translate what is matched below.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
export HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive
umask 022

SELF=/usr/local/sbin/lxseed-firstboot
STAGES=(preflight purge snapd lxd disks cluster verify seal)
STAGE=${STAGE:-main}

ETC=/etc/lxseed
STATE=/var/lib/lxseed
RUN=/run/lxseed
RECEIPT=$STATE/receipt.json

# Absolute, because apt's LXD of 18.04 puts a client of another version first on PATH.
LXD=/snap/bin/lxd
LXD_DIR=/var/snap/lxd/common/lxd

# How a stage ends: 0 done, TRY_AGAIN when time may mend it, NEEDS_A_PERSON when only somebody's decision can. The unit
# file names the last one too: systemd leaves the service failed then, instead of starting it again.
TRY_AGAIN=75
NEEDS_A_PERSON=78

# Members talk to each other directly. LXD up to 5.21.6 sends cluster traffic through a proxy it is told of.
no_proxy="${no_proxy:+$no_proxy,}localhost,127.0.0.1,$(IFS=,; echo "${ADDRESSES[*]}")"
export no_proxy NO_PROXY=$no_proxy

say() {
    printf 'lxseed %s %s: %s\n' "$HOST" "$STAGE" "$*"
    if [[ $EUID = 0 ]]; then
        mkdir -p "$RUN"
        printf '%s: %s\n' "$STAGE" "$*" >"$RUN/last"
    fi
}

# Something a retry may mend. The caller of the stage tries again, with growing pauses and for ever.
later() {
    trap - ERR
    say "$*; will be tried again" >&2
    tell waiting "$*" || true
    exit "$TRY_AGAIN"
}

# Something that only a person can decide. Nothing has been changed by the step that says so.
stop() {
    trap - ERR
    say "STOPPED: $*" >&2
    say "when that is put right: systemctl restart lxseed-firstboot" >&2
    printf '%s: %s\n' "$STAGE" "$*" | put "$STATE/problem" 0644
    tell stopped "$*" || true
    exit "$NEEDS_A_PERSON"
}

unexpected() {
    local status=$1 line=$2 command=$3
    trap - ERR
    case $status in
    # Said already, in a subshell of this one.
    "$TRY_AGAIN" | "$NEEDS_A_PERSON") exit "$status" ;;
    esac
    say "unexpected: line $line, exit $status: ${command%%$'\n'*}" >&2
    exit "$TRY_AGAIN"
}

# put FILE MODE: standard input becomes FILE, whole or not at all.
put() {
    local file=$1 mode=$2 part
    mkdir -p "${file%/*}"
    part=$(mktemp "$file.XXXXXX")
    cat >"$part"
    chmod "$mode" "$part"
    sync "$part"
    mv -f "$part" "$file"
    sync "${file%/*}"
}

# What others wrote without waiting for the disks, cloud-init above all, outlives a power cut from here on.
settle() { timeout 300 sync || say "the disks do not end writing; going on"; }

# mark NAME [TEXT]: a note to a later run of this script; a mark once made survives a power cut.
mark() {
    mkdir -p "$STATE/marks"
    printf '%s\n' "${2:-yes}" | put "$STATE/marks/$1" 0644
}

marked() { [[ -e $STATE/marks/$1 ]]; }

unmark() {
    rm -f "$STATE/marks/$1"
    [[ ! -d $STATE/marks ]] || sync "$STATE/marks"
}

# A pipe's reader that leaves early (grep -q, head) would end its writer with SIGPIPE, and with pipefail the whole pipe would
# count as failed. So no pipe in this script has such a reader.

# quietly COMMAND...: its output is shown only when it fails. The last line is kept in $SAID for messages.
SAID=
quietly() {
    local out status=0
    out=$(mktemp "$RUN/output.XXXXXX")
    "$@" >"$out" 2>&1 </dev/null || status=$?
    SAID=$(grep -v '^[[:space:]]*$' "$out" | tail -n 1 || true)
    if [[ $status != 0 ]]; then
        tail -n 15 "$out" | sed 's/^/    | /'
    fi
    rm -f "$out"
    return "$status"
}

# wait_for SECONDS PAUSE WHAT COMMAND...: until COMMAND succeeds. Counts the pauses and not the clock, because the
# clock of a machine on its first boot may jump.
wait_for() {
    local limit=$1 pause=$2 what=$3 waited=0 told=0
    shift 3
    until "$@"; do
        if ((waited >= limit)); then
            return 1
        fi
        if ((waited >= told)); then
            say "waiting for $what ($waited s of $limit s)"
            ((waited < 60)) || tell waiting "waiting for $what"
            told=$((told + 60))
        fi
        sleep "$pause"
        waited=$((waited + pause))
    done
}

# apt_get WHAT ARGUMENT...: bounded, and patient with another dpkg: on its first boot a machine often runs unattended
# upgrades. apt of 18.04 cannot wait for the lock itself (DPkg::Lock::Timeout came with 1.9.11).
apt_get() {
    local what=$1 waited=0
    shift
    mend_dpkg
    until quietly timeout 1800 apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o Acquire::Retries=3 -o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60 "$@"; do
        if [[ $SAID != *lock* && $SAID != *"another process"* ]]; then
            return 1
        fi
        if ((waited >= 1200)); then
            later "another program has held the package lock for $waited s"
        fi
        say "waiting for another program that installs packages, then: $what"
        sleep 10
        waited=$((waited + 10))
    done
}

# A power cut inside dpkg leaves packages half configured, and apt refuses everything until that is mended.
mend_dpkg() {
    if [[ -n $(dpkg --audit 2>/dev/null || true) || -n $(ls -A /var/lib/dpkg/updates 2>/dev/null) ]]; then
        say "finishing what an interrupted dpkg left"
        quietly timeout 1800 dpkg --force-confdef --force-confold --configure -a ||
            later "dpkg --configure -a failed: $SAID"
    fi
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true) = installed ]]; }

# need COMMAND PACKAGE
need() {
    if ! command -v "$1" >/dev/null; then
        say "installing $2"
        apt_get "apt-get update" update || say "apt-get update failed: $SAID"
        apt_get "install $2" install --no-install-recommends "$2" || later "apt-get install $2 failed: $SAID"
    fi
}

# The programs below speak JSON and TLS. python3 is on every machine that cloud-init has set up; curl and jq may not be. Nothing of
# the environment or of added packages is of use to them, and to look for those takes a third of their time.
py() { python3 -IS -c "$@"; }

# print_value(DOCUMENT, EXPRESSION): prints the value of an expression over the document `d`, a line for each item of a list, and nothing
# for None; the document as JSON where there is no expression.
read -r -d '' PY_VALUE <<'PY' || true
import json
def print_value(d, expression=None):
    v = eval(expression, {"d": d, "json": json}) if expression else json.dumps(d)
    if isinstance(v, (list, tuple, set)):
        v = "\n".join(str(x) for x in v)
    print("" if v is None else v)
PY

read -r -d '' PY_API <<'PY' || true
import http.client, os, socket, sys

# lxd_api METHOD PATH, body on standard input: LXD's answer over its local socket. Not through lxc: a snap's program
# sees other files than this script, and what is given as an argument can be read by everybody in /proc.
class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(float(os.environ["API_TIMEOUT"]))
        self.sock.connect(os.environ["API_SOCKET"])

def ask(method, path, body=None):
    link = Local("lxd")
    link.request(method, path, body, {"Content-Type": "application/json"})
    answer = json.loads(link.getresponse().read().decode())
    link.close()
    if answer.get("type") == "error":
        print(answer.get("error", ""))
        sys.exit(2 if answer.get("error_code") == 404 else 1)
    return answer

method, path = sys.argv[1:3]
body = sys.stdin.read() if method in ("PUT", "POST", "PATCH") else None
try:
    answer = ask(method, path, body)
    if answer.get("type") == "async":
        wait = answer["operation"] + "/wait?timeout=" + str(int(float(os.environ["API_TIMEOUT"])) - 5)
        answer = ask("GET", wait)
        if answer["metadata"].get("status_code") != 200:
            print(answer["metadata"].get("err") or answer["metadata"].get("status"))
            sys.exit(1)
except (OSError, ValueError, http.client.HTTPException) as problem:
    print("LXD does not answer: %s" % problem)
    sys.exit(3)
print_value(answer.get("metadata"), *sys.argv[3:])
PY

# lxd_api METHOD PATH [EXPRESSION] [<BODY]: prints the metadata of the answer, or what the expression makes of it; or the error.
# Exit 1 refused, 2 not found, 3 no answer within API_TIMEOUT seconds (30).
lxd_api() { API_SOCKET=$LXD_DIR/unix.socket API_TIMEOUT=${API_TIMEOUT:-30} py "$PY_VALUE"$'\n'"$PY_API" "$@"; }

# json EXPRESSION <DOCUMENT: the value of a Python expression over the document `d`; nothing for None.
json() {
    py "$PY_VALUE"'
import sys
text = sys.stdin.read()
try:
    d = json.loads(text)
except ValueError:
    sys.exit("not JSON: " + text.strip()[:200])
print_value(d, sys.argv[1])' "$1"
}

# The SHA-256 that LXD knows a certificate by: of its DER form.
fingerprint() {
    py 'import hashlib, ssl, sys
print(hashlib.sha256(ssl.PEM_cert_to_DER_cert(open(sys.argv[1]).read())).hexdigest())' "$1"
}

# The instance-id that cloud-init gave the seed of this boot; it follows from the seed's content.
instance() { cat /var/lib/cloud/data/instance-id 2>/dev/null || true; }

# of_this_instance FILE: whether it names this instance. Without cloud-init's note there is no other seed either.
of_this_instance() { [[ -e $1 && ( -z $(instance) || $(cat "$1") = "$(instance)" ) ]]; }

# Index of a word in a list, or nothing: index_of WORD LIST...
index_of() {
    local word=$1 i=0
    shift
    while (($#)); do
        if [[ $1 = "$word" ]]; then
            echo "$i"
            return 0
        fi
        shift
        i=$((i + 1))
    done
    return 1
}

# What LXD says of itself: "yes" a member of a cluster, "no", or "unknown" when it does not answer.
clustered() {
    local answer
    answer=$(lxd_api GET /1.0/cluster '"yes" if d["enabled"] else "no"') || answer=unknown
    echo "$answer"
}
