#!/bin/sh
# bootcmd of cloud-init, at every boot, in place of card.sh where cards are in a bond. Each pair of words is an entry of netplan and
# its card's hardware address. A card in a bond shows the bond's address, which is another card's own; so beside what netplan makes
# of the entry goes where on the bus its card is, and networkd reads it: 237 does so at its start alone. A card for which udev
# knows no place is left as it is.
changed=
while [ $# -gt 1 ]; do
    for card in /sys/class/net/*; do
        own=$(cat "$card/bonding_slave/perm_hwaddr" 2>/dev/null || cat "$card/address" 2>/dev/null)
        [ "$own" = "$2" ] || continue
        place=$(udevadm info --query=property --path="$card" | sed -n 's/^ID_PATH=//p')
        [ -n "$place" ] || continue
        text="[Match]
Path=$place"
        file=/etc/systemd/network/10-netplan-$1.network.d/lxseed.conf
        if [ "$(cat "$file" 2>/dev/null)" != "$text" ]; then
            mkdir -p "${file%/*}"
            printf '%s\n' "$text" >"$file"
            sync "$file"
            changed=yes
        fi
        break
    done
    shift 2
done
[ -z "$changed" ] || systemctl try-restart systemd-networkd
