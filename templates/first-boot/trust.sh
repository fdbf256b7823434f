
# ---- trust ----------------------------------------------------------------------------------------------------------
# Guarantees: LXD trusts what the seed declares, and nothing that lxseed once declared and does not any more. What a person
# took out stays out, and no certificate that a member lives by is touched.
#
# What lxseed has put into LXD's trust is written down in the cluster's own configuration, where every member sees it and no
# reinstallation forgets it: user.lxseed.server.NAME and user.lxseed.client.NAME are the fingerprints. The desk writes there too, when
# it lets a host in; what this host's seed has never declared is the desk's, and stays. user.lxseed.retired.NAME are the fingerprints,
# with commas, of what the desk has taken out for good: no list puts such a one back.

# One line per thing to do or to say, with tabs: VERB NAME FINGERPRINT REST. The last argument is a file with a line for each name that
# this host's seeds have declared: NAME FINGERPRINT.
read -r -d '' PY_TRUST <<'PY' || true
import hashlib, json, os, ssl, sys
folder, kind = sys.argv[1:3]
declared, members = sys.argv[3].split(), sys.argv[4].split()
store, config = (json.loads(line) for line in sys.stdin)
def noted(word):
    return {key.split(".", 3)[3]: value for key, value in config.items() if key.startswith("user.lxseed.%s." % word)}

book, again, retired = noted(kind), noted("rejoin"), noted("retired")
stored = {c["fingerprint"]: c for c in store}
try:
    with open(sys.argv[5]) as file:
        before = dict(line.split() for line in file)
except OSError:
    before = {}

def tell(*words):
    print("\t".join(words))

for name in declared:
    path = os.path.join(folder, name + ".crt")
    try:
        with open(path) as file:
            mine = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()
    except (OSError, ValueError) as problem:
        tell("unreadable", name, "-", str(problem))
        continue
    tell("declared", name, mine)
    if mine in retired.get(name, "").split(","):
        tell("retired", name, mine)
        continue
    there = stored.get(mine)
    if there and there["type"] == kind and (kind == "client" or there["name"] == name):
        if book.get(name) != mine:
            tell("note", name, mine)
        continue
    if book.get(name) == mine and not there and not (kind == "server" and again.get(name) == mine):
        tell("gone", name, mine)
        continue
    # The seed is no newer than what was decided since.
    if kind == "server" and book.get(name) in stored and book[name] != mine and before.get(name) == mine:
        tell("other", name, book[name])
        continue
    # One certificate per server name: LXD from 5.21.5 on wants names to be unique. Of a client, only what was put there.
    old = [c["fingerprint"] for c in store if c is there or c["type"] == kind and (
        c["name"] == name if kind == "server" else c["fingerprint"] == book.get(name))]
    if kind == "server" and old and name in members:
        tell("keep", name, old[0])
        continue
    for fingerprint in old:
        tell("delete", name, fingerprint, "its earlier certificate")
    tell("add", name, mine, path)
for name, fingerprint in sorted(book.items()):
    if name in declared or kind == "server" and before.get(name) != fingerprint:
        continue
    if fingerprint not in stored:
        tell("forget", name, fingerprint)
    elif kind == "server" and name in members:
        tell("member", name, fingerprint)
    else:
        tell("delete", name, fingerprint, "it is not declared any more")
        tell("forget", name, fingerprint)
PY

trust_declared() {
    local members name others=() trusted=()
    members=$(members_listed | tr '\n' ' ') || later "LXD does not list its members"
    for name in "${MEMBERS[@]}"; do
        [[ $name = "$HOST" ]] || others+=("$name")
    done
    others+=("${SPARES[@]}")
    for name in "${others[@]}"; do
        is_retired "$ETC/trust/servers/$name.crt" || trusted+=("$name")
    done
    equal_folder "$ETC/trust/servers" "${others[@]}"
    equal_folder "$ETC/trust/clients" "${CLIENTS[@]}"
    trust_folder server "$ETC/trust/servers" "${trusted[*]}" "$members"
    trust_folder client "$ETC/trust/clients" "${CLIENTS[*]}" "$members"
}

# Whether the desk has taken a certificate out for good (`retired` in cluster.yaml).
is_retired() {
    [[ -e $ETC/trust/retired && -e $1 ]] && grep -qxF -- "$(fingerprint "$1")" "$ETC/trust/retired"
}

