
# ---- lxd ------------------------------------------------------------------------------------------------------------
# Guarantees: the daemon runs under the identity that was made for this host at build time, never talks to another member
# through a proxy, and answers on the network, so that others can ask whether this host was ever in a cluster. A member
# whose cluster was founded anew without it does not start its LXD. An LXD that somebody already uses is not touched.
#
# The mark `fresh` says that LXD had never run when this script came first: all that is in it comes from here, and as
# long as this host is not a member it may be thrown away.

stage_lxd() {
    [[ -x $LXD ]] || later "$LXD is not there; the snap stage has to run first"
    bring_tls13
    bypass_proxies
    guard_starts
    if marked returning; then
        return 0
    fi
    mend_cluster_pair
    place_identity
    start_lxd
    check_identity
    listen
    trust_desk
    say "lxd $(timeout 30 "$LXD" --version 2>/dev/null || true) runs as $(fingerprint "$LXD_DIR/server.crt" | cut -c 1-12)"
}

# Polls the socket, and thereby starts the daemon: the snap's is socket-activated.
start_lxd() {
    local limit=300
    if marked fresh && ! marked joined; then
        limit=90
    fi
    if quietly timeout $((limit + 30)) "$LXD" waitready "--timeout=$limit"; then
        unmark stuck
        return 0
    fi
    if marked fresh && ! marked joined; then
        give_up_half_made
    else
        later "LXD is not ready after $limit s: $SAID"
    fi
}

# LXD before 5.0.4 does not come up any more when it was cut off inside a join: it is a member to itself and none to the
# cluster. The cluster knows which; where it cannot be asked, nothing is thrown away.
give_up_half_made() {
    if marked asked && marked begun; then
        find_peer "$(survey)" || true
        trusted_by_peer ||
            later "LXD is not ready after an interrupted join, and no member of the cluster $CLUSTER can be asked"
        read_record
        if [[ -n $RECORD ]] && ! marked stuck; then
            mark stuck
            later "LXD is not ready, although the cluster lists $HOST as a member"
        fi
        decide_on_record
    fi
    say "LXD does not come up after it was cut off: $SAID"
    reset_lxd
}

stop_lxd() { quietly timeout 300 snap stop lxd || later "the LXD daemon does not stop: $SAID"; }

# No other host can be asked without it, and nothing is founded or joined unasked.
bring_tls13() {
    if speaks_tls13; then
        return 0
    fi
    say "python3's OpenSSL is older than 1.1.1 and cannot ask other hosts (TLS 1.3); upgrading libssl1.1"
    apt_get "apt-get update" update || say "apt-get update failed: $SAID"
    apt_get "the upgrade of libssl1.1" install libssl1.1 || later "upgrading libssl1.1 failed: $SAID"
    speaks_tls13 || stop "python3 cannot speak TLS 1.3, with which LXD is asked; upgrade libssl1.1 to 1.1.1 or later"
}

# snapd hands /etc/environment to every service of a snap, so a proxy set there reaches the daemon. A later EnvironmentFile
# wins over an earlier one; an Environment= line would lose against it.
bypass_proxies() {
    local file=$ETC/no-proxy.env drop=/etc/systemd/system/snap.lxd.daemon.service.d/lxseed.conf kept new
    kept=$(sed -n 's/^\(no_proxy\|NO_PROXY\)="\{0,1\}\([^"]*\)"\{0,1\}$/\2/p' /etc/environment 2>/dev/null | sed -n 1p || true)
    new="${kept:+$kept,}localhost,127.0.0.1,$(IFS=,; echo "${ADDRESSES[*]}")"
    if [[ ! -e $drop || $(cat "$file" 2>/dev/null) != "no_proxy=$new"$'\n'"NO_PROXY=$new" ]]; then
        printf 'no_proxy=%s\nNO_PROXY=%s\n' "$new" "$new" | put "$file" 0644
        printf '# Made by lxseed: members talk to each other directly, whatever proxy this machine has.\n%s\n' \
            "[Service]"$'\n'"EnvironmentFile=-$file" | put "$drop" 0644
        systemctl daemon-reload
    fi
}

