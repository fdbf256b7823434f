
# ---- seal -----------------------------------------------------------------------------------------------------------
# Guarantees: no private key is left on the machine but where its owner keeps it (LXD, sshd), and the next boot is still
# the same instance to cloud-init. On a seed medium that cannot be written the keys stay, and the receipt says so. A seal
# belongs to the instance of cloud-init whose keys were removed: another seed that is planted later is sealed, too.

CLOUD=/var/lib/cloud

stage_seal() {
    local medium
    ready_to_seal || later "this host is not a member yet"
    unsay_sealed
    # cloud-init reads its pickled state at the start of the final stage, in which this service was started.
    wait_for 300 3 "cloud-init to end" cloud_init_ended || say "cloud-init has not ended; going on"
    # Until here each boot plants everything anew, from here on nothing does.
    settle
    keep_instance
    empty_seeds
    empty_copies
    remove_keys
    medium=$(seed_medium)
    if [[ -n $medium ]]; then
        say "the seed medium $medium still holds this host's keys: take it out and lock it away, or destroy it"
    fi
    note_sealed "$medium"
    # Read by bootcmd of the seed, too: until it names the instance, each boot plants everything anew.
    instance | put "$STATE/sealed" 0644
    say_sealed
}

# LXD has its own copy of the member's key from the stage lxd on. Of the cluster's, the host that founds it is the only one
# until LXD has taken it.
ready_to_seal() { marked joined && { ! marked founded || marked certificate; }; }

sealed() { of_this_instance "$STATE/sealed"; }

cloud_init_ended() {
    [[ -e /run/cloud-init/result.json || ! -d /run/cloud-init ]]
}

stub() {
    printf '#cloud-config\n# Sealed by lxseed: what was here has been carried out, and its secrets are gone.\n'
    # Else cloud-init would make its note of the host's name now, and end at every boot once a power cut has emptied that.
    printf 'preserve_hostname: true\n'
}

seed_here() { [[ -e $CLOUD/seed/nocloud/meta-data || -e $CLOUD/seed/nocloud-net/meta-data ]]; }

# Before the first restart of all, since the medium may be pulled at any time. When a seed medium is gone at the next boot and cloud-init is told to use NoCloud without probing, it finds nothing, takes
# the machine for a new instance, makes new SSH host keys and puts DHCP over its network. A seed folder with the same
# instance-id prevents that, and is harmless when the medium is still in.
keep_instance() {
    local id
    if seed_here || [[ ! -e $CLOUD/data/instance-id ]]; then
        return 0
    fi
    id=$(cat "$CLOUD/data/instance-id")
    say "keeping the instance $id in $CLOUD/seed/nocloud"
    stub | put "$CLOUD/seed/nocloud/user-data" 0600
    printf '{"instance-id": "%s"}\n' "$id" | put "$CLOUD/seed/nocloud/meta-data" 0644
}

empty_seeds() {
    local file
    for file in "$CLOUD"/seed/nocloud/user-data "$CLOUD"/seed/nocloud-net/user-data; do
        if [[ -e $file ]] && ! cmp -s "$file" <(stub); then
            stub | put "$file" 0600
        fi
    done
}

# cloud-init keeps what it was given: as read, with includes resolved, merged, and pickled with its data source. Without
# the pickle it looks for its data source anew, and finds the stub with the same instance-id. /run has a copy until the
# next boot.
empty_copies() {
    local file
    for file in "$CLOUD"/instances/*/user-data.txt "$CLOUD"/instances/*/user-data.txt.i \
        "$CLOUD"/instances/*/cloud-config.txt; do
        if [[ -e $file ]] && ! cmp -s "$file" <(stub); then
            stub | put "$file" 0600
        fi
    done
    # Up to 18.3 instance-data.json has all of user-data in it; there is no other file of that kind then.
    rm -f "$CLOUD"/instances/*/obj.pkl /run/cloud-init/instance-data.json /run/cloud-init/instance-data-sensitive.json \
        /run/cloud-init/combined-cloud-config.json
}

# With the medium left in, or with the same seed planted once more, cloud-init lays its copies down anew at the next boot, and
# to this script nothing is left to do. What cloud-init makes of the stub looks different, but for the one file.
seal_again() {
    local seconds=0
    until cloud_init_ended || ((seconds >= 300)); do
        sleep 3
        seconds=$((seconds + 3))
    done
    if keys_lie_open; then
        empty_seeds
        empty_copies
        remove_keys
    fi
}

keys_lie_open() {
    local file
    for file in "$CLOUD"/seed/nocloud/user-data "$CLOUD"/seed/nocloud-net/user-data "$CLOUD"/instances/*/user-data.txt; do
        if [[ -e $file ]] && ! cmp -s "$file" <(stub); then
            return 0
        fi
    done
    for file in "$ETC"/tls/*.key "$ETC"/tls/*.gone; do
        [[ ! -e $file ]] || return 0
    done
    return 1
}

overwrite() {
    if [[ -e $1 ]]; then
        shred "$1"
        rm "$1"
    fi
}

# Only once this host is a member: then LXD has its own. A seed that came later has keys that nothing here needs, and all of
# them can be built again. Overwriting first helps on plain disks and does no harm on others.
remove_keys() {
    local key
    for key in server cluster; do
        if [[ -e $ETC/tls/$key.key ]]; then
            # What an earlier run was cut off in is not to be replaced before it is overwritten.
            overwrite "$ETC/tls/$key.gone"
            # Half overwritten under its own name it would be taken for another identity's.
            mv "$ETC/tls/$key.key" "$ETC/tls/$key.gone"
            sync "$ETC/tls"
        fi
        overwrite "$ETC/tls/$key.gone"
    done
    sync "$ETC/tls"
    rm -f "$RUN/preseed"
}

seed_medium() { blkid -o device -t LABEL=cidata 2>/dev/null | sed -n 1p || true; }

# The last word in the receipt: what each stage took, and whether the keys are gone.
note_sealed() {
    local new stage
    # A pool that cannot be used keeps the receipt from being written, and not the keys from going.
    [[ -e $RECEIPT ]] || return 0
    new=$(for stage in "${STAGES[@]}"; do
        [[ ! -e $STATE/stages/$stage.seconds ]] || printf '%s %s\n' "$stage" "$(cat "$STATE/stages/$stage.seconds")"
    done | py 'import json, sys, time
receipt = json.load(open(sys.argv[1]))
seconds = {name: int(spent) for name, spent in (line.split() for line in sys.stdin)}
medium = sys.argv[2] or None
if (receipt.get("sealed") or {}).get("medium_with_keys", 0) != medium:
    receipt["seconds"] = seconds
    receipt["sealed"] = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "medium_with_keys": medium}
    print(json.dumps(receipt, indent=2))' "$RECEIPT" "$1")
    [[ -z $new ]] || put "$RECEIPT" 0644 <<<"$new"
}
