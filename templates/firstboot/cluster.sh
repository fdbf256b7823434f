
# ---- cluster --------------------------------------------------------------------------------------------------------
# Guarantees: this host is a member of the cluster of this seed and of no other. The bootstrap host opens it under the
# certificate that was made at build time and trusts every declared host. A joiner waits until it sees that certificate
# and is known, and joins in its turn. No password and no token is involved; trust is what was in the seeds.

stage_cluster() {
    start_lxd
    if marked begun; then
        # Only this script may have died, with LXD still at work on what it was told. LXD calls itself a member as soon
        # as it begins to join.
        if ! wait_for 180 3 "LXD to end what it is doing" idle_lxd && marked fresh && ! marked joined; then
            say "LXD does not end it; starting LXD again"
            stop_lxd
            start_lxd
        fi
    fi
    case $(clustered) in
    unknown) later "LXD does not answer" ;;
    yes) ;;
    no)
        # The mark `begun` stands while LXD is told to form or join. It is still there when that was cut off.
        if marked begun; then
            say "the last attempt was interrupted"
            reset_lxd
        fi
        if [[ $ROLE = joiner ]]; then
            await_trust
            await_turn
            forget_earlier_join
        fi
        feed_preseed
        ;;
    esac
    check_membership
    if [[ $ROLE = bootstrap ]]; then
        take_certificate
        trust_declared
    fi
}

idle_lxd() {
    [[ $(lxd_api GET '/1.0/operations?recursion=1' | json 'sum(len(v) for k, v in d.items() if k in ("running", "pending"))') = 0 ]]
}

# The preseed as LXD shall read it: the disks stage knows under which path each volume lies on this machine. JSON is
# YAML too, and needs no quoting rules.
read -r -d '' PY_PRESEED <<'PY' || true
import json, sys, yaml
seed = yaml.safe_load(open(sys.argv[1]))
sources = dict(line.rstrip("\n").split("\t") for line in sys.stdin)
for pool in seed.get("storage_pools") or []:
    pool["config"]["source"] = sources[pool["name"]]
for item in seed["cluster"].get("member_config") or []:
    if item["entity"] == "storage-pool" and item["key"] == "source":
        item["value"] = sources[item["name"]]
print(json.dumps(seed))
PY

preseed() { pool_sources | python3 -c "$PY_PRESEED" "$ETC/lxd-preseed.yaml"; }

feed_preseed() {
    local said status=0
    preseed >"$RUN/preseed" || stop "$ETC/lxd-preseed.yaml cannot be read"
    volumes_state handed
    mark begun
    if [[ $ROLE = bootstrap ]]; then
        say "forming the cluster $CLUSTER"
    else
        say "joining the cluster $CLUSTER at $ENDPOINT"
    fi
    said=$(timeout 600 "$LXD" init --preseed <"$RUN/preseed" 2>&1) || status=$?
    if [[ $status = 0 && $(clustered) = yes ]]; then
        unmark begun
        return 0
    fi
    said=$(tr '\n' ' ' <<<"${said:-no answer within 10 minutes}")
    case $said in
    # The daemon died under it; what it left is cleared by the next try.
    *"connect to local LXD"* | *"unix.socket"*EOF* | *"websocket: close"* | *"unix.socket"*"connection reset"*)
        later "the LXD daemon went away: $said"
        ;;
    *"already clustered"*)
        unmark begun
        return 0
        ;;
    # Most of these come before LXD has made anything, and then the mark would only cost a reset. But the host that is asked
    # may also have gone away just when the pools were made: LXD asks to be let in after that, and leaves them on the disks.
    *"connection refused"* | *"no route to host"* | *"i/o timeout"* | *"x509:"* | *"Failed getting existing certificate"* | \
        *"lustering isn't enabled"* | *"not clustered"* | *"daemon setup in progress"*)
        if ! handed_volumes_blank; then
            later "the cluster went away while this host joined: $said"
        fi
        unmark begun
        later "the cluster does not take this host yet: $said"
        ;;
    *"configuration change is already in progress"*)
        later "another host is joining at this moment: $said"
        ;;
    *"Failed to parse the preseed"* | *"version doesn't match"* | *"already has a member with"* | *"Mismatching"* | \
        *"Missing storage pool"* | *"Failed to create storage pool"*)
        if [[ $said = *"already has a member with"* && $ROLE = joiner ]] && marked fresh; then
            leave_cluster
            later "a half-finished join of this host was taken out of the cluster"
        fi
        stop "LXD refuses: $said"
        ;;
    esac
    later "lxd init failed (exit $status): $said"
}

members_listed() { lxd_api GET '/1.0/cluster/members?recursion=1' | json '[m["server_name"] for m in d]'; }

