
# ---- main -----------------------------------------------------------------------------------------------------------
# Runs the stages in order, each in a process of its own; a stage that may succeed later is tried again with growing
# pauses, for ever; a stage that needs a person ends the run. Every stage looks at the machine first and does what is
# missing, so a run begins with the first stage each time, whatever was cut off before.

usage() {
    cat <<USAGE
usage: lxseed-firstboot                    run all stages, and wait for what is not there yet
       lxseed-firstboot STAGE              run one stage once: ${STAGES[*]}
       lxseed-firstboot status             where this machine stands, and what its LXD says
       lxseed-firstboot trust NAME [FILE]  let the host NAME into the cluster; FILE is its server.crt from out/

Exit: 0 done, $TRY_AGAIN to be tried again, $NEEDS_A_PERSON a person has to decide. The service of that name runs it at boot.
USAGE
}

# How a volume is now: a mirror that has lost a disk runs on, and nobody would hear of it. Reads only what everybody may.
volume_health() {
    local kind=$1 array known there degraded lost=''
    case $kind in
    mirror)
        array=/sys/block/$(basename "$(readlink -f "$V_DEVICE")")
        if [[ ! -e $array/md/degraded ]]; then
            echo "MISSING: its array does not run"
            return 0
        fi
        degraded=$(cat "$array/md/degraded")
        # md counts a disk in until its next access to it fails. That one is gone shows earlier, in a link to nowhere.
        for known in "$array"/md/dev-*/block; do
            [[ -e $known ]] || degraded=1
        done
        if [[ $(cat "$array/md/sync_action") = recover ]]; then
            echo "rebuilding"
        elif [[ $degraded = 0 ]]; then
            echo "clean"
        else
            there=$(for known in "$array"/slaves/*; do serial "${known##*/}"; done)
            for known in $V_DISKS; do
                grep -qxF -- "$known" <<<"$there" || lost+=" $known"
            done
            echo "DEGRADED: runs without the disk${lost:+ with serial$lost}; to rebuild: mdadm $V_DEVICE --add DISK"
        fi
        ;;
    zfs_mirror) zpool list -H -o health "$V_DEVICE" 2>/dev/null || echo "MISSING: its zpool is not imported" ;;
    *) if [[ -b $V_DEVICE ]]; then echo "there"; else echo "MISSING: no disk with serial $V_DISKS"; fi ;;
    esac
}

status() {
    local stage when i
    printf '%s: %s of the cluster %s (%s)\n' "$HOST" "$ROLE" "$CLUSTER" "$ENDPOINT"
    for stage in "${STAGES[@]}"; do
        when=$(cat "$STATE/stages/$stage.done" 2>/dev/null || echo '-')
        printf '  %-10s %-22s %s\n' "$stage" "$when" \
            "$(sed 's/$/ s/' "$STATE/stages/$stage.seconds" 2>/dev/null || true)"
    done
    for i in "${!VOLUME_NAMES[@]}"; do
        volume_read "${VOLUME_NAMES[$i]}"
        case $V_STATE in
        '' | making) ;;
        *) printf '  %-10s %-22s %s\n' "${VOLUME_NAMES[$i]}" "$V_DEVICE" "$(volume_health "${VOLUME_KINDS[$i]}")" ;;
        esac
    done
    if [[ -e $STATE/problem ]]; then
        printf 'STOPPED at %s\n' "$(cat "$STATE/problem")"
    elif ! marked joined; then
        printf 'NOT DONE: %s\n' "$(cat "$RUN/last" 2>/dev/null || echo "not a member yet")"
    elif [[ $EUID != 0 ]]; then
        printf 'was a member when it was set up; LXD cannot be asked without root\n'
    else
        cluster_now
    fi
    py 'import json, sys
medium = (json.load(open(sys.argv[1])).get("sealed") or {}).get("medium_with_keys")
if medium:
    print("the seed medium %s still holds this host'"'"'s keys" % medium)' "$RECEIPT" 2>/dev/null || true
}

# What this host's LXD says at this moment; a stamp of the first boot says nothing of today.
cluster_now() {
    local answer members
    if ! answer=$(API_TIMEOUT=5 lxd_api GET /1.0/cluster); then
        if grep -Eqs 'other cluster (nodes|members) to (upgrade|align)' <(tail -n 50 "$LXD_DIR/logs/lxd.log" 2>/dev/null); then
            echo "NOT DONE: LXD waits for the other members to run its version; until then it answers nobody"
        else
            echo "NOT DONE: LXD does not answer (${answer:-no reason}): is a majority of the cluster's members on?"
        fi
    elif [[ $(json 'd["enabled"]' <<<"$answer") != True ]]; then
        echo "NOT DONE: this LXD is in no cluster any more; it was a member of $CLUSTER"
    elif ! members=$(API_TIMEOUT=5 lxd_api GET '/1.0/cluster/members?recursion=1'); then
        echo "NOT DONE: the cluster does not answer (${members:-no reason}): is a majority of its members on?"
    else
        json "'%s: member of the cluster $CLUSTER, %d of %d members online; the receipt is $RECEIPT' % (
            'done' if any(m['server_name'] == '$HOST' and m['status'] == 'Online' for m in d) else 'NOT DONE: this member is not online',
            len([m for m in d if m['status'] == 'Online']), len(d))" <<<"$members"
    fi
    if ! sealed; then
        echo "not sealed: private keys of the seed $(instance) are on this machine"
    fi
}

