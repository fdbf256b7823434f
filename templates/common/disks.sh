
# ---- what a machine's disks are ---------------------------------------------------------------------------------------
# The same in the installer and at the first boot: POSIX, for busybox's ash as for bash. No reader of a pipe ends before its writer does,
# and no function fails because there is nothing to tell.

# What udev knows of a disk: property NAME KEY...
property() {
    local known key disk="$1"
    shift
    known=$(udevadm info --query=property --name="/dev/$disk" 2>/dev/null || true)
    for key in "$@"; do
        printf '%s\n' "$known" | sed -n "s/^$key=//p"
    done
}

all_disks() {
    local at name
    for at in /sys/block/*; do
        name=${at##*/}
        case $name in
        # Layers over disks, and what has no serial or no place in a slot.
        dm-* | md* | ram* | zram* | sr* | fd*) continue ;;
        # The kernel makes eight of them at every boot, with nothing behind them.
        loop*) [ -e "$at/loop/backing_file" ] || continue ;;
        esac
        [ ! -b "/dev/$name" ] || echo "$name"
    done
}

# virtio disks have their serial in sysfs only, and udev 237 copies it to ID_SERIAL; SCSI disks have a vendor's serial beside
# the one of the page-83 identifier. sysfs may pad a serial, or leave out the end of the line.
serials() {
    local file
    property "$1" ID_SERIAL_SHORT ID_SCSI_SERIAL ID_SERIAL
    for file in "/sys/block/$1/serial" "/sys/block/$1/device/serial"; do
        [ ! -r "$file" ] || printf '%s\n' "$(sed 's/^[[:space:]]*//; s/[[:space:]]*$//' "$file" 2>/dev/null || true)"
    done
}

serial() { serials "$1" | sed '/^$/d' | sed -n 1p; }

# Not by tr, which in an installer's busybox may know neither ranges nor classes.
lower() { sed 'y/ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz/'; }

# In lower case.
wwns() { property "$1" ID_WWN_WITH_EXTENSION ID_WWN | lower; }

# has_line LINES LINE
has_line() {
    case "
$1
" in
    *"
$2
"*) return 0 ;;
    esac
    return 1
}

# linked_disk WAY VALUE: what by_id or by_path leads to, by its kernel's name.
linked_disk() {
    local link="/dev/disk/by-${1#by_}/$2"
    [ ! -e "$link" ] || basename "$(readlink -f "$link")"
}

# disk_fits WAY VALUE NAME SERIALS WWNS: whether a disk of which the last two are known is what a slot means. A WWN is in lower case.
disk_fits() {
    case $1 in
    serial) has_line "$4" "$2" ;;
    wwn) has_line "$5" "$2" ;;
    hctl) [ "$(basename "$(readlink -f "/sys/block/$3/device")")" = "$2" ] ;;
    *) return 1 ;;
    esac
}

size_of() {
    local file="/sys/class/block/$1/size"
    [ -r "$file" ] || file=/sys/block/$1/size
    echo $(($(cat "$file") * 512))
}

# As disks are sold: up to four digits of a unit.
human() {
    local size="$1" unit=B next
    for next in kB MB GB TB; do
        [ "$size" -ge 10000 ] || break
        size=$(((size + 500) / 1000))
        unit=$next
    done
    echo "$size$unit"
}

describe() {
    local model number
    model=$(property "$1" ID_MODEL)
    [ -n "$model" ] || model=$(sed 's/ *$//' "/sys/block/$1/device/model" 2>/dev/null || true)
    number=$(serial "$1")
    echo "/dev/$1 (${model:-no model}, serial ${number:-unknown}, $(human "$(size_of "$1")"))"
}

# Whether a disk says that it can be taken out, or is on USB.
falls_out() {
    local removable
    removable=$(cat "/sys/block/$1/removable" 2>/dev/null || true)
    if [ "$removable" = 1 ] || [ "$(property "$1" ID_BUS)" = usb ]; then
        return 0
    fi
    case $(readlink -f "/sys/block/$1") in
    */usb[0-9]*) return 0 ;;
    esac
    return 1
}