# LXD's own word is not enough: it must be a member under this name, and the cluster's database must list it. One that was
# cut off inside a join believes that it is a member until it is started again, and the cluster knows nothing of it.
check_membership() {
    local name members
    name=$(lxd_api GET /1.0/cluster | json 'd["server_name"]') || later "LXD does not answer"
    [[ $name = "$HOST" ]] || stop "this LXD is a member named $name of some cluster, and should be $HOST"
    members=$(members_listed) || later "LXD does not list its members"
    if ! grep -qxF -- "$HOST" <<<"$members"; then
        if marked fresh && ! marked joined; then
            say "LXD calls itself a member, but the cluster does not list $HOST"
            reset_lxd
        fi
        later "the cluster does not list $HOST"
    fi
    unmark begun
    volumes_state made
    mark joined
    unmark fresh
    unmark rejoin
}

# -- the bootstrap host

# LXD makes a certificate of its own for a new cluster. Joiners have been told another one at build time, and take its
# appearance as the sign that the cluster stands. Once taken, it is the administrator's: a later rotation is not undone.
take_certificate() {
    if marked certificate || cmp -s "$ETC/tls/cluster.crt" "$LXD_DIR/cluster.crt"; then
        marked certificate || mark certificate
        return 0
    fi
    [[ -e $ETC/tls/cluster.key ]] || stop "the cluster's key is not on this host any more, and LXD shows another certificate"
    say "taking the certificate made at build time"
    python3 -c 'import json, sys
crt, key = (open(f).read() for f in sys.argv[1:])
print(json.dumps({"cluster_certificate": crt, "cluster_certificate_key": key}))' "$ETC/tls/cluster.crt" "$ETC/tls/cluster.key" |
        lxd_api PUT /1.0/cluster/certificate 60 >"$RUN/answer" || later "LXD does not take the certificate: $(cat "$RUN/answer")"
    mark certificate
}

# What has to be done so that LXD trusts exactly what the folder TRUST declares: lines of "delete FINGERPRINT NAME",
# "add NAME FILE" and "keep NAME TEXT". One certificate per server name: a host that was rebuilt with a new generation
# has a new one, and the old one would stand in its way (LXD from 5.21.5 wants names to be unique).
read -r -d '' PY_TRUST <<'PY' || true
import hashlib, json, os, ssl, sys
store = json.load(sys.stdin)
folder, kind, members = sys.argv[1], sys.argv[2], sys.argv[3].split()
for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
    if not file.endswith(".crt"):
        continue
    name, path = file[:-4], os.path.join(folder, file)
    mine = hashlib.sha256(ssl.PEM_cert_to_DER_cert(open(path).read())).hexdigest()
    same = [c for c in store if c["fingerprint"] == mine]
    if same and same[0]["type"] == kind and (kind == "client" or same[0]["name"] == name):
        continue
    stale = same or [c for c in store if kind == "server" and c["type"] == kind and c["name"] == name]
    if stale and name in members:
        print("keep", name, stale[0]["fingerprint"][:12])
        continue
    for old in stale:
        print("delete", old["fingerprint"], name)
    print("add", name, path)
PY

trust_declared() {
    local members
    members=$(members_listed | tr '\n' ' ') || later "LXD does not list its members"
    trust_folder server "$ETC/trust/servers" "$members"
    trust_folder client "$ETC/trust/clients" "$members"
}

trust_folder() {
    local kind=$1 verb name what plan
    plan=$(lxd_api GET '/1.0/certificates?recursion=1' | python3 -c "$PY_TRUST" "$2" "$kind" "$3") ||
        later "LXD does not list its certificates"
    while read -r verb name what; do
        case $verb in
        delete)
            say "forgetting the earlier certificate of $what"
            lxd_api DELETE "/1.0/certificates/$name" >"$RUN/answer" || later "LXD keeps it: $(cat "$RUN/answer")"
            ;;
        add)
            say "trusting $name as $kind"
            python3 -c 'import base64, json, ssl, sys
name, kind, path = sys.argv[1:]
der = ssl.PEM_cert_to_DER_cert(open(path).read())
print(json.dumps({"name": name, "type": kind, "certificate": base64.b64encode(der).decode()}))' "$name" "$kind" "$what" |
                lxd_api POST /1.0/certificates >"$RUN/answer" || grep -q "already in trust store" "$RUN/answer" ||
                later "LXD does not trust $name: $(cat "$RUN/answer")"
            ;;
        keep)
            say "$name is a member under the certificate $what and was rebuilt with another one; to let the new machine in:" \
                "lxc cluster remove --force $name, then lxseed-firstboot cluster"
            ;;
        esac
    done <<<"$plan"
}

# -- a joiner

# One question to the cluster, under the pinned certificate and with this host's own: the answer's metadata as JSON, or
# "? REASON". LXD 5 speaks TLS 1.3 only, which OpenSSL has since 1.1.1; the 18.04.0 media have 1.1.0, and there the gate
# stays open and LXD's own answers decide.
read -r -d '' PY_PEER <<'PY' || true
import http.client, json, socket, ssl, sys
host, port = sys.argv[1].rsplit(":", 1)
method, path, name, pinned, crt, key = sys.argv[2:]
if ssl.OPENSSL_VERSION_INFO < (1, 1, 1):
    print("? no TLS 1.3 here")
    sys.exit(2)
