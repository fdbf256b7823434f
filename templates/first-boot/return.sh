
# ---- return ---------------------------------------------------------------------------------------------------------
# A member whose system disk died, installed anew beside its own data disks, comes back as itself. Guarantees: a pool is taken for this
# member's own only where it is the very one that the cluster has on record for it; nothing is done before the desk says so, and
# nothing is erased but what LXD made for itself since this installation. Wherever it is cut off, LXD starts as nobody or as that
# member: the cluster's certificate is put in its place last, and without it no member speaks to this one.
#
# returning: the desk has said so, and the cluster's key is here. It goes once LXD is that member.

# Why what is on the disks does not come back by itself.
WHY_NOT='that takes a desk, and a cluster that answers'

# Returns at once but on a member that is on record, away, and has its pools here; then once the desk says so.
await_return() {
    local own lost key text pool spent=0
    if marked returning || marked joined || ! marked fresh || ! has_desk || ! holds_pools; then
        return 0
    fi
    if ! find_peer "$(survey)" || ! trusted_by_peer; then
        return 0
    fi
    read_record
    if [[ -z $RECORD ]]; then
        WHY_NOT="the cluster $CLUSTER has no member $HOST on record"
        return 0
    elif [[ $RECORD != Offline ]]; then
        decide_on_record
    fi
    own=$(sql global "SELECT p.name || ' ' || driver || ' ' || value FROM storage_pools_config JOIN storage_pools p ON p.id = storage_pool_id \
WHERE node_id = (SELECT id FROM nodes WHERE name = '$HOST') AND key = CASE driver WHEN 'zfs' THEN 'zfs.pool_name' \
WHEN 'lvm' THEN 'lvm.vg_name' ELSE 'source' END ORDER BY p.name" '[r[0] for r in list(d.values())[0][0]["rows"]]') ||
        later "the cluster does not list its pools: ${own#\? }"
    WHY_NOT=$(not_as_on_record "$own")
    if [[ -n $WHY_NOT ]]; then
        WHY_NOT="of what the cluster $CLUSTER has on record for $HOST, $WHY_NOT"
        return 0
    fi
    lost=$(on_record)
    text="$HOST is on record in the cluster $CLUSTER, offline, with ${lost:-no instance and no volume}, and its own pools are on the"
    text+=" disks here: they were left untouched. To bring it back with them: $(at_desk return "$CLUSTER/$HOST")"
    tell waiting "$text"
    while :; do
        key=$(lxd_api GET /1.0 'd["config"].get("user.lxseed.return")') || later "LXD does not answer"
        [[ -z $key ]] || break
        ((spent % 60)) || say "waiting: $text"
        ((spent < 600)) || later "$text"
        sleep 3
        spent=$((spent + 3))
    done
    # Not by `<<<`, for which bash writes a file.
    printf '%s\n' "$key" | put "$ETC/tls/cluster.key" 0600
    pair_fits "$ETC/tls/cluster.crt" "$ETC/tls/cluster.key" || later "this is not the cluster's key"
    read_founding
    while read -r pool _; do
        own_volume "$pool"
    done <<<"$own"
    mark returning
}

# sql global|local QUERY EXPRESSION: of PEER. Only a member's certificate may ask this.
sql() { printf '{"database": "%s", "query": "%s"}' "$1" "$2" | ask POST /internal/sql "$3"; }

# The slots of a pool's volume that have a disk.
slots_of_pool() {
    local i j
    i=$(index_of "${POOL_VOLUMES[$1]}" "${VOLUME_NAMES[@]}")
    for j in "${!SLOT_NAMES[@]}"; do
        if [[ -n ${SLOT_DISK[$j]} && (${SLOT_NAMES[$j]} = "${VOLUME_FIRST[$i]}" || ${SLOT_NAMES[$j]} = "${VOLUME_SECOND[$i]}") ]]; then
            echo "$j"
        fi
    done
}

# Where a person has allowed to empty a disk, that is what shall be done.
holds_pools() {
    local i slot found=1
    for i in "${!POOL_NAMES[@]}"; do
        volume_read "${POOL_VOLUMES[$i]}"
        for slot in $(slots_of_pool "$i"); do
            [[ -z ${SLOT_WIPE[$slot]} ]] || return 1
            [[ -z $V_STATE ]] || continue
            look_into "${SLOT_DISK[$slot]}"
            [[ -z $(layer ours) ]] || found=0
        done
    done
    return "$found"
}

# What of the pools on record is not here, in words. LXD knows a btrfs by its UUID, but a zpool and a volume group by their name and a
# folder by its path, which are the same on every member: those have to be this host's by what else they say, or lie on a disk that
# the profile knows by more than its place. The other half of a mirror may be a new disk.
not_as_on_record() {
    local pool driver value i slot wanted on here differs=''
    while read -r pool driver value; do
        if ! i=$(index_of "$pool" "${POOL_NAMES[@]}"); then
            differs+="${differs:+; }the pool ${pool:-of any name} is not in the profile"
            continue
        fi
        case $driver in
        btrfs) wanted="id btrfs ${value##*/} " ;;
        zfs) wanted="id zpool [0-9]* ${value%%/*} " ;;
        lvm) wanted="id lvm vg [^ ]* $value\$" ;;
        # lxseed makes it, with the pool's name for a label.
        *) wanted="id ext4 .* $(sed -n 's|^/srv/lxseed/\([^/]*\)/lxd$|\1|p' <<<"$value")\$" ;;
        esac
        on='' here=''
        for slot in $(slots_of_pool "$i"); do
            look_into "${SLOT_DISK[$slot]}"
            if ! layer host | grep -vxF "$HOST" >/dev/null &&
                [[ $driver != dir || ${SLOT_BY[$slot]} != by_path || -n $(layer host) ]] &&
                tr '\t' ' ' <"$RUN/layers" | grep "^$wanted" >/dev/null; then
                here=yes
            elif [[ -n $(layer on) ]]; then
                on=yes
            fi
        done
        if [[ -n $on || -z $here ]]; then
            differs+="${differs:+; }the pool $pool ($driver $value) is not on its disk"
        fi
    done <<<"$1"
    echo "$differs"
}

