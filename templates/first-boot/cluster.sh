
# ---- cluster --------------------------------------------------------------------------------------------------------
# Guarantees: this host is a member of the cluster of this seed and of no other. The bootstrap host opens it, once: only
# when a majority of the declared hosts answers that it was never in a cluster, and nobody shows the cluster's certificate.
# Everybody else, and a bootstrap host that comes late, joins through any member, in its turn. What a cluster has on
# record under this host's name is left alone, but for what this very installation half made. No password and no token
# is involved; trust is what was in the seeds.
#
# The marks: founding is the number of the cluster that this host founds or joins, begun stands while LXD is told to, asked
# says that the cluster had nothing on record under this host's name before that, joined that this host became a member.

# How this host enters: found, join, or member when it is one; and the cluster's pools, as "NAME<tab>DRIVER" lines.
WAY='' CLUSTER_POOLS=''

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
        ! marked joined || stop "this host was a member of the cluster $CLUSTER, and its LXD is in no cluster any more. To" \
            "install it anew is the way back in"
        # It is still there when the attempt was cut off.
        if marked begun; then
            say "the last attempt was interrupted"
            reset_lxd
        fi
        enter_cluster
        ;;
    esac
    if ! marked joined; then
        take_certificate
        yield_to_another
    fi
    check_membership
    if [[ $ROLE = bootstrap ]]; then
        take_certificate
        trust_declared
    fi
}

# Two hosts may have asked in the same seconds and both have founded: an old stick, and the host to which `bootstrap:` was moved
# since. Each shows the cluster's certificate before it looks again, so at least one sees the other. It takes its own
# founding back, in which there is nothing yet and nobody is trusted, and joins; pauses of different length part two that
# both do.
yield_to_another() {
    if ! marked founded || ! find_peer "$(survey)"; then
        return 0
    fi
    say "$PEER has founded the cluster $CLUSTER in the same seconds; this host takes its own founding back, and joins"
    unmark certificate
    unmark founded
    reset_lxd
    sleep $((RANDOM % 30))
    later "$PEER founded the cluster $CLUSTER"
}

# -- founding, or joining through whom?

enter_cluster() {
    local number
    listen
    # A power cut may have come between its end here and the cluster's beginning.
    trust_desk
    while :; do
        await_cluster
        if [[ $WAY = found ]]; then
            number=$(od -A n -N 8 -t x1 /dev/urandom | tr -d ' \n')
            mark founding "$number"
            mark founded
            say "founding the cluster $CLUSTER (founding $number)"
            break
        fi
        compare_versions
        read_record
        decide_on_record
        [[ -z $RECORD ]] || continue
        compare_pools
        mark asked
        unmark founded
        read_founding
        await_turn
        forget_earlier_join
        break
    done
    feed_preseed
}

# Waits for a cluster that takes this host (WAY=join, through PEER), or for leave to found one (WAY=found).
await_cluster() {
    local seen reason='' told=-60 waited=0 now peer='' unknown=0
    while :; do
        # All hosts ask the bootstrap host often and the others seldom; it alone has to know of everybody. Whoever has answered
        # for the cluster is asked on, or the reason would change each time. Where the cluster is formed the bootstrap host
        # is a joiner, and has no such one to ask.
        if [[ $ROLE = joiner && $BOOTSTRAP != "$HOST" ]] && ((waited % 30 != 0)); then
            seen=$(survey "$BOOTSTRAP" "$PEER")
        else
            seen=$(survey)
        fi
        if find_peer "$seen"; then
            if [[ $ROLE = bootstrap && $peer != "$PEER" ]]; then
                say "the cluster $CLUSTER stands already ($PEER shows its certificate); $HOST founds no other"
                peer=$PEER
                # Nor when that one is switched off: it is no reason to found a second.
                marked stands || mark stands "$PEER"
            fi
            if trusted_by_peer; then
                WAY="join"
                return 0
            fi
            unknown=$((unknown + 3))
            now=$(why_not_let_in "$unknown")
        elif [[ $ROLE = bootstrap ]] && marked stands; then
            now="the cluster $CLUSTER stood when $HOST asked ($(cat "$STATE/marks/stands") showed its certificate), and nobody shows it"
            now+=" now: switch its members on; if it is gone for good, say so on $HOST: rm $STATE/marks/stands"
        elif [[ $ROLE = bootstrap ]]; then
            if may_found "$seen"; then
                WAY=found
                return 0
            fi
            now="to found the cluster $CLUSTER a majority of its ${#MEMBERS[@]} hosts has to answer as never clustered: $HOST does;"
            now+=" $(not_never "$seen")"
        else
            now=$(why_not_there "$seen")
        fi
        if ((waited >= 600)); then
            later "$now"
        fi
        if [[ $now != "$reason" ]] || ((waited - told >= 60)); then
            say "waiting: $now"
            tell waiting "$now"
            reason=$now told=$waited
        fi
        sleep 3
        waited=$((waited + 3))
    done
}