# In the process of the stage.
run_stage() {
    local began=$SECONDS spent
    STAGE=$1
    # shellcheck disable=SC2154 # status is set by the trap itself
    trap 'unexpected "$?" "$LINENO" "$BASH_COMMAND"' ERR
    mkdir -p "$RUN" "$STATE/stages"
    "stage_$1"
    trap - ERR
    if [[ ! -e $STATE/stages/$1.done ]]; then
        spent=$(cat "$STATE/stages/$1.seconds" 2>/dev/null || echo 0)
        printf '%s\n' $((spent + SECONDS - began)) | put "$STATE/stages/$1.seconds" 0644
        date -u +%Y-%m-%dT%H:%M:%SZ | put "$STATE/stages/$1.done" 0644
        say "done"
    fi
}

# The instance whose work is complete: nothing is left to do until another seed is planted.
complete() { of_this_instance "$STATE/complete"; }

run_all() {
    local status=0
    if complete; then
        seal_again
        tell_done
        return 0
    fi
    unsay_sealed
    # What was seen at the start of LXD is true until it starts again.
    [[ $(cat "$STATE/problem" 2>/dev/null) = guard:* ]] || rm -f "$STATE/problem"
    if joined_otherwise; then
        converge || status=$?
    else
        first_boot
    fi
    if [[ $status = 0 ]]; then
        instance | put "$STATE/complete" 0644
        say "all is done"
        tell_done
    fi
    return "$status"
}

first_boot() {
    local stage status pause
    say "$ROLE of the cluster $CLUSTER"
    for stage in "${STAGES[@]}"; do
        pause=5
        STAGE=$stage tell working
        while :; do
            status=0
            # A process of its own: `set -e` is off inside a function whose status is looked at.
            LXSEED_LOCKED=yes "$SELF" "$stage" || status=$?
            case $status in
            0) break ;;
            "$NEEDS_A_PERSON")
                seal_early
                exit "$NEEDS_A_PERSON"
                ;;
            esac
            seal_early
            say "$stage ended with $status; next try in $pause s"
            sleep "$pause"
            pause=$((pause < 60 ? pause * 2 : 120))
        done
    done
}

# The keys go as soon as this host is a member, whatever another stage still waits for.
seal_early() {
    if ready_to_seal && ! sealed; then
        LXSEED_LOCKED=yes "$SELF" seal || true
    fi
}

main() {
    local busy
    case ${1:-} in
    -h | --help | help)
        usage
        return 0
        ;;
    status)
        status
        return 0
        ;;
    guard | trust) ;;
    converge) [[ -n ${LXSEED_LOCKED:-} ]] || return 64 ;;
    *)
        if [[ $# -gt 1 ]] || [[ $# = 1 && -z $(index_of "$1" "${STAGES[@]}" || true) ]]; then
            usage >&2
            return 64
        fi
        ;;
    esac
    if [[ ${1:-} = trust && ($# -lt 2 || $# -gt 3) ]]; then
        usage >&2
        return 64
    fi
    if [[ $EUID != 0 ]]; then
        echo "lxseed-firstboot: has to run as root" >&2
        return 77
    fi
    mkdir -p "$RUN" "$STATE"
    case ${1:-} in
    # systemd runs it when a stage starts LXD, and that stage holds the lock.
    guard)
        guard
        return
        ;;
    # While a bootstrap host waits for its members, a person must not have to.
    trust)
        trust_host "${@:2}"
        return
        ;;
    esac
    if [[ -z ${LXSEED_LOCKED:-} ]]; then
        # One run at a time. The lock is not handed down (-o): a daemon that a stage starts would hold it for ever.
        LXSEED_LOCKED=yes flock -n -o -E 73 "$RUN/lock" "$SELF" "$@" || busy=$?
        if [[ ${busy:-0} = 73 ]]; then
            echo "lxseed-firstboot: another run is at work; see lxseed-firstboot status" >&2
            busy=$TRY_AGAIN
        fi
        return "${busy:-0}"
    fi
    case ${1:-} in
    '') run_all ;;
    converge)
        STAGE=$2
        # shellcheck disable=SC2154 # status is set by the trap itself
        trap 'unexpected "$?" "$LINENO" "$BASH_COMMAND"' ERR
        converge_step "$2"
        ;;
    *) run_stage "$1" ;;
    esac
}

# A block is read to its end before it runs: cloud-init may write this file anew meanwhile, and bash would go on reading in the middle
# of the new one.
if [[ -n $SELF ]]; then
    main "$@"
    exit
fi