# systemd leaves a service alone whose ExecStartPre= fails. Only the one answer that says so may keep LXD from starting:
# not a script that is missing, and not hosts that cannot be asked. ($$ is systemd's way to write a dollar.) It is a copy, for cloud-init
# may be writing a new seed's script at this very time, in place: half a script is no guard. And cloud-init fails with all its files where
# the kernel is just about to run the one it writes.
guard_starts() {
    local drop=/etc/systemd/system/snap.lxd.daemon.service.d/lxseed-guard.conf text
    text='# Made by lxseed: a member whose cluster was founded anew without it must not be swallowed by the new one.
[Service]
ExecStartPre=/bin/sh -c "timeout 60 bash /var/lib/lxseed/guard guard; test $$? != 78"'
    cmp -s "$SELF" "$STATE/guard" || put "$STATE/guard" 0755 <"$SELF"
    if [[ $(cat "$drop" 2>/dev/null) != "$text" ]]; then
        printf '%s\n' "$text" | put "$drop" 0644
        systemctl daemon-reload
    fi
}

# What this host was formed under, one line: host, address, cluster, the number of the founding ("-": it has none).
formed() {
    F_HOST='' F_ADDRESS='' F_CLUSTER='' F_FOUNDING=''
    if [[ -e $STATE/formed ]]; then
        IFS=$'\t' read -r F_HOST F_ADDRESS F_CLUSTER F_FOUNDING <"$STATE/formed" || true
    fi
}

# Run by systemd before each start of the daemon. A founding that others tell of and nobody shares with this host means
# that most hosts were installed anew at once and formed another cluster under the same keys: raft would take this
# member's database for an old copy of theirs, or theirs for one of its own.
guard() {
    local told name number auth same='' anew='' friend='' stranger='' text
    STAGE=guard
    formed
    [[ -n $F_FOUNDING ]] || return 0
    told=$(peer_rows | PATIENCE=5 peers founding) || true
    while IFS=$'\t' read -r name number auth; do
        if [[ $auth = untrusted ]]; then
            stranger=${stranger:-$name}
        elif [[ -n $name && ($F_FOUNDING = - || $number = "$F_FOUNDING") ]]; then
            same=$name
        elif [[ -n $number && $number != - ]]; then
            anew="$name to $number"
        else
            friend=$name
        fi
    done <<<"$told"
    if [[ -n $same ]]; then
        unmark founded-anew
    elif [[ -n $anew ]]; then
        mark founded-anew "$anew"
    fi
    # Seen once it holds, too, while those that said so are off: they may be switched on a moment after this host.
    if marked founded-anew; then
        stop "this member belongs to the founding $F_FOUNDING of the cluster $CLUSTER, and $(cat "$STATE/marks/founded-anew"):" \
            "most hosts were installed anew and formed another cluster. LXD is not started here; its database and its pools" \
            "are as they were. When that other cluster has been given up: rm $STATE/marks/founded-anew"
    fi
    if [[ -n $stranger && -z $same$friend ]]; then
        text="the cluster $F_CLUSTER (asked $stranger) does not trust this machine's certificate any more: it was retired there, or its"
        text+=" keys were rotated."
        ! has_desk || text+=" $(at_desk status)"
        # LXD is started all the same: it can do nothing there, and here somebody may want what is on its disks.
        say "$text" >&2
        printf '%s: %s\n' "$STAGE" "$text" | put "$STATE/problem" 0644
    elif [[ -n $same$friend && $(cat "$STATE/problem" 2>/dev/null) = guard:* ]]; then
        rm -f "$STATE/problem"
    fi
}

same_identity() {
    cmp -s "$ETC/tls/server.crt" "$LXD_DIR/server.crt" && [[ -e $LXD_DIR/server.key ]] &&
        { [[ ! -e $ETC/tls/server.key ]] || cmp -s "$ETC/tls/server.key" "$LXD_DIR/server.key"; }
}

place_identity() {
    local instances
    if [[ ! -e $LXD_DIR/database ]] && ! marked joined; then
        mark fresh
    fi
    if same_identity; then
        return 0
    fi
    [[ -e $ETC/tls/server.key ]] ||
        stop "LXD has lost this host's identity, and the key left the machine when it was sealed; plant the seed anew"
    if [[ -e $LXD_DIR/database ]]; then
        start_lxd
        case $(clustered) in
        yes) stop "this LXD is a member of a cluster under another identity; remove it from there, or empty it" ;;
        unknown) marked fresh || later "LXD does not answer" ;;
        no)
            instances=$(lxd_api GET '/1.0/instances?all-projects=true' | json len\(d\))
            [[ $instances = 0 ]] || stop "this LXD has $instances instances under another identity; move them away first"
            ;;
        esac
        say "replacing the identity that LXD made for itself"
        stop_lxd
    fi
    install -d -m 0711 "$LXD_DIR"
    # LXD makes a new pair unless both files are there. The key first: a cut in between then costs nothing, because the
    # certificate is what the next run looks at.
    put "$LXD_DIR/server.key" 0600 <"$ETC/tls/server.key"
    put "$LXD_DIR/server.crt" 0644 <"$ETC/tls/server.crt"
}

