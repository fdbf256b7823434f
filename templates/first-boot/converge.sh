
# ---- converge -------------------------------------------------------------------------------------------------------
# A member that meets another seed than the one it joined with. Guarantees: the new seed's keys are gone before anything
# else; then what may change follows the seed (members' names and addresses, trust, new volumes on blank disks). Nothing is
# founded, joined, evicted, emptied or restarted. Each step is taken once, whatever the others end with.

CONVERGE=${CONVERGE:-}
CONVERGE_STEPS=(disks proxies pools trust verify)

joined_otherwise() { marked joined && ! of_this_instance "$STATE/marks/joined"; }

converge() {
    local pause=5 status
    export CONVERGE=yes
    say "this machine is a member already, and has been given the seed $(instance): it seals, and follows what may change"
    while :; do
        status=0
        converge_once || status=$?
        case $status in
        0 | "$NEEDS_A_PERSON") return "$status" ;;
        esac
        say "not all of it is done; next try in $pause s"
        sleep "$pause"
        pause=$((pause < 60 ? pause * 2 : 120))
    done
}

# What a person has to decide outweighs what time may mend.
converge_once() {
    local step status worst=0
    for step in seal same_member "${CONVERGE_STEPS[@]}"; do
        status=0
        attempt "$step" || status=$?
        if ((status != 0 && worst != NEEDS_A_PERSON)); then
            worst=$status
        fi
        if [[ $step = same_member && $status != 0 ]]; then
            break
        fi
    done
    return "$worst"
}

# In a process of its own, as the stages are.
attempt() { LXSEED_LOCKED=yes "$SELF" converge "$1"; }

converge_step() {
    case $1 in
    seal) stage_seal ;;
    same_member) same_member ;;
    disks) stage_disks ;;
    proxies)
        guard_starts
        bypass_proxies
        ;;
    pools)
        start_lxd
        read_own_pools
        say_pools_not_there
        say_pools_undeclared
        tell_ready
        ;;
    trust)
        start_lxd
        check_founding
        [[ $ROLE != bootstrap ]] || trust_declared
        ;;
    verify)
        start_lxd
        read_own_pools
        check_pools
        write_receipt ''
        ;;
    esac
}

# LXD is bound to the name and the address it joined with, and its keys to those that the others trust.
same_member() {
    formed
    if [[ -n $F_HOST && "$F_HOST $F_ADDRESS $F_CLUSTER" != "$HOST $ADDRESS $CLUSTER" ]]; then
        stop "this machine was formed as $F_HOST ($F_ADDRESS) of the cluster $F_CLUSTER, and the seed is for $HOST ($ADDRESS) of" \
            "$CLUSTER: nothing is tried, and the seed's keys were removed. A member keeps its name and its address for life"
    fi
    if ! cmp -s "$ETC/tls/server.crt" "$LXD_DIR/server.crt"; then
        say_once generation "$(fingerprint "$ETC/tls/server.crt")" "the seed has another key for $HOST than the one it is a member" \
            "under (another generation, or another site secret); it keeps that one, and the new key was removed"
    fi
}

# What the cluster has and the profile does not is left alone.
say_pools_undeclared() {
    local name undeclared=''
    while IFS=$'\t' read -r name _; do
        [[ -z $name ]] || index_of "$name" "${POOL_NAMES[@]}" >/dev/null || undeclared+="$name "
    done <<<"$CLUSTER_POOLS"
    if [[ -n $undeclared ]]; then
        say_once undeclared-pools "$undeclared" "the cluster has the pools $(pool_list), and the profile has" \
            "$(words_list "${POOL_NAMES[@]}"): ${undeclared}stays as it is"
    fi
}
