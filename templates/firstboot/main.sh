
# ---- main -----------------------------------------------------------------------------------------------------------
# Runs the stages in order, each in a process of its own; a stage that may succeed later is tried again with growing
# pauses, for ever; a stage that needs a person ends the run. Every stage looks at the machine first and does what is
# missing, so a run begins with the first stage each time, whatever was cut off before.

usage() {
    cat <<USAGE
usage: lxseed-firstboot            run all stages, and wait for what is not there yet
       lxseed-firstboot STAGE      run one stage once: ${STAGES[*]}
       lxseed-firstboot status     where this machine stands

Exit: 0 done, $TRY_AGAIN to be tried again, $NEEDS_A_PERSON a person has to decide. Run as the service lxseed-firstboot it starts at
boot and goes on until the machine is sealed; see 'journalctl -u lxseed-firstboot'.
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
    elif [[ -e $STATE/stages/seal.done ]]; then
        printf 'done; the receipt is %s\n' "$RECEIPT"
        python3 -c 'import json, sys
medium = (json.load(open(sys.argv[1])).get("sealed") or {}).get("medium_with_keys")
if medium:
    print("the seed medium %s still holds this host'"'"'s keys" % medium)' "$RECEIPT" 2>/dev/null || true
    elif [[ -e $RUN/last ]]; then
        printf 'last: %s\n' "$(cat "$RUN/last")"
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

run_all() {
    local stage status pause
    rm -f "$STATE/problem"
    say "$ROLE of the cluster $CLUSTER"
    for stage in "${STAGES[@]}"; do
        pause=5
        while :; do
            status=0
            # A process of its own: `set -e` is off inside a function whose status is looked at.
            LXSEED_LOCKED=yes "$SELF" "$stage" || status=$?
            case $status in
            0) break ;;
            "$NEEDS_A_PERSON") exit "$NEEDS_A_PERSON" ;;
            esac
            say "$stage ended with $status; next try in $pause s"
            sleep "$pause"
            pause=$((pause < 60 ? pause * 2 : 120))
        done
    done
    say "all stages are done"
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
    esac
    if [[ $# -gt 1 ]] || [[ $# = 1 && -z $(index_of "$1" "${STAGES[@]}" || true) ]]; then
        usage >&2
        return 64
    fi
    if [[ $EUID != 0 ]]; then
        echo "lxseed-firstboot: has to run as root" >&2
        return 77
    fi
    mkdir -p "$RUN" "$STATE"
    if [[ -z ${LXSEED_LOCKED:-} ]]; then
        # One run at a time. The lock is not handed down (-o): a daemon that a stage starts would hold it for ever.
        LXSEED_LOCKED=yes flock -n -o -E 73 "$RUN/lock" "$SELF" "$@" || busy=$?
        if [[ ${busy:-0} = 73 ]]; then
            echo "lxseed-firstboot: another run is at work; see lxseed-firstboot status" >&2
            busy=$TRY_AGAIN
        fi
        return "${busy:-0}"
    fi
    if [[ $# = 1 ]]; then
        run_stage "$1"
    else
        run_all
    fi
}

main "$@"