# Two majorities of the declared hosts share a host, so a cluster that ever had one cannot be missed. Whoever answers under
# a third certificate may be a member of a cluster whose certificate was replaced: then nobody can know, and one that may found alone
# cannot either.
may_found() {
    local name state never=1
    while IFS=$'\t' read -r name state _; do
        case $state in
        never) never=$((never + 1)) ;;
        other) return 1 ;;
        esac
    done <<<"$1"
    [[ $ALONE = yes ]] || ((never * 2 > ${#MEMBERS[@]}))
}

# The first few of those that do not answer as never clustered, and why.
not_never() {
    local name state detail told=0 rest=0
    while IFS=$'\t' read -r name state detail; do
        [[ -n $name && $state != never ]] || continue
        if ((told >= 6)); then
            rest=$((rest + 1))
            continue
        fi
        told=$((told + 1))
        if [[ $state = early ]]; then
            printf '%s' "$name has not got past its disks ($(early_way "$name")); "
        elif [[ $state = other ]]; then
            printf '%s' "$name answers at $(at_port "$(address_of "$name")") under a certificate ($detail) that is neither its own" \
                " nor the cluster's; "
        else
            printf '%s' "$name does not answer at $(at_port "$(address_of "$name")") ($detail); "
        fi
    done <<<"$1"
    if ((rest > 0)); then
        printf '%s' "and $rest more; "
    fi
    printf 'switch them on'
}

early_way() {
    if has_desk; then
        at_desk status
    else
        echo "there: lxseed-firstboot status"
    fi
}

why_not_there() {
    local name state detail
    if [[ $BOOTSTRAP = "$HOST" ]]; then
        printf '%s' "the cluster $CLUSTER is formed, so $HOST founds none, and none of the $((${#MEMBERS[@]} - 1)) other hosts shows" \
            " its certificate: switch its members on (at the desk: lxseed status)"
        return 0
    fi
    while IFS=$'\t' read -r name state detail; do
        [[ $name = "$BOOTSTRAP" ]] || continue
        if [[ $state = silent ]]; then
            printf '%s' "the bootstrap host $name does not answer at $(at_port "$(address_of "$name")") ($detail)"
        else
            printf '%s' "$name answers at $(at_port "$(address_of "$name")"), but not under the certificate of the cluster" \
                " $CLUSTER: it has not founded it yet, or that certificate was replaced since this seed was built"
        fi
    done <<<"$1"
}

# why_not_let_in SECONDS, for which it has been so.
why_not_let_in() {
    if [[ $PEER_ANSWER = '?'* ]]; then
        printf '%s' "the cluster $CLUSTER stands ($PEER shows its certificate), but $PEER does not answer (${PEER_ANSWER#\? }): is a" \
            " majority of its members on?"
    elif (($1 <= 30)); then
        # On a first day this is over in seconds, and nobody's work.
        printf '%s' "the cluster $CLUSTER stands (asked $PEER), and does not know this host yet"
    elif has_desk; then
        printf '%s' "the cluster $CLUSTER (asked $PEER) does not know $HOST's certificate. $(at_desk admit "$CLUSTER/$HOST")"
    else
        printf '%s' "the cluster $CLUSTER (asked $PEER) does not know $HOST's certificate. At the desk: copy" \
            " out/$CLUSTER/$HOST/server.crt to a member, and there: lxseed-firstboot trust $HOST server.crt"
    fi
}

# -- what is compared before LXD makes anything

# LXD takes a joiner only with the same version and the same number of API extensions, which even point releases change; and
# it says so only after it has made its pools.
compare_versions() {
    local mine said
    mine=$(lxd_api GET /1.0) || later "LXD does not answer"
    said=$(printf '%s\n%s\n' "$mine" "$PEER_ANSWER" | py 'import json, sys
mine, theirs = (json.loads(line) for line in sys.stdin)
def of(d):
    return d["environment"]["server_version"], len(d["api_extensions"])
if of(mine) != of(theirs):
    older = (of(mine)[1], of(mine)[0]) < (of(theirs)[1], of(theirs)[0])
    print("LXD %s with %d API extensions, and this host LXD %s with %d: %s" % (of(theirs) + of(mine) + (
        "this host has to move: snap refresh lxd" if older else
        "the members have to move first: snap refresh lxd, on each of them",)))')
    [[ -z $said ]] || stop "the cluster $CLUSTER runs $said. Nothing was made on any disk"
}

# local_pools lxd_api|ask: the pools of the cluster that lie on members' own disks, as "NAME<tab>DRIVER" lines. A remote one (Ceph)
# needs nothing here.
local_pools() {
    "$1" GET '/1.0/storage-pools?recursion=1' \
        '["%s\t%s" % (p["name"], p["driver"]) for p in d if p["driver"] in ("btrfs", "dir", "lvm", "zfs")]'
}

# LXD copies the cluster's pools to a joiner, and where no source is given it makes a file on the system's disk.
compare_pools() {
    local name driver i unknown='' other=''
    CLUSTER_POOLS=$(local_pools ask) || later "the cluster does not list its pools: ${CLUSTER_POOLS#\? }"
    while IFS=$'\t' read -r name driver; do
        [[ -n $name ]] || continue
        if ! i=$(index_of "$name" "${POOL_NAMES[@]}"); then
            unknown+=" $name"
        elif [[ ${POOL_DRIVERS[$i]} != "$driver" ]]; then
            other+=" $name is $driver there and ${POOL_DRIVERS[$i]} here;"
        fi
    done <<<"$CLUSTER_POOLS"
    if [[ -n $unknown$other ]]; then
        stop "the cluster $CLUSTER has the pools $(pool_list), and the profile of $HOST has" \
            "$(words_list "${POOL_NAMES[@]}"):${unknown:+ nothing says where$unknown would lie on this host;}$other" \
            "put the profile right, build and plant the seed anew"
    fi
    say_pools_not_there
}

words_list() { (IFS=,; echo "$*") | sed 's/,/, /g'; }
pool_list() { cut -f 1 <<<"$CLUSTER_POOLS" | paste -sd, | sed 's/,/, /g'; }
cluster_has_pool() { has_line "$(cut -f 1 <<<"$CLUSTER_POOLS")" "$1"; }

# Pools of the profile that the cluster lacks. To make one is a decision for all members at once.
pools_not_there() {
    local pool
    for pool in "${POOL_NAMES[@]}"; do
        cluster_has_pool "$pool" || printf '%s ' "$pool"
    done
}

say_pools_not_there() {
    local lacking
    lacking=$(pools_not_there)
    if [[ -n $lacking ]]; then
        say_once pools-said "$lacking" "the profile has the pools $(words_list "${POOL_NAMES[@]}"), and the cluster $CLUSTER has" \
            "$(pool_list): ${lacking}is in no cluster yet. Its volume is made and left empty; to add it: $(way_to_add_pools)"
    fi
}

way_to_add_pools() {
    if has_desk; then
        at_desk "apply, once every member has its new seed"
    else
        echo "'lxc storage create' with --target for each member, then once without"
    fi
}

# The number is in the cluster's configuration. A member that joined a moment ago does not show it of itself.
read_founding() {
    local number name
    number=$(json 'd["config"].get("user.lxseed.founding")' <<<"$PEER_ANSWER")
    for name in "$BOOTSTRAP" "${MEMBERS[@]}"; do
        # The bootstrap host itself may be the one that joins.
        if [[ -z $number && $name != "$HOST" ]]; then
            number=$(ask GET "/1.0?target=$name" 'd["config"].get("user.lxseed.founding")') || number=''
        fi
    done
    mark founding "${number:--}"
}

# -- what the cluster has on record under this host's name

# RECORD: its status there, or nothing. A member shows as Online until it has been silent for cluster.offline_threshold (20 s
# unless somebody changed it), so one that may just have been cut off is looked at again.
RECORD='' RECORD_AT=''
read_record() {
    local answer began=$SECONDS
    while :; do
        answer=$(ask GET '/1.0/cluster/members?recursion=1' \
            "[m['status'] + ' ' + m['url'].split('//')[-1] for m in d if m['server_name'] == '$HOST']") ||
            later "the cluster $CLUSTER stands ($PEER shows its certificate), but it does not list its members (${answer#\? }): is" \
                "a majority of them on? $(! has_desk || at_desk rescue)"
        read -r RECORD RECORD_AT <<<"$answer" || true
        if [[ $RECORD != Online ]] || ((SECONDS - began >= 40)); then
            return 0
        fi
        sleep 3
    done
}

# Returns when nothing is on record, or when it was this installation's own half-made membership, which is taken back.
decide_on_record() {
    local lost
    case $RECORD in
    '') return 0 ;;
    Online)
        stop "the cluster $CLUSTER has a living member $HOST at $RECORD_AT: is this a second machine with the seed of" \
            "$HOST? Nothing was changed there or here"
        ;;
    esac
    lost=$(on_record)
    if marked asked && [[ -z $lost ]]; then
        withdraw
        return 0
    fi
    stop "$HOST is on record in the cluster $CLUSTER, ${RECORD,,}, with ${lost:-no instance and no volume}. This installation is" \
        "not that member, and would forget it by joining. To give that up: $(give_up "$HOST")"
}

# What would be forgotten with the member: "1 instance (web1) and 2 volumes (data2/a, data2/b)"; nothing if there is nothing.
on_record() {
    local answer instances volumes='' pools projects pool project
    instances=$(ask GET '/1.0/instances?recursion=1&all-projects=true' "[i['name'] for i in d if i['location'] == '$HOST']") ||
        later "the cluster does not list its instances: ${instances#\? }"
    # Answers without recursion are paths; the last part is the name. Not in the heads of the loops, where a failure would pass for
    # an empty list, and so for nothing that could be lost.
    pools=$(ask GET '/1.0/storage-pools' '[p.split("/")[-1] for p in d]') || later "the cluster does not list its pools: ${pools#\? }"
    projects=$(ask GET '/1.0/projects' '[p.split("/")[-1].split("?")[0] for p in d]') ||
        later "the cluster does not list its projects: ${projects#\? }"
    for pool in $pools; do
        for project in $projects; do
            answer=$(ask GET "/1.0/storage-pools/$pool/volumes?recursion=1&project=$project" \
                "['$pool/' + v['name'] for v in d if v['type'] == 'custom' and v.get('location') == '$HOST']") ||
                later "the cluster does not list the volumes of $pool: ${answer#\? }"
            volumes+=$answer$'\n'
        done
    done
    { counted instance <<<"$instances"; sort -u <<<"$volumes" | counted volume; } | paste -sd' ' | sed 's/) \([0-9]\)/) and \1/'
}

# counted WORD <NAMES: "2 volumes (a, b)", or nothing.
counted() {
    local names
    names=$(sed '/^$/d')
    if [[ -n $names ]]; then
        local number
        number=$(grep -c . <<<"$names")
        echo "$number $1$([[ $number = 1 ]] || echo s) ($(paste -sd, <<<"$names" | sed 's/,/, /g'))"
    fi
}

# This host's own identity is trusted, so it may take its own half-made membership out again. LXD forgets the certificate
# with the member, so a word is left for the bootstrap host, which trusts it anew while it waits for its members.
withdraw() {
    local answer
    say "taking this host's own half-made membership out of the cluster; if it is not let in again within minutes:" \
        "$(let_in "$HOST")$(has_desk || echo ", on $BOOTSTRAP")"
    answer=$(printf '{"config": {"user.lxseed.rejoin.%s": "%s"}}' "$HOST" "$(fingerprint "$LXD_DIR/server.crt")" |
        ask PATCH /1.0) || later "the cluster takes no note: ${answer#\? }"
    answer=$(ask DELETE "/1.0/cluster/members/$HOST?force=1") || later "the cluster keeps the half-made member: ${answer#\? }"
    mark rejoin
}

idle_lxd() {
    [[ $(lxd_api GET '/1.0/operations?recursion=1' 'sum(len(v) for k, v in d.items() if k in ("running", "pending"))') = 0 ]]
}

# The preseed as LXD shall read it: the disks stage knows under which path each volume lies on this machine, and only the
# cluster knows its pools. Every pool has its source, or nothing is printed. JSON is YAML too, and needs no quoting rules.
read -r -d '' PY_PRESEED <<'PY' || true
import json, os, sys, yaml
seed = yaml.safe_load(open(sys.argv[1]))
way, address, peer, founding = sys.argv[2:]
sources = dict(line.rstrip("\n").split("\t") for line in sys.stdin)
pools = os.environ["CLUSTER_POOLS"].split()
own = {}
for pool in seed.get("storage_pools") or []:
    own[pool["name"]] = dict(pool["config"])
for item in seed["cluster"].get("member_config") or []:
    own.setdefault(item["name"], {})[item["key"]] = item["value"]
for name, config in own.items():
    if "source" in config:
        config["source"] = sources[name]
wanted = pools[0::2] if way == "join" else list(own)
if not all(own[name].get("source") for name in wanted):
    sys.exit("a pool has no source")
if way == "found":
    for pool in seed["storage_pools"]:
        pool["config"] = own[pool["name"]]
    seed["config"]["user.lxseed.founding"] = founding
else:
    # The bootstrap host's own seed says how to found; what it takes to join follows from it.
    seed = {"cluster": {
        "server_name": seed["cluster"]["server_name"], "enabled": True,
        "server_address": address, "cluster_address": peer, "cluster_certificate": open(os.environ["PIN"]).read(),
        "member_config": [{"entity": "storage-pool", "name": name, "key": key, "value": value}
                          for name in wanted for key, value in sorted(own[name].items())]}}
print(json.dumps(seed))
PY

preseed() {
    local peer=''
    [[ $WAY = found ]] || peer=$(at_port "$(address_of "$PEER")")
    pool_sources | CLUSTER_POOLS=$CLUSTER_POOLS PIN=$ETC/tls/cluster.crt python3 -c "$PY_PRESEED" "$ETC/lxd-preseed.yaml" "$WAY" \
        "$(at_port "$ADDRESS")" "$peer" "$(cat "$STATE/marks/founding")"
}

# volumes_become STATE: the volumes whose pools LXD is told of; those without a pool are never told of, and count as made.
volumes_become() {
    local name pool
    for name in "${VOLUME_NAMES[@]}"; do
        pool=$(pool_of "$name")
        if [[ -n $pool && $WAY != found ]] && ! cluster_has_pool "${POOL_NAMES[$pool]}"; then
            continue
        fi
        volume_read "$name"
        [[ $V_STATE = made || $V_STATE = "$1" ]] || volume_state "$name" "$1"
    done
}

feed_preseed() {
    local said status=0
    preseed >"$RUN/preseed" || stop "$ETC/lxd-preseed.yaml does not say where each pool lies; plant the seed anew"
    if [[ $WAY = found ]]; then
        # What is in its configuration becomes the cluster's.
        rm -f "$RUN/told"
        printf '{"config": {"user.lxseed.first-boot": ""}}' | lxd_api PATCH /1.0 >"$RUN/answer" ||
            later "LXD keeps what was told to the desk: $(cat "$RUN/answer")"
    fi
    volumes_become handed
    mark begun
    if [[ $WAY = join ]]; then
        say "joining the cluster $CLUSTER through $PEER"
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
        # An earlier attempt of this host got further than was known when the cluster was asked; the next try looks again.
        [[ $said != *"already has a member with"* ]] || later "the cluster has an entry for this host: $said"
        stop "LXD refuses: $said"
        ;;
    esac
    later "lxd init failed (exit $status): $said"
}

members_listed() { lxd_api GET '/1.0/cluster/members?recursion=1' '[m["server_name"] for m in d]'; }

# LXD's own word is not enough: it must be a member under this name, and the cluster's database must list it. One that was
# cut off inside a join believes that it is a member until it is started again, and the cluster knows nothing of it.
check_membership() {
    local name members
    name=$(lxd_api GET /1.0/cluster 'd["server_name"]') || later "LXD does not answer"
    [[ $name = "$HOST" ]] || stop "this LXD is a member named $name of some cluster, and should be $HOST"
    members=$(members_listed) || later "LXD does not list its members"
    if ! grep -qxF -- "$HOST" <<<"$members"; then
        if marked fresh && ! marked joined; then
            say "LXD calls itself a member, but the cluster does not list $HOST"
            reset_lxd
        fi
        later "the cluster does not list $HOST"
    fi
    if ! marked joined; then
        printf '%s\t%s\t%s\t%s\n' "$HOST" "$ADDRESS" "$CLUSTER" "$(cat "$STATE/marks/founding" 2>/dev/null || echo -)" |
            put "$STATE/formed" 0644
        mark joined "$(instance)"
        rm -f "$RUN/told"
    fi
    read_own_pools
    volumes_become made
    unmark begun
    unmark fresh
    unmark rejoin
    check_founding
}

# What LXD here says of the cluster's pools, once this host is a member.
read_own_pools() {
    CLUSTER_POOLS=$(local_pools lxd_api) || later "LXD does not list its pools: $CLUSTER_POOLS"
    WAY=member
}

# This host's LXD may have been up when a cluster that was founded anew under the same keys reached it.
check_founding() {
    local number
    formed
    number=$(lxd_api GET /1.0 'd["config"].get("user.lxseed.founding")') || later "LXD does not answer"
    if [[ -n $number && -n $F_FOUNDING && $F_FOUNDING != - && $number != "$F_FOUNDING" ]]; then
        stop "this member belongs to the founding $F_FOUNDING of the cluster $CLUSTER, and its LXD follows the founding $number:" \
            "the cluster was founded anew. Stop LXD here (snap stop lxd) before anything is written, and compare both databases"
    fi
}

# -- the bootstrap host

# LXD makes a certificate of its own for a new cluster. Joiners have been told another one at build time, and take its
# appearance as the sign that the cluster stands. Once taken, it is the administrator's: a later rotation is not undone.
take_certificate() {
    if ! marked founded || marked certificate; then
        return 0
    fi
    if cmp -s "$ETC/tls/cluster.crt" "$LXD_DIR/cluster.crt"; then
        mark certificate
        return 0
    fi
    [[ -e $ETC/tls/cluster.key ]] || stop "the cluster's key is not on this host any more, and LXD shows another certificate"
    say "taking the certificate made at build time"
    py 'import json, sys
crt, key = (open(f).read() for f in sys.argv[1:])
print(json.dumps({"cluster_certificate": crt, "cluster_certificate_key": key}))' "$ETC/tls/cluster.crt" "$ETC/tls/cluster.key" |
        API_TIMEOUT=60 lxd_api PUT /1.0/cluster/certificate >"$RUN/answer" || later "LXD does not take the certificate: $(cat "$RUN/answer")"
    mark certificate
}

# -- a joiner

# A join that was cut off late has told the cluster's database of this address already. LXD before 5.0.4 leaves that entry
# behind, and the next join waits for it in vain; this is what `lxd cluster remove-raft-node` does on a member.
forget_earlier_join() {
    local members
    if ! marked rejoin; then
        return 0
    fi
    members=$(ask GET '/1.0/cluster/members?recursion=1' '[m["server_name"] for m in d]') || return 0
    if ! grep -qxF -- "$HOST" <<<"$members" &&
        ask DELETE "/internal/cluster/raft-node/$(at_port "$ADDRESS")" >"$RUN/answer"; then
        say "the cluster has forgotten the earlier attempt of this host"
    fi
}

# Hosts of an earlier position that are not members yet, in their order.
before_me() {
    local members name
    members=$(ask GET '/1.0/cluster/members?recursion=1' '[m["server_name"] for m in d]') || return 0
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
            tell waiting "waiting for its turn after $name"
            told=$name
        fi
        sleep 1
        waited[$name]=$((${waited[$name]:-0} + 1))
        still=$((still + 1))
    done
    [[ -z $line ]] || say "going ahead of ${line% }"
}