# own_volume POOL: its volume is what LXD has had in use since long ago.
own_volume() {
    local i volume kind serials device slot
    i=$(index_of "$1" "${POOL_NAMES[@]}")
    volume=${POOL_VOLUMES[$i]}
    kind=${VOLUME_KINDS[$(index_of "$volume" "${VOLUME_NAMES[@]}")]}
    serials=$(for slot in $(slots_of_pool "$i"); do serial "${SLOT_DISK[$slot]}"; done | paste -sd' ')
    if [[ ${POOL_DRIVERS[$i]} = zfs ]]; then
        own_zpool "$i"
    fi
    case $kind in
    device) device=$(stable_path "${SLOT_DISK[$(slots_of_pool "$i")]}") ;;
    mirror) device=/dev/md/$volume ;;
    zfs_mirror) device=$1 ;;
    esac
    volume_write "$volume" made "$device" "$device" "$serials"
}

# The system that died had a hostid of its own, perhaps, and never exported the pool: nobody but who knows that it is gone may import it
# by force, and LXD does not. From then on it is this system's. By its GUID: there may be another one of that name.
own_zpool() {
    local slot tool
    slot=$(slots_of_pool "$1")
    look_into "${SLOT_DISK[${slot##*$'\n'}]}"
    for tool in $(zpool_tools); do
        if quietly timeout 120 "$tool" import -f -N -d /dev/disk/by-id "$(layer part | sed -n 's/^zpool\t\([0-9]*\).*/\1/p')"; then
            return 0
        fi
    done
}

# comes_back DATABASE ADDRESS: from the member list as a living member has it. dqlite founds a database of its own in an empty folder
# for the member with number 1, and never where a term is on record; so it has one here, and the leader sends the rest. The desk has
# had this member's vote taken before, and LXD gives it a new one when its copy is whole: nobody counts a vote that was forgotten.
read -r -d '' PY_RETURN <<'PY' || true
import json, os, sqlite3, struct, sys
folder, address = sys.argv[1:]
told = [json.loads(line) for line in sys.stdin]
if address not in str(told[0]["rows"]):
    sys.exit("the database has no node at " + address)
os.makedirs(folder + "/global", 0o750, exist_ok=True)
with open(folder + "/global/metadata1", "wb") as file:
    file.write(struct.pack("<4Q", 1, 1, 1, 0))
    file.flush()
    os.fsync(file.fileno())
db = sqlite3.connect(folder + "/local.db")
own = {"columns": ["key", "value"], "rows": [["core.https_address", address], ["cluster.https_address", address]]}
with db:
    for table, rows in zip(("raft_nodes", "certificates", "config"), told + [own]):
        names = rows["columns"]
        db.execute("DELETE FROM " + table)
        db.executemany("INSERT INTO %s (%s) VALUES (%s)" % (table, ",".join(names), ",".join("?" * len(names))), rows["rows"])
db.close()
PY

come_back() {
    local table told=''
    marked returning || return 0
    if [[ ! -e $LXD_DIR/cluster.crt ]]; then
        if ! find_peer "$(survey)" || ! trusted_by_peer; then
            later "the cluster $CLUSTER does not answer. $(at_desk status)"
        fi
        read_record
        if [[ $RECORD != Offline ]]; then
            # Given up at the desk meanwhile, or a second machine.
            overwrite "$ETC/tls/cluster.key"
            printf '{"config": {"user.lxseed.return": ""}}' | lxd_api PATCH /1.0 >"$RUN/answer" || true
            rm -rf "$STATE/volumes"
            unmark returning
            decide_on_record
            later "$HOST is not on record"
        fi
        for table in raft_nodes certificates; do
            told+=$(sql "local" "SELECT * FROM $table" 'json.dumps(list(d.values())[0][0])')$'\n' || later "the cluster does not list its members"
        done
        say "coming back as the member $HOST of the cluster $CLUSTER, as $PEER has it on record"
        stop_lxd
        # The key came through it.
        [[ ! -d $LXD_DIR/database/global ]] || find "$LXD_DIR/database/global" -type f -exec shred -u {} +
        py "$PY_RETURN" "$LXD_DIR/database" "$(at_port "$ADDRESS")" <<<"${told%$'\n'}" || later "$LXD_DIR/database cannot be written"
        sync "$LXD_DIR"/database/*
        put "$LXD_DIR/cluster.key" 0600 <"$ETC/tls/cluster.key"
        put "$LXD_DIR/cluster.crt" 0644 <"$ETC/tls/cluster.crt"
    fi
    unmark fresh
    unmark returning
    start_lxd
}
