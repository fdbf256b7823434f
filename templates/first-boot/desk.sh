
# ---- desk -----------------------------------------------------------------------------------------------------------
# What the desk, which has the site secret, can read of this machine: where its first boot stands, in the words of the journal. It
# lies in LXD's own configuration, and in the cluster's once this host is a member; the desk's certificate, which came with the
# seed, opens it. No cluster needs this to form: what fails here is left undone, within seconds, and nothing secret is told.
#
# user.lxseed.first-boot        of an LXD in no cluster: STATE STAGE MESSAGE; STATE is working, waiting or stopped
# user.lxseed.first-boot.NAME   of a member, in the cluster's: waiting, stopped, or "done seal" once all is complete
# user.lxseed.ready.NAME.POOL   where a pool that the cluster does not have yet may be made on this member
# user.lxseed.sealed.NAME       the instance of cloud-init whose keys were removed; not there while another seed's lie open

DESK_NAME='lxseed-desk'
DESK_CRT=$ETC/desk.crt

has_desk() { [[ -n $DESK && -s $DESK_CRT ]]; }

# at_desk WORDS...: the end of a message, where there is a desk.
at_desk() { printf 'At the desk: lxseed %s' "$*"; }

# Of an LXD in no cluster. A member has the cluster's trust list, and a join does not mind the entry: of what the cluster trusts, LXD
# copies the certificates of members alone before it joins (4.0 to 6), and then all of its own goes.
trust_desk() {
    local mine='' entry entries
    ! has_desk || mine=$(fingerprint "$DESK_CRT" 2>/dev/null) || return 0
    if [[ $(API_TIMEOUT=10 clustered) != no ]] || ! entries=$(API_TIMEOUT=10 lxd_api GET '/1.0/certificates?recursion=1' \
        "[c['fingerprint'] for c in d if c['type'] == 'client' and c['name'] == '$DESK_NAME']"); then
        return 0
    fi
    for entry in $entries; do
        # An earlier generation's, or an earlier seed's.
        [[ $entry = "$mine" ]] || API_TIMEOUT=10 lxd_api DELETE "/1.0/certificates/$entry" >"$RUN/answer" || true
    done
    if [[ -n $mine ]] && ! has_line "$entries" "$mine" && ! (API_TIMEOUT=10 add_trust client "$DESK_NAME" "$DESK_CRT"); then
        say_once refused-desk "$mine" "LXD does not take the desk's certificate: $(cat "$RUN/answer"). The desk cannot look at this host"
    fi
}

# Nothing is written into a cluster that is not this host's: an LXD that somebody uses as a member of another, or one that follows
# another founding. A member that has just joined does not show the number yet.
own_words() {
    local number
    if ! marked joined; then
        [[ $(API_TIMEOUT=5 clustered) = no ]]
        return
    fi
    formed
    number=$(API_TIMEOUT=5 lxd_api GET /1.0 'd["config"].get("user.lxseed.founding")' 2>/dev/null) &&
        [[ -z $number || ${F_FOUNDING:--} = - || $number = "$F_FOUNDING" ]]
}

# set_words KEY VALUE...: fails when LXD does not take them within seconds.
set_words() {
    local body='' value
    own_words || return 1
    while (($#)); do
        value=${2//\\/\\\\}
        body+="${body:+, }\"$1\": \"${value//\"/\\\"}\""
        shift 2
    done
    printf '{"config": {%s}}' "$body" | API_TIMEOUT=5 lxd_api PATCH /1.0 >/dev/null 2>&1
}

# LXD's socket starts it, and it must not run before its identity is in place: since the stage lxd has ended once, it is. Nor is it
# asked while systemd asks whether it may start.
can_tell() {
    [[ $EUID = 0 && $STAGE != guard && -S $LXD_DIR/unix.socket && -e $LXD_DIR/database && -e $STATE/stages/lxd.done ]] && has_desk
}

# A member keeps its name, whatever a later seed says.
member_name() {
    formed
    echo "${F_HOST:-$HOST}"
}

# tell STATE [MESSAGE]: only when it is another word than the last. Of a member, nobody but the last stages has anything to tell
# that its cluster does not show; that it stopped is told by each.
tell() {
    local key=user.lxseed.first-boot line
    can_tell || return 0
    if marked joined; then
        case $1:$STAGE:${CONVERGE:+converge} in
        working:*) return 0 ;;
        stopped:* | *:verify:* | *:seal:* | *:converge) ;;
        *) return 0 ;;
        esac
        key+=.$(member_name)
    fi
    line=$(printf '%s %s %s' "$1" "$STAGE" "${2:-}" | tr -c '[:print:]' ' ')
    if [[ $(cat "$RUN/told" 2>/dev/null) != "$key $line" ]] && set_words "$key" "$line"; then
        printf '%s %s\n' "$key" "$line" >"$RUN/told"
    fi
}

# Once per instance; at each boot, until LXD takes it.
tell_done() {
    local name
    if marked joined && ! of_this_instance "$STATE/marks/told-done" && can_tell; then
        name=$(member_name)
        if set_words "user.lxseed.first-boot.$name" "done seal " "user.lxseed.sealed.$name" "$(cat "$STATE/sealed")"; then
            mark said-sealed
            mark told-done "$(instance)"
            rm -f "$RUN/told"
        fi
    fi
}

# Which volumes wait for a pool that the cluster does not have: the desk can have it made of what the guard here has passed, and of
# nothing else.
tell_ready() {
    local pool i words=() value any='' name
    can_tell && marked joined || return 0
    name=$(member_name)
    for i in "${!POOL_NAMES[@]}"; do
        pool=${POOL_NAMES[$i]}
        value=''
        if ! cluster_has_pool "$pool"; then
            volume_read "${POOL_VOLUMES[$i]}"
            [[ $V_STATE != ready ]] || value=$V_SOURCE
        fi
        any+=$value
        words+=("user.lxseed.ready.$name.$pool" "$value")
    done
    if [[ -z $any && ! -e $STATE/marks/told-ready ]] || [[ ${words[*]} = "$(cat "$STATE/marks/told-ready" 2>/dev/null)" ]]; then
        return 0
    fi
    if set_words "${words[@]}"; then
        mark told-ready "${words[*]}"
    fi
}

say_sealed() {
    if can_tell && set_words "user.lxseed.sealed.$(member_name)" "$(instance)"; then
        mark said-sealed
    fi
}

# Another seed's keys lie open until the seal.
unsay_sealed() {
    if marked joined && marked said-sealed && ! sealed && can_tell && set_words "user.lxseed.sealed.$(member_name)" ''; then
        unmark said-sealed
    fi
}
