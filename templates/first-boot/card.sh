#!/bin/sh
# bootcmd of cloud-init, at every boot. Lays the text $2 beside what netplan makes of the entry `lan`, for the card with the hardware
# address $1, and has networkd read it: 237 does so at its start alone. A card for which udev knows no place on a bus is left as it
# is, for it would have no network at all.
file=/etc/systemd/network/10-netplan-lan.network.d/lxseed.conf
if [ "$(cat "$file" 2>/dev/null)" != "$2" ]; then
    for card in /sys/class/net/*; do
        [ "$(cat "$card/address" 2>/dev/null)" = "$1" ] || continue
        case $(udevadm info --query=property --path="$card") in
        *ID_PATH=*)
            mkdir -p "${file%/*}"
            printf '%s\n' "$2" >"$file"
            sync "$file"
            systemctl try-restart systemd-networkd
            break
            ;;
        esac
    done
fi