# cloud-init writes files and removes none: what an earlier seed left is not declared.
equal_folder() {
    local folder=$1 file name
    shift
    for file in "$folder"/*.crt; do
        name=$(basename "$file" .crt)
        if [[ -e $file ]] && ! index_of "$name" "$@" >/dev/null; then
            rm -f "$file"
        fi
    done
}

# trust_folder KIND FOLDER NAMES MEMBERS. Nothing that LXD refuses for good keeps the rest from being done.
trust_folder() {
    local kind=$1 verb name fingerprint rest plan known=$STATE/declared-$1
    plan=$({ lxd_api GET '/1.0/certificates?recursion=1'; lxd_api GET /1.0 'json.dumps(d["config"])'; } |
        py "$PY_TRUST" "$2" "$kind" "$3" "$4" "$known") || later "LXD does not list its certificates"
    # New names before LXD trusts them: else a cut in between would make them the desk's.
    declare_more "$known" <<<"$plan"
    while IFS=$'\t' read -r verb name fingerprint rest; do
        case $verb in
        delete)
            say "taking the certificate ${fingerprint:0:12} of $name out of the cluster's trust: $rest"
            lxd_api DELETE "/1.0/certificates/$fingerprint" >"$RUN/answer" || [[ $? = 2 ]] || later "LXD keeps it: $(cat "$RUN/answer")"
            ;;
        forget) note_trust "$kind" "$name" '' ;;
        note) note_trust "$kind" "$name" "$fingerprint" ;;
        add)
            say "trusting $name as $kind"
            if add_trust "$kind" "$name" "$rest"; then
                note_trust "$kind" "$name" "$fingerprint"
            else
                say_once "refused-$kind-$name" "$fingerprint" \
                    "LXD does not take the certificate of the $kind $name: $(cat "$RUN/answer"). It is passed over"
            fi
            ;;
        unreadable) say_once "refused-$kind-$name" "$rest" "the certificate of the $kind $name cannot be read ($rest); it is passed over" ;;
        gone)
            # With a member LXD forgets its certificate, too.
            say_once "gone-$kind-$name" "$fingerprint" "$name was taken out of LXD's trust since it was put there; it is not put back" \
                "$([[ $kind = client ]] || echo "($(let_in "$name") would)")"
            ;;
        retired)
            say_once "retired-$name" "$fingerprint" "$name was retired at the desk, with the certificate ${fingerprint:0:12} that the seed" \
                "has for it; it is not trusted again. Another generation of $name would be"
            ;;
        other)
            say_once "other-$name" "$fingerprint" "$name was let in under the certificate ${fingerprint:0:12} since the seed's was" \
                "trusted; the later word holds"
            ;;
        keep)
            say_once "kept-$name" "$fingerprint" "$name is a member under the certificate ${fingerprint:0:12}, and the seed has another" \
                "one for it; the member keeps its own. For a new machine of that name: $(give_up "$name")"
            ;;
        member)
            say_once "undeclared-$name" "$fingerprint" "$name is not declared any more and still a member of the cluster; it stays" \
                "trusted as long as it is one (lxc cluster remove $name)"
            ;;
        esac
    done <<<"$plan"
    sed -n 's/^declared\t\([^\t]*\)\t\([^\t]*\).*/\1 \2/p' <<<"$plan" | put_if_new "$known"
}

# declare_more FILE <PLAN: the names that are not in it yet.
declare_more() {
    local verb name fingerprint lines
    lines=$(cat "$1" 2>/dev/null || true)
    while IFS=$'\t' read -r verb name fingerprint; do
        if [[ $verb = declared && $'\n'$lines != *$'\n'"$name "* ]]; then
            lines+=${lines:+$'\n'}"$name $fingerprint"
        fi
    done
    put_if_new "$1" <<<"$lines"
}

put_if_new() {
    local text
    text=$(cat)
    [[ -e $1 && $(cat "$1") = "$text" ]] || put "$1" 0644 <<<"$text"
}

# The command with which a person lets a host in, and the one that gives a member up that is gone.
let_in() {
    if has_desk; then
        at_desk admit "$CLUSTER/$1"
    else
        echo "lxseed-firstboot trust $1"
    fi
}

give_up() {
    if has_desk; then
        at_desk retire "$CLUSTER/$1"
    else
        echo "lxc cluster remove --force $1 (on a member), then there: lxseed-firstboot trust $1"
    fi
}