context = ssl.create_default_context(cafile=pinned)
context.load_cert_chain(crt, key)
try:
    # No http.client.HTTPSConnection: the name in the certificate is not the address that is dialled.
    plain = socket.create_connection((host, int(port)), 10)
    link = http.client.HTTPConnection(host)
    link.sock = context.wrap_socket(plain, server_hostname=name)
    link.request(method, path)
    answer = json.loads(link.getresponse().read().decode())
    if answer.get("type") == "error":
        raise ValueError(answer.get("error"))
    print(json.dumps(answer["metadata"]))
except (OSError, ValueError, ssl.CertificateError, http.client.HTTPException) as problem:
    print("? %s" % problem)
    sys.exit(1)
PY

# ask_cluster METHOD PATH
ask_cluster() {
    python3 -c "$PY_PEER" "$ENDPOINT" "$1" "$2" "$CLUSTER" "$ETC/tls/cluster.crt" "$LXD_DIR/server.crt" "$LXD_DIR/server.key"
}

# Two signs in one answer: the handshake under the pinned certificate succeeds only after the bootstrap host has taken it,
# and "trusted" only after it has been told of this host. Both take as long as somebody takes to switch that host on.
await_trust() {
    local answer reason='' told=-60 waited=0 now
    while :; do
        answer=$(ask_cluster GET /1.0) || true
        case $answer in
        "? no TLS"*) return 0 ;;
        "?"*CERTIFICATE_VERIFY* | "?"*"certificate verify"*)
            now="what answers at $ENDPOINT does not (yet) show the certificate of the cluster $CLUSTER" ;;
        "?"*) now="the bootstrap host $BOOTSTRAP does not answer at $ENDPOINT (${answer#\? })" ;;
        *'"auth": "trusted"'*) return 0 ;;
        *) now="the cluster at $ENDPOINT does not (yet) know this host's certificate; is $HOST declared in the same site?" ;;
        esac
        if ((waited >= 600)); then
            later "$now"
        fi
        if [[ $now != "$reason" ]] || ((waited - told >= 60)); then
            say "waiting: $now"
            reason=$now told=$waited
        fi
        sleep 3
        waited=$((waited + 3))
    done
}

# This host's own identity is trusted, so it may take its own half-made membership out again. LXD forgets the certificate
# with the member; the bootstrap host trusts it anew as long as it waits for its members, and later when told to.
leave_cluster() {
    local answer
    say "taking the half-made member $HOST out of the cluster; if this host is not let in again within minutes:" \
        "lxseed-firstboot cluster, on $BOOTSTRAP"
    answer=$(ask_cluster DELETE "/1.0/cluster/members/$HOST?force=1") || later "the cluster keeps it: ${answer#\? }"
}

# A join that was cut off late has told the cluster's database of this address already. LXD before 5.0.4 leaves that entry
# behind, and the next join waits for it in vain; this is what `lxd cluster remove-raft-node` does on a member.
forget_earlier_join() {
    local members
    if ! marked rejoin; then
        return 0
    fi
    members=$(ask_cluster GET '/1.0/cluster/members?recursion=1' | json '[m["server_name"] for m in d]') || return 0
    if ! grep -qxF -- "$HOST" <<<"$members" &&
        ask_cluster DELETE "/internal/cluster/raft-node/$ADDRESS:${ENDPOINT##*:}" >"$RUN/answer"; then
        say "the cluster has forgotten the earlier attempt of this host"
    fi
}

# Hosts of an earlier position that are not members yet, in their order.
before_me() {
    local members name
    members=$(ask_cluster GET '/1.0/cluster/members?recursion=1' | json '[m["server_name"] for m in d]' 2>/dev/null) || return 0
    for name in "${MEMBERS[@]:0:$POSITION}"; do
        grep -qxF -- "$name" <<<"$members" || printf '%s ' "$name"
    done
}

# Joins that overlap can fail ("a configuration change is already in progress"), so hosts that start together take turns; in
# a large cluster the last waits for as long as all others take. Hosts that are off must not hold up the rest: each is waited
# for a minute at most while it is the first in the line, and a line that does not move two. Then joins at once are merely
# retried.
await_turn() {
    local line last='' name told='' still=0
    local -A waited=()
    while :; do
        line=$(before_me)
        [[ $line = "$last" ]] || still=0
        last=$line
        for name in $line ''; do
            [[ -n $name && ${waited[$name]:-0} -ge 60 ]] || break
        done
        if [[ -z $name ]] || ((still >= 120)); then
            break
        fi
        if [[ $name != "$told" ]]; then
            say "waiting for its turn after $name"
            told=$name
        fi
        sleep 3
        waited[$name]=$((${waited[$name]:-0} + 3))
        still=$((still + 3))
    done
    [[ -z $line ]] || say "going ahead of ${line% }"
}
