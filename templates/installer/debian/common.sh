# ---- in the installer -----------------------------------------------------------------------------------------------
# The shell is busybox's, and of the other programs only those of a debian-installer are there.

if [ -n "$DEBIAN_HAS_FRONTEND" ]; then
    . /usr/share/debconf/confmodule
fi

say() { logger -t lxseed "$*"; }

# stop WORDS...: shows them until somebody switches the machine off or puts right what is wrong; returns to look again.
stop() {
    say "stopped: $*"
    printf '\n*** lxseed: %s\n*** Nothing was written to any disk.\n' "$*" >/dev/console 2>/dev/null
    cat >/var/run/lxseed.templates <<'TEMPLATE'
Template: lxseed/stopped
Type: error
Description: lxseed stopped; nothing was written to any disk
 ${WHY}
 .
 Continue looks again.
TEMPLATE
    if [ -n "$DEBIAN_HAS_FRONTEND" ]; then
        db_x_loadtemplatefile /var/run/lxseed.templates lxseed || true
        db_subst lxseed/stopped WHY "$*" || true
        db_fset lxseed/stopped seen false || true
        db_input critical lxseed/stopped || true
        db_go || true
    fi
    # Without a dialog there is nothing else that waits.
    sleep 5
}

# The installer loads drivers for network cards only after it has read its answers.
load_drivers() {
    local alias
    for alias in /sys/bus/*/devices/*/modalias; do
        [ ! -r "$alias" ] || modprobe -q -b "$(cat "$alias")" 2>/dev/null || true
    done
    udevadm settle --timeout=20 2>/dev/null || true
}

# The most likely reason for a card or a disk that is not there.
older_kernel() {
    echo "this installer runs Linux $(uname -r); a newer card or controller may need a later one: with 'kernel: hwe' in" \
        "cluster.yaml the medium boots the HWE kernel, where the image has it (18.04.2 and later)"
}

macs() {
    local card
    for card in /sys/class/net/*; do
        [ "${card##*/}" = lo ] || [ ! -r "$card/address" ] || cat "$card/address"
    done
}
