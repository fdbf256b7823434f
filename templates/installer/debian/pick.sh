# ---- which host is this? --------------------------------------------------------------------------------------------
# The installer evaluates this script for the name of its answers. It prints one only when exactly one host of the medium
# is this machine, and never ends otherwise.

HOSTS=${HOSTS:-/cdrom/lxseed/hosts}
DMI=${DMI:-/sys/class/dmi/id/product_serial}

dmi_serial() { sed 's/^ *//; s/ *$//' "$DMI" 2>/dev/null | head -n 1; }

# The hosts that this machine is. Where the profile gives a serial number, it alone decides.
matching() {
    local mac cluster host serial mine here
    mine=$(dmi_serial)
    here=$(macs)
    while read -r mac cluster host serial; do
        if [ -n "$serial" ]; then
            [ "$serial" = "$mine" ] || continue
        else
            echo "$here" | grep -qxF -e "$mac" || continue
        fi
        echo "$cluster/$host"
    done <"$HOSTS"
}

pick() {
    local tries=0 found count
    while :; do
        [ "$tries" -gt 0 ] || load_drivers
        found=$(matching)
        count=$(echo "$found" | grep -c .)
        if [ "$count" = 1 ]; then
            say "this machine is $found"
            echo "$found/preseed.cfg"
            return 0
        fi
        tries=$((tries + 1))
        # A card may take its time to show up; two hosts never become one.
        if [ "$count" -gt 1 ]; then
            stop "this machine is $count of the hosts on this medium at once: $(echo "$found" | tr '\n' ' ')"
        elif [ "$tries" -ge 10 ]; then
            stop "this machine is none of the hosts on this medium. Its network cards: $(macs | tr '\n' ' ')- its" \
                "serial number: $(dmi_serial | grep . || echo none) - the hosts: $(known)- $(older_kernel)"
            tries=0
        fi
        sleep 3
    done
}

# The first few hosts, for a message on a screen.
known() {
    local mac cluster host serial
    head -n 8 "$HOSTS" | while read -r mac cluster host serial; do
        printf '%s/%s %s ' "$cluster" "$host" "${serial:-$mac}"
    done
    [ "$(grep -c . "$HOSTS")" -le 8 ] || printf '...'
}

pick
