
# ---- verify ---------------------------------------------------------------------------------------------------------
# Guarantees: the cluster sees this host ONLINE and all its pools are usable here, and a receipt says what came to be.
# The host that founded also waits for the others, but not for ever: what it has told them stays valid for who comes late.

stage_verify() {
    local missing='' quick=$((60 + 5 * ${#MEMBERS[@]}))
    start_lxd
    wait_for 180 1 "this member to be online" online || later "the cluster does not see $HOST online"
    read_own_pools
    check_pools
    tell_ready
    if marked founded; then
        # On a first day they come within a minute and some seconds for each; who does not is looked for seldom.
        if ! wait_for "$quick" 1 "all ${#MEMBERS[@]} members" all_let_in &&
            ! wait_for $((600 - quick)) 20 "all ${#MEMBERS[@]} members, $(absent)not being online" all_let_in; then
            missing=$(absent)
            say "not online yet: $missing- they may still come; this host goes on"
        else
            say "all ${#MEMBERS[@]} members are online"
        fi
    fi
    write_receipt "$missing"
}

members_online() {
    lxd_api GET '/1.0/cluster/members?recursion=1' '[m["server_name"] for m in d if m["status"] == "Online"]'
}

online() { members_online 2>/dev/null | grep -xF -- "$HOST" >/dev/null; }

absent() {
    local name seen
    seen=$(members_online || true)
    for name in "${MEMBERS[@]}"; do
        grep -qxF -- "$name" <<<"$seen" || printf '%s ' "$name"
    done
}

# A joiner that takes its own half-made membership back loses its trust with it, and leaves word of that. To look for it is a
# dozen processes, so not each time.
LOOKS=0
all_let_in() {
    local missing
    missing=$(absent)
    if [[ -n $missing ]]; then
        ((LOOKS % 10 != 0)) || trust_declared
        LOOKS=$((LOOKS + 1))
        return 1
    fi
}

# "Created" is said of the cluster's pool as a whole; that it can be used here shows only in asking for its space here.
check_pools() {
    local pool answer
    say_pools_not_there
    for pool in "${POOL_NAMES[@]}"; do
        cluster_has_pool "$pool" || continue
        answer=$(lxd_api GET "/1.0/storage-pools/$pool?target=$HOST" 'd["status"]') || later "pool $pool is not on this member: $answer"
        [[ $answer = Created ]] || later "pool $pool is $answer on this member"
        # LXD cannot tell how full an LVM thin pool is while nothing on it is in use, as after a reboot.
        answer=$(lxd_api GET "/1.0/storage-pools/$pool/resources?target=$HOST") || [[ $answer = "Not supported" ]] ||
            later "pool $pool cannot be used here: $answer"
    done
}

read -r -d '' PY_RECEIPT <<'PY' || true
import json, os, platform, sys, time
text = sys.stdin.read().split("\0")
fact = dict(zip(text[0::2], text[1::2]))
rows = lambda key: [line.split("\t") for line in fact.get(key, "").split("\n") if line]
receipt = {
    "format": 1,
    "host": fact["host"], "cluster": fact["cluster"], "role": fact["role"], "address": fact["address"],
    "versions": {"release": fact["release"], "kernel": platform.release(), "snapd": fact["snapd"], "lxd": fact["lxd"],
                 "lxd_revision": fact["revision"]},
    "certificates": {"server": fact["server"], "cluster": fact["cluster_certificate"]},
    "pools": [{"name": n, "driver": d, "volume": v, "source": s} for n, d, v, s in rows("pools")],
    "volumes": [{"name": n, "kind": k, "device": d, "disks": s.split()} for n, k, d, s in rows("volumes")],
    "disks": [{"slot": n, "device": d, "serial": s, "bytes": int(b)} for n, d, s, b in rows("disks")],
    "founding": fact["founding"], "pools_not_in_cluster": fact["lacking"].split(),
}
# Only the host that founded waits for the others; what a joiner sees of them depends on who was faster.
if fact["founded"]:
    receipt.update(members=fact["members"].split(), missing=fact["missing"].split())
path = sys.argv[1]
try:
    old = json.load(open(path))
except (OSError, ValueError):
    old = {}
# The same facts, the same file: a run that changed nothing leaves the receipt as it is.
if all(old.get(key) == value for key, value in receipt.items()):
    sys.exit(0)
receipt["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
receipt["sealed"] = old.get("sealed")
print(json.dumps(receipt, indent=2))
PY

write_receipt() {
    local i new members
    # Inside the pipe below a failure would only leave the list empty.
    members=$(members_online | tr '\n' ' ') || later "LXD does not list its members"
    look_at_disks
    snapd_answers || true
    for i in "${!SLOT_NAMES[@]}"; do
        SLOT_DISK[i]=$(disks_of_slot "$i" | sed -n 1p)
    done
    new=$({
        printf '%s\0' host "$HOST" cluster "$CLUSTER" role "$ROLE" address "$ADDRESS" release "$UBUNTU"
        printf '%s\0' snapd "$SNAPD" lxd "$(timeout 30 "$LXD" --version)"
        printf '%s\0' revision "$(snap list lxd | awk '$1 == "lxd" { print $3 }')"
        printf '%s\0' server "$(fingerprint "$LXD_DIR/server.crt")" cluster_certificate "$(fingerprint "$LXD_DIR/cluster.crt")"
        formed
        printf '%s\0' founding "$F_FOUNDING" lacking "$(pools_not_there)" founded "$(cat "$STATE/marks/founded" 2>/dev/null || true)"
        printf 'pools\0'
        for i in "${!POOL_NAMES[@]}"; do
            cluster_has_pool "${POOL_NAMES[$i]}" || continue
            volume_read "${POOL_VOLUMES[$i]}"
            printf '%s\t%s\t%s\t%s\n' "${POOL_NAMES[$i]}" "${POOL_DRIVERS[$i]}" "${POOL_VOLUMES[$i]}" "$V_SOURCE"
        done
        printf '\0volumes\0'
        for i in "${!VOLUME_NAMES[@]}"; do
            volume_read "${VOLUME_NAMES[$i]}"
            printf '%s\t%s\t%s\t%s\n' "${VOLUME_NAMES[$i]}" "${VOLUME_KINDS[$i]}" "$V_DEVICE" "$V_DISKS"
        done
        printf '\0disks\0'
        for i in "${!SLOT_NAMES[@]}"; do
            [[ -z ${SLOT_DISK[$i]} ]] || printf '%s\t%s\t%s\t%s\n' "${SLOT_NAMES[$i]}" "/dev/${SLOT_DISK[$i]}" \
                "$(serial "${SLOT_DISK[$i]}")" "$(size_of "${SLOT_DISK[$i]}")"
        done
        printf '\0members\0%s\0missing\0%s\0' "$members" "$1"
    } | py "$PY_RECEIPT" "$RECEIPT")
    if [[ -n $new ]]; then
        put "$RECEIPT" 0644 <<<"$new"
        say "the receipt is $RECEIPT"
    fi
}