# The certificate that it shows tells the bootstrap host that this host was never in a cluster: it is this host's own until
# it forms or joins one, and the cluster's from then on. A host that was installed anew shows its own as well, and what lies on its
# disks may be a member's: until the stage disks has found nothing there, it does not count among those that were never in a cluster.
listen() {
    local answer headers early=''
    if [[ $(clustered) != no ]]; then
        return 0
    fi
    [[ $STAGE != lxd ]] || early=$EARLY
    answer=$(lxd_api GET /1.0 '"%s %s" % tuple(d["config"].get("core.https_" + k, "") for k in ("address", "allowed_headers"))') ||
        later "LXD does not answer"
    # What somebody else has set there stays.
    headers=${answer#* }
    [[ -z $headers || $headers = "$EARLY" ]] || early=$headers
    if [[ -n ${LXD_CONFIG:-} || $answer != "$(at_port "$ADDRESS") $early" ]]; then
        printf '{"config": {"core.https_address": "%s", "core.https_allowed_headers": "%s"%s}}' \
            "$(at_port "$ADDRESS")" "$early" "${LXD_CONFIG:-}" |
            lxd_api PATCH /1.0 >"$RUN/answer" || later "LXD does not listen on $(at_port "$ADDRESS"): $(cat "$RUN/answer")"
    fi
}

# The daemon reads its certificate when it starts; one that was already up still shows its old one.
check_identity() {
    local shown
    if [[ $(clustered) = no ]]; then
        shown=$(lxd_api GET /1.0 'd["environment"]["certificate_fingerprint"]')
        if [[ $shown != "$(fingerprint "$ETC/tls/server.crt")" ]]; then
            say "restarting LXD, which still shows another certificate"
            stop_lxd
            start_lxd
        fi
    fi
}

pair_fits() {
    py 'import ssl, sys
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(sys.argv[1], sys.argv[2])' "$1" "$2" 2>/dev/null
}

# LXD writes the cluster's certificate and then its key. A power cut between the two leaves a pair that does not fit, and
# LXD does not start with it. Only the bootstrap host, before it is sealed, has what it takes to mend that.
mend_cluster_pair() {
    local crt=$LXD_DIR/cluster.crt key=$LXD_DIR/cluster.key
    if [[ ! -e $ETC/tls/cluster.key || ! -e $crt ]] || pair_fits "$crt" "$key"; then
        return 0
    fi
    say "mending the cluster's key pair, which a power cut left half written"
    stop_lxd
    put "$key" 0600 <"$ETC/tls/cluster.key"
    put "$crt" 0644 <"$ETC/tls/cluster.crt"
}

# LXD back to the state before its first start. Only for an LXD that has been nothing but this script's own.
reset_lxd() {
    local target
    if ! marked fresh || marked joined; then
        stop "LXD is half configured and was in use before; look at 'lxc cluster list' and 'lxc storage list', then go on"
    fi
    judge_handed_volumes
    say "setting LXD back to its first start, to begin again from a clean state"
    stop_lxd
    # The snap's mounts live in a mount namespace of its own, which outlasts the daemon and keeps the disks busy.
    [[ ! -x /usr/lib/snapd/snap-discard-ns ]] || quietly /usr/lib/snapd/snap-discard-ns lxd || true
    findmnt -rno TARGET | tac | while read -r target; do
        case $target in
        "$LXD_DIR"/* | /var/lib/lxd/*) umount -l "$target" 2>/dev/null || true ;;
        esac
    done
    find "$LXD_DIR" -xdev -mindepth 1 -delete
    clear_handed_volumes
    unmark begun
    unmark stuck
    ! marked asked || mark rejoin
    rm -f "$RUN/told"
    place_identity
    start_lxd
    listen
    trust_desk
}
