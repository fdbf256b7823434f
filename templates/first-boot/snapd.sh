
# ---- snapd ----------------------------------------------------------------------------------------------------------
# Guarantees: a snapd that can carry the LXD snap, the LXD snap from the pinned channel or from the carried files, the
# same revision on all members where snapd can do that, and no refresh behind anybody's back.

CARRIED=/var/lib/lxseed/snaps
# The label of a medium that holds the carried snaps, where they did not come with the system.
CARRIER='LXD-SNAPS'

stage_snapd() {
    # The package is snapd: apt's "snap" is a program for finding genes.
    if ! installed snapd; then
        say "installing snapd"
        apt_get "apt-get update" update || say "apt-get update failed: $SAID"
        apt_get "snapd" install snapd || later "installing snapd failed: $SAID"
    fi
    systemctl start snapd.socket snapd.service || true
    wait_until_seeded
    # LXD's snaps say "assumes: snapd2.39"; the media of 18.04.0 have 2.32.5.
    if ! snapd_has 2.39; then
        upgrade_snapd
    fi
    if offline; then
        install_carried
    fi
    install_lxd
    hold_refreshes
}

offline() { [[ ${#OFFLINE[@]} -gt 0 ]]; }
SNAPD=''
snapd_answers() {
    SNAPD=$(timeout 60 snap version 2>/dev/null | awk '$1 == "snapd" { print $2 }')
    [[ $SNAPD = [0-9]* ]]
}

# snapd restarts itself when it has refreshed itself, on a first boot above all, and its version is "unavailable" meanwhile.
# That is not an old one. SNAPD is its version afterwards.
snapd_has() {
    wait_for 300 3 "snapd to answer" snapd_answers || later "snapd does not answer; see 'systemctl status snapd'"
    dpkg --compare-versions "$SNAPD" ge "$1"
}

snap_there() { snap list "$1" >/dev/null 2>&1; }

# `snap wait` came with 2.33 and waits without end; before it the state file is the only sign. Without the wait:
# "too early for operation, device not yet seeded".
wait_until_seeded() {
    if snapd_has 2.33; then
        quietly timeout 600 snap wait system seed.loaded || later "snapd has not seeded itself: ${SAID:-10 minutes passed}"
    else
        wait_for 600 3 "snapd to seed itself" grep -Eqs '"seeded": ?true' /var/lib/snapd/state.json ||
            later "snapd has not seeded itself in 10 minutes"
    fi
}

upgrade_snapd() {
    if ! offline; then
        say "snapd $SNAPD is too old for LXD's snap; upgrading the package"
        apt_get "apt-get update" update || later "apt-get update failed: $SAID"
        apt_get "the upgrade of snapd" install snapd || later "upgrading snapd failed: $SAID"
    else
        # A carried core or snapd snap takes over from the package's older program.
        install_carried
    fi
    wait_until_seeded
    if ! snapd_has 2.39 && ! offline; then
        from_store core "snap install core" snap install core
    fi
    snapd_has 2.39 || stop "snapd is $SNAPD after the upgrade, LXD's snap needs 2.39; upgrade the package snapd"
}

# Order matters: the program that installs, the base, the application. Without its assertion a snap could only be
# installed as "dangerous": not connected to lxd-support, and never refreshed.
install_carried() {
    local name file
    fetch_carried
    for name in "${OFFLINE[@]}"; do
        if snap_there "${name%_*}"; then
            continue
        fi
        for file in "$name.assert" "$name.snap"; do
            [[ -e $CARRIED/$file ]] ||
                later "$CARRIED/$file is missing; copy it there, or plug in a medium labelled $CARRIER that holds it"
        done
        say "installing the carried $name.snap"
        quietly timeout 300 snap ack "$CARRIED/$name.assert" || later "snap ack $name.assert failed: $SAID"
        quietly timeout 1800 snap install "$CARRIED/$name.snap" || later "snap install $name.snap failed: $SAID"
    done
}

# What was not planted comes from a medium of its own, if one is there: its files are copied, so it may be pulled out.
fetch_carried() {
    local name file lacking=() from=$RUN/carrier
    for name in "${OFFLINE[@]}"; do
        snap_there "${name%_*}" && continue
        for file in "$name.snap" "$name.assert"; do
            [[ -e $CARRIED/$file ]] || lacking+=("$file")
        done
    done
    [[ ${#lacking[@]} -gt 0 && -b /dev/disk/by-label/$CARRIER ]] || return 0
    mkdir -p "$from" "$CARRIED"
    quietly mount -o ro "/dev/disk/by-label/$CARRIER" "$from" || later "the medium $CARRIER cannot be mounted: $SAID"
    for file in "${lacking[@]}"; do
        if [[ -f $from/$file ]]; then
            say "copying $file from the medium $CARRIER"
            # Whole or not there at all, should the power fail.
            if ! quietly cp "$from/$file" "$CARRIED/$file.part"; then
                umount "$from" || true
                later "copying $file failed: $SAID"
            fi
            sync "$CARRIED/$file.part"
            mv "$CARRIED/$file.part" "$CARRIED/$file"
        fi
    done
    umount "$from" || true
}

# from_store NAME WHAT COMMAND...: three tries with growing pauses; the stage as a whole is tried again after that.
# An earlier try that a power cut ended is carried on by snapd itself ("has install-snap change in progress").
from_store() {
    local name=$1 what=$2 try
    shift 2
    for try in 1 2 3; do
        if quietly timeout 1800 "$@"; then
            return 0
        fi
        say "$what failed (try $try of 3): $SAID"
        sleep $((try * 10))
        if snap_there "$name" && [[ $what = "snap install"* ]]; then
            return 0
        fi
    done
    later "$what failed: $SAID"
}

install_lxd() {
    local cohort=() tracking
    # Members must run the same revision, or a joiner is refused for its version. A cohort pins what the store
    # delivers; snapd before 2.41 has none.
    if snapd_has 2.41; then
        cohort=(--cohort=+)
    fi
    if ! snap_there lxd; then
        say "installing the lxd snap from $CHANNEL"
        from_store lxd "snap install lxd" snap install lxd "--channel=$CHANNEL" "${cohort[@]}"
        say "installed lxd $(snap list lxd | awk '$1 == "lxd" { print $2 " (revision " $3 ")" }')"
        return 0
    fi
    if offline; then
        return 0
    fi
    # The 18.04.1 installer puts an lxd snap of another channel on the disk. The column may be cut off with "…" or
    # carry a branch (5.0/stable/ubuntu-18.04); snapd before 2.39 shows the track alone.
    tracking=$(snap list lxd | awk '$1 == "lxd" { print $4 }')
    case $tracking in
    "$CHANNEL" | "$CHANNEL"/* | "${CHANNEL%%/*}" | "${CHANNEL%%/*}/…") return 0 ;;
    esac
    if [[ -e $LXD_DIR/database && $(clustered) != no ]]; then
        say "the lxd snap follows $tracking and not $CHANNEL; left alone, because this LXD is in use"
        return 0
    fi
    say "moving the lxd snap from $tracking to $CHANNEL"
    from_store lxd "snap refresh lxd" snap refresh lxd "--channel=$CHANNEL" "${cohort[@]}"
}

# A member that refreshes alone stops talking to the others. `snap refresh --hold` for one snap came with 2.58; before
# it the whole system can be held, for 90 days at most.
hold_refreshes() {
    if snapd_has 2.58; then
        if [[ $(snap list lxd | awk '$1 == "lxd" { print $6 }') != *held* ]]; then
            quietly timeout 120 snap refresh --hold lxd || later "snap refresh --hold lxd failed: $SAID"
        fi
    elif [[ -z $(snap get system refresh.hold 2>/dev/null || true) ]]; then
        quietly timeout 120 snap set system "refresh.hold=$(date -u -d '+60 days' +%Y-%m-%dT%H:%M:%SZ)" ||
            later "holding refreshes failed: $SAID"
        say "refreshes of all snaps are held for 60 days; snapd $SNAPD cannot hold lxd alone"
    fi
}