# say_once MARK ABOUT WORDS...: again only when it is about something else.
say_once() {
    local mark=$1 about=$2
    shift 2
    if [[ $(cat "$STATE/marks/$mark" 2>/dev/null) != "$about" ]]; then
        say "$@"
        mark "$mark" "$about"
    fi
}

# add_trust KIND NAME FILE: fails when LXD refuses the certificate for good; its words are in $RUN/answer.
add_trust() {
    local status=0
    py 'import base64, json, ssl, sys
name, kind, path = sys.argv[1:]
der = ssl.PEM_cert_to_DER_cert(open(path).read())
print(json.dumps({"name": name, "type": kind, "certificate": base64.b64encode(der).decode()}))' "$2" "$1" "$3" |
        lxd_api POST /1.0/certificates >"$RUN/answer" || status=$?
    case $status in
    0) return 0 ;;
    3) later "LXD does not trust $2: $(cat "$RUN/answer")" ;;
    *) grep -q "already in trust store" "$RUN/answer" ;;
    esac
}

# note_trust KIND NAME FINGERPRINT: after the certificate went in, so that a cut in between is noted by the next run. With the
# note goes the word that a host leaves when it takes its own half-made membership back.
note_trust() {
    local status=0 again=''
    [[ $1 = client ]] || again=", \"user.lxseed.rejoin.$2\": \"\""
    printf '{"config": {"user.lxseed.%s.%s": "%s"%s}}' "$1" "$2" "$3" "$again" | lxd_api PATCH /1.0 >"$RUN/answer" || status=$?
    case $status in
    0) ;;
    3) later "LXD takes no note of the certificate of $2: $(cat "$RUN/answer")" ;;
    *) say_once "unnoted-$1-$2" "$3" "LXD takes no note of the certificate of $2: $(cat "$RUN/answer")" ;;
    esac
}

# trust NAME [FILE], by hand on any member: the person's word that lets a host in.
trust_host() {
    local name=$1 file=${2:-$ETC/trust/servers/$1.crt} fingerprint store same retired
    STAGE=trust
    [[ $name =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] || refuse "'$name' cannot be the name of a host"
    fingerprint=$(fingerprint "$file" 2>/dev/null) ||
        refuse "$file is no certificate; copy out/$CLUSTER/$name/server.crt here, and name it: lxseed-firstboot trust $name server.crt"
    ! is_retired "$file" || refuse "$file was retired (cluster.yaml, 'retired'); raise the generation of $name, and build anew"
    [[ $(clustered) = yes ]] || refuse "LXD on $HOST is in no cluster, or does not answer; use another member"
    if members_listed | grep -xF -- "$name" >/dev/null; then
        refuse "$name is on record as a member. If that machine is gone for good, with all that is on its pools:" \
            "$(has_desk && give_up "$name" || echo "lxc cluster remove --force $name, then this command again")"
    fi
    retired=$(lxd_api GET /1.0 "d['config'].get('user.lxseed.retired.$name')") || refuse "LXD does not answer: $retired"
    if [[ ,$retired, = *",$fingerprint,"* ]]; then
        refuse "$name was retired at the desk with this very certificate; raise its generation, and build it anew"
    fi
    store=$(lxd_api GET '/1.0/certificates?recursion=1') || refuse "LXD does not list its certificates: $store"
    same=$(json "[c['fingerprint'] for c in d if c['fingerprint'] == '$fingerprint' and c['type'] == 'server' and c['name'] == '$name']" <<<"$store")
    if [[ -z $same ]]; then
        # One under another name or type, or another certificate of this name: the person has said what is right.
        for same in $(json "[c['fingerprint'] for c in d if c['fingerprint'] == '$fingerprint' or c['type'] == 'server' and c['name'] == '$name']" <<<"$store"); do
            lxd_api DELETE "/1.0/certificates/$same" >"$RUN/answer" || refuse "LXD keeps the earlier certificate: $(cat "$RUN/answer")"
        done
        add_trust server "$name" "$file" || refuse "LXD does not take the certificate: $(cat "$RUN/answer")"
    fi
    note_trust server "$name" "$fingerprint"
    unmark "gone-server-$name"
    say "$name is trusted (${fingerprint:0:12}); it joins by itself once it is on"
}

refuse() {
    trap - ERR
    say "$*" >&2
    exit "$NEEDS_A_PERSON"
}
