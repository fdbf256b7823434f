
# ---- peers ----------------------------------------------------------------------------------------------------------
# Asking the other declared hosts, always pinned to certificates that were made at build time. Only reads; what follows
# from an answer is decided in the parts below.

PORT=${ENDPOINT##*:}

# LXD speaks TLS 1.3 only since 5.0, which OpenSSL has since 1.1.1; the media of 18.04.0 have 1.1.0.
# A peer is who shows a certificate, byte for byte: in TLS 1.3 the handshake proves that it has the key. Names and dates
# in it decide nothing here, so a wrong clock hides nobody.
#
# show: reads lines of NAME, HOST, PORT and the file of its own certificate (may be missing), and prints NAME, what it
#   shows and a reason, with tabs: member (the cluster's certificate), never (its own: it was never in a cluster, or was
#   installed anew), early (the same, and it has not judged its disks), other, silent.
# founding: reads the same lines; prints NAME, the number of its cluster's founding ("-": none is shown) and whether it trusts this
#   host, for each that shows the cluster's certificate and answers.
# ask HOST PORT METHOD PATH [EXPRESSION]: prints the metadata of the answer as lxd_api does, or "? REASON". A body comes on standard input.
read -r -d '' PY_PEERS <<'PY' || true
import hashlib, http.client, os, socket, ssl, sys, threading

def sum_of(path):
    try:
        with open(path) as file:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()
    except (OSError, ValueError):
        return None

cluster = sum_of(os.environ["PIN"])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
if os.path.exists(os.environ["KEY"]):
    context.load_cert_chain(os.environ["CRT"], os.environ["KEY"])

def connect(host, port, patience):
    link = context.wrap_socket(socket.create_connection((host, int(port)), 3))
    link.settimeout(patience)
    return link, hashlib.sha256(link.getpeercert(True)).hexdigest()

def ask(host, port, method, path, body=None):
    link, shown = connect(host, port, float(os.environ.get("PATIENCE", "10")))
    if shown != cluster:
        raise ValueError("it does not show the certificate of the cluster")
    http_link = http.client.HTTPConnection(host)
    http_link.sock = link
    http_link.request(method, path, body, {"Content-Type": "application/json"})
    answer = json.loads(http_link.getresponse().read().decode())
    if answer.get("type") == "error":
        raise ValueError(answer.get("error"))
    return answer["metadata"]

def show(name, host, port, own):
    early = None
    try:
        link, shown = connect(host, port, 3)
        if shown != cluster and own and shown == sum_of(own):
            http_link = http.client.HTTPConnection(host)
            http_link.sock = link
            http_link.request("OPTIONS", "/1.0", headers={"Origin": "lxseed"})
            early = http_link.getresponse().getheader("Access-Control-Allow-Headers") == os.environ["EARLY"]
        link.close()
    except (OSError, ValueError, http.client.HTTPException) as problem:
        return "silent", str(problem)
    if shown == cluster:
        return "member", ""
    return ("other", shown[:12]) if early is None else ("early" if early else "never", "")

def founding(name, host, port, own):
    try:
        answer = ask(host, port, "GET", "/1.0")
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return (answer.get("config") or {}).get("user.lxseed.founding") or "-", answer.get("auth") or "-"

verb = sys.argv[1]
if verb == "ask":
    method = sys.argv[4]
    try:
        body = sys.stdin.read() if method in ("PUT", "POST", "PATCH") else None
        print_value(ask(*sys.argv[2:6], body=body), *sys.argv[6:])
    except (OSError, ValueError, http.client.HTTPException) as problem:
        print("? %s" % problem)
        sys.exit(1)
else:
    what = {"show": show, "founding": founding}[verb]
    rows = [line.rstrip("\n").split("\t") for line in sys.stdin]
    found = {}
    def one(row):
        found[row[0]] = what(*row)
    threads = [threading.Thread(target=one, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row in rows:
        if found.get(row[0]):
            print("\t".join((row[0],) + found[row[0]]))
PY

# A member has the cluster's certificate as it is now, should somebody have replaced it since.
cluster_pin() {
    if [[ -e $LXD_DIR/cluster.crt ]]; then
        echo "$LXD_DIR/cluster.crt"
    else
        echo "$ETC/tls/cluster.crt"
    fi
}

# LXD shows it to everybody, in the answer to a question from a web page of another origin, and to no other end: a header that
# such a page could send is of no use to it where its origin is not allowed (core.https_allowed_origin).
EARLY='lxseed-has-not-judged-its-disks'

peers() { EARLY=$EARLY PIN=$(cluster_pin) CRT=$LXD_DIR/server.crt KEY=$LXD_DIR/server.key py "$PY_VALUE"$'\n'"$PY_PEERS" "$@"; }

speaks_tls13() { py 'import ssl, sys; sys.exit(ssl.OPENSSL_VERSION_INFO < (1, 1, 1))'; }

# address_of NAME
address_of() { echo "${ADDRESSES[$(index_of "$1" "${MEMBERS[@]}")]}"; }

# How an address is written before a port.
at_port() {
    case $1 in
    *:*) echo "[$1]:$PORT" ;;
    *) echo "$1:$PORT" ;;
    esac
}

# The other declared hosts, or those named, as `show` and `founding` read them.
peer_rows() {
    local i name
    for i in "${!MEMBERS[@]}"; do
        name=${MEMBERS[$i]}
        [[ $name != "$HOST" ]] || continue
        if [[ $# = 0 ]] || index_of "$name" "$@" >/dev/null; then
            printf '%s\t%s\t%s\t%s\n' "$name" "${ADDRESSES[$i]}" "$PORT" "$ETC/trust/servers/$name.crt"
        fi
    done
}

survey() { peer_rows "$@" | peers show; }

# The member that is asked for the cluster: its name, and what it answered to GET /1.0 (or "? REASON").
PEER='' PEER_ANSWER=''

# ask METHOD PATH [EXPRESSION] [<BODY]: of PEER
ask() { peers ask "$(address_of "$PEER")" "$PORT" "$@"; }

# find_peer SURVEY: the first host, in joining order, that shows the cluster's certificate and takes this host for
# trusted; else the first that shows it. One that has lost its cluster shows it, too.
find_peer() {
    local name state answer first=''
    PEER='' PEER_ANSWER=''
    while IFS=$'\t' read -r name state _; do
        [[ $state = member ]] || continue
        PEER=$name
        answer=$(ask GET /1.0) || true
        if [[ -z $first || $answer = *'"auth": "trusted"'* ]]; then
            first=$name PEER_ANSWER=$answer
        fi
        [[ $answer != *'"auth": "trusted"'* ]] || break
    done <<<"$1"
    PEER=$first
    [[ -n $PEER ]]
}

trusted_by_peer() { [[ $PEER_ANSWER = *'"auth": "trusted"'* ]]; }
