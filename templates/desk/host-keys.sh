# What lxseed does on a member whose keys are replaced (`lxseed rotate host`), as root, over ssh:
#
#   look              prints LXD's own certificate, after a line `under way` where an exchange was not seen to its end
#   server  <KEYS     LXD gets another pair of its own, and is started anew beside its instances
#   ssh     <KEYS     sshd gets another host key
#
# KEYS are two lines of base64: the private file, then the public one. Each can be cut off anywhere, and run again. Also where nobody
# listens any more it goes on to its end, since what is half done is worse.
set -eu
umask 077
trap '' HUP PIPE

LXD=/var/snap/lxd/common/lxd
TLS=/etc/lxseed/tls
JOINED=/var/lib/lxseed/marks/joined
UNIT=snap.lxd.daemon.service
# Before those of the first boot: its guard asks the other members with the new pair.
DROP=/etc/systemd/system/$UNIT.d/00-lxseed-keys.conf

stop() {
    echo "$*" >&2
    exit 1
}

alone() {
    exec 9>/run/lxseed-host-keys.lock
    flock -w 20 9 || stop "another run of this is at work; try again when it has ended"
}

read_keys() {
    { IFS= read -r private && IFS= read -r public; } || stop "the keys did not arrive whole; nothing was changed"
}

# beside FILE MODE BASE64: the whole new file beside the old one, on the disk.
beside() {
    printf '%s' "$3" | base64 -d >"$1.lxseed"
    chmod "$2" "$1.lxseed"
    sync "$1.lxseed"
}

# LXD makes a pair of its own unless both files are there, and does not start with two that do not fit (shared.KeyPairAndCA, 4.0 to 6). So
# both lie beside the old ones before systemd is told to exchange them, which it does before each start, and LXD reads them at its
# start alone: whenever the power goes, LXD starts with the old pair or with the new one.
server() {
    if [ ! -e "$LXD/cluster.crt" ] || [ ! -e "$LXD/server.crt" ]; then
        stop "LXD is no member of a cluster here"
    fi
    # An exchange that was cut off between its two files is brought to its end first: without the drop-in nothing else would.
    if [ ! -e "$LXD/server.key.lxseed" ] && [ -e "$LXD/server.crt.lxseed" ]; then
        mv -f "$LXD/server.crt.lxseed" "$LXD/server.crt"
        sync "$LXD"
    fi
    rm -f "$DROP"
    # What an earlier run has left could be half of another pair.
    rm -f "$LXD/server.crt.lxseed" "$LXD/server.key.lxseed"
    beside "$LXD/server.key" 0600 "$private"
    beside "$LXD/server.crt" 0644 "$public"
    sync "$LXD"
    mkdir -p "${DROP%/*}"
    cat >"$DROP.part" <<DROP
# Made by lxseed: LXD's own pair is exchanged before it starts, and this file goes once it runs.
[Service]
ExecStartPre=/bin/sh -c "cd $LXD && for f in server.key server.crt; do if [ -e \$\$f.lxseed ]; then mv -f \$\$f.lxseed \$\$f || exit 1; fi; done; sync ."
DROP
    chmod 0644 "$DROP.part"
    sync "$DROP.part"
    mv "$DROP.part" "$DROP"
    sync "${DROP%/*}"
    systemctl daemon-reload
    # Not a restart, which ends the instances: the snap ends the daemon alone on a reload, and systemd starts it anew.
    systemctl reload "$UNIT" || systemctl start "$UNIT" || stop "LXD cannot be restarted (systemctl status $UNIT)"
    await_exchange
    timeout 330 /snap/bin/lxd waitready --timeout=300 || stop "LXD has its new pair, and is not ready after 300 s (journalctl -u $UNIT)"
    for_first_boot
    rm "$DROP"
    systemctl daemon-reload
}

# What the first boot takes for this machine's own, and that no seed is the one any more with whose keys this host has joined: also
# the stick of the first day meets a member then, and is sealed and followed as every later one is.
for_first_boot() {
    if [ -e "$TLS/server.crt" ]; then
        beside "$TLS/server.crt" 0644 "$public"
        mv "$TLS/server.crt.lxseed" "$TLS/server.crt"
        sync "$TLS"
    fi
    if [ -e "$JOINED" ]; then
        beside "$JOINED" 0644 "$(echo "with keys that were replaced" | base64)"
        mv "$JOINED.lxseed" "$JOINED"
        sync "${JOINED%/*}"
    fi
}

# LXD lets operations end first, for `core.shutdown_timeout`, which is five minutes unless somebody has set it.
await_exchange() {
    seconds=0
    while [ -e "$LXD/server.key.lxseed" ] || [ -e "$LXD/server.crt.lxseed" ]; do
        [ "$seconds" -lt 400 ] || stop "LXD did not end within 400 s, and takes its new pair at its next start (lxc operation list)"
        sleep 1
        seconds=$((seconds + 1))
    done
}

# sshd goes by the private file, and reads it when it is reloaded. Who is logged in stays.
ssh() {
    key=/etc/ssh/ssh_host_ed25519_key
    beside "$key" 0600 "$private"
    beside "$key.pub" 0644 "$public"
    mv "$key.lxseed" "$key"
    mv "$key.pub.lxseed" "$key.pub"
    sync /etc/ssh
    systemctl reload ssh
}

case $1 in
look)
    [ ! -e "$DROP" ] || echo "under way"
    cat "$LXD/server.crt"
    ;;
server | ssh)
    alone
    read_keys
    "$1"
    ;;
esac
