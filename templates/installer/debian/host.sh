# ---- one host -------------------------------------------------------------------------------------------------------

SEED=/var/run/lxseed-seed
STICK=/var/run/lxseed-stick
TARGET=${TARGET:-/target}
CDROM=${CDROM:-/cdrom}
ME=/var/run/lxseed-installer

# nic_of MAC: the card's name.
nic_of() {
    local card
    for card in /sys/class/net/*; do
        if [ -r "$card/address" ] && [ "$(cat "$card/address")" = "$1" ]; then
            echo "${card##*/}"
            return 0
        fi
    done
    return 1
}

# Waits for a card to show up: firmware and switches take their time.
find_nic() {
    local tries=0 nic
    while :; do
        if nic=$(nic_of "$MAC"); then
            echo "$nic"
            return 0
        fi
        [ "$tries" -gt 0 ] || load_drivers
        tries=$((tries + 1))
        if [ "$tries" -ge 10 ]; then
            stop "these answers are for $CLUSTER/$HOST, whose network card is $MAC, but this machine has" \
                "$(macs | tr '\n' ' ')"
            tries=0
        fi
        sleep 3
    done
}

is_seed() {
    [ -r "$1/user-data" ] && [ -r "$1/meta-data" ] &&
        grep -q "^\"lxseed-host\": \"$HOST\"\$" "$1/meta-data"
}

# The seed: on the medium this was started from, in the installer's own memory, or on a second medium labelled cidata.
find_seed() {
    local folder
    while :; do
        for folder in "$CDROM/lxseed/$CLUSTER/$HOST" "/lxseed/$CLUSTER/$HOST" "$SEED"; do
            if is_seed "$folder"; then
                keep_seed "$folder"
                return 0
            fi
        done
        load_drivers
        mkdir -p "$STICK"
        modprobe -q isofs 2>/dev/null || true
        modprobe -q vfat 2>/dev/null || true
        if [ -b /dev/disk/by-label/cidata ] && mount -o ro /dev/disk/by-label/cidata "$STICK" 2>/dev/null; then
            if is_seed "$STICK"; then
                keep_seed "$STICK"
            fi
            umount "$STICK"
        fi
        is_seed "$SEED" ||
            stop "there is no seed for $CLUSTER/$HOST: plug in the medium labelled cidata that holds its seed.iso"
    done
}

# In memory, so that nobody has to leave a medium in.
keep_seed() {
    local file
    [ "$1" != "$SEED" ] || return 0
    mkdir -p "$SEED"
    chmod 0700 "$SEED"
    for file in user-data meta-data network-config; do
        [ ! -e "$1/$file" ] || cp "$1/$file" "$SEED/$file"
    done
    chmod 0600 "$SEED"/*
    say "the seed of $HOST comes from $1"
}

# -- disks

# disks_of WAY VALUE: the kernel's names of the disks that fit.
disks_of() {
    local name value="$2"
    case $1 in
    by_*)
        linked_disk "$1" "$2"
        return 0
        ;;
    wwn) value=$(echo "$2" | lower) ;;
    esac
    for name in $(all_disks); do
        ! disk_fits "$1" "$value" "$name" "$(serials "$name")" "$(wwns "$name")" || echo "$name"
    done
}

described() {
    local name
    for name in $(all_disks); do
        describe "$name"
    done | tr '\n' ' '
}

# What this medium lies on must not be installed over: medium_disk NAME
medium_disk() {
    local device
    device=$(sed -n 's/^\([^ ]*\) \/cdrom .*/\1/p' /proc/mounts | head -n 1)
    [ -n "$device" ] || return 1
    device=$(basename "$(readlink -f "$device")")
    [ "$device" = "$1" ] || [ -e "/sys/block/$1/$device" ]
}

# A slot that names a place takes whatever is plugged in there.
is_a_socket() { [ "$1" = by_path ] || [ "$1" = hctl ]; }

# The disk of the system's slot, in OS_DISK, or why there is none, in FAULT. The other slots are looked at too: a disk that
# is the system's by its bay and a data disk by its serial number was put into the wrong bay.
resolve() {
    local way value min max name found count size
    OS_DISK=
    FAULT=
    while read -r way value min max name; do
        [ "$name" = "$OS_SLOT" ] || continue
        found=$(disks_of "$way" "$value")
        count=$(echo "$found" | grep -c .)
        if [ "$count" = 0 ]; then
            FAULT="no disk fits the slot $name of the system ($way $value); there are $(described)- $(older_kernel)"
            return 1
        elif [ "$count" != 1 ]; then
            FAULT="$count disks fit the slot $name of the system ($way $value): $(echo "$found" | tr '\n' ' ')"
            return 1
        fi
        size=$(size_of "$found")
        if [ -e "/sys/class/block/$found/partition" ]; then
            FAULT="the slot $name of the system is /dev/$found, a partition"
        elif [ "$(cat "/sys/block/$found/ro")" = 1 ]; then
            FAULT="the disk of the system, $(describe "$found"), is read-only"
        elif medium_disk "$found"; then
            FAULT="the disk of the system, $(describe "$found"), is the medium that this installer was started from"
        elif is_a_socket "$way" && falls_out "$found"; then
            FAULT="the disk of the system, $(describe "$found"), is removable or on USB, and the slot $name names no disk but where one is plugged in ($way $value): name the disk itself, by_id, serial or wwn"
        elif [ "$min" != . ] && [ "$size" -lt "$min" ]; then
            FAULT="the disk of the system, $(describe "$found"), is smaller than the profile's min_size"
        elif [ "$max" != . ] && [ "$size" -gt "$max" ]; then
            FAULT="the disk of the system, $(describe "$found"), is larger than the profile's max_size"
        fi
        [ -z "$FAULT" ] || return 1
        OS_DISK=$found
    done <<LIST
$SLOTS
LIST
    if [ -z "$OS_DISK" ]; then
        FAULT="nothing says how the slot $OS_SLOT of the system is found"
        return 1
    fi
    while read -r way value min max name; do
        [ "$name" != "$OS_SLOT" ] || continue
        for found in $(disks_of "$way" "$value"); do
            if [ "$found" = "$OS_DISK" ]; then
                FAULT="$(describe "$found") is the system's disk, and by $way $value it is the data disk of slot $name"
                return 1
            fi
        done
    done <<LIST
$SLOTS
LIST
}
