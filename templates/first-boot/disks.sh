
# ---- disks ----------------------------------------------------------------------------------------------------------
# Guarantees: every volume of the profile lies on the disks the profile means, and on no other. A disk is taken only if
# it is one whole fixed disk of the declared size, does not carry the running system, and is blank, or is what an
# earlier run of this script made of it. Anything else stops the host, names the disk and what is on it, and writes
# nothing. The only way to have a disk emptied is `wipe` in the host's profile: its serial for what others made, and for what may
# be a pool's data a word besides, which fits what is on the disk now and nothing that comes after it.
#
# A volume passes these states, each written down before the step that it allows:
#   (none)   nothing is known: the guard must find blank disks
#   making   the disks were blank, and an array or zpool is being made: what is half there is ours
#   ready    the volume is there and still empty
#   handed   LXD is being told to make a pool of it: a pool that LXD does not know is half made, and ours
#   made     LXD has the pool: from here on nothing is ever emptied again

stage_disks() {
    local i
    # A run that died inside `mdadm --create` leaves udev's queue stopped.
    udevadm control --start-exec-queue 2>/dev/null || true
    udevadm settle --timeout=60 2>/dev/null || true
    need_disk_tools
    find_slots
    ! marked joined || adopt_pools
    await_return
    decide_wipes
    for i in "${!VOLUME_NAMES[@]}"; do
        bring_volume "$i"
    done
    renew_initramfs
    come_back
    # The others may count on it now.
    [[ ! -e $LXD_DIR/database ]] || listen
}

need_disk_tools() {
    local kind
    for kind in "${VOLUME_KINDS[@]}"; do
        case $kind in
        # Without recommended packages: mdadm of Ubuntu recommends a mail server.
        mirror) need mdadm mdadm ;;
        zfs_mirror) need zpool zfsutils-linux ;;
        esac
    done
}

# -- finding disks

# What each disk says of itself, by its kernel's name. Every slot's rule looks at every disk, and asking one costs several
# programs: with 24 disks in 24 slots that would be thousands.
DISKS=()
declare -A SERIALS=() WWNS=()

look_at_disks() {
    local name
    DISKS=() SERIALS=() WWNS=()
    for name in $(all_disks); do
        DISKS+=("$name")
        SERIALS[$name]=$(serials "$name")
        WWNS[$name]=$(wwns "$name")
    done
}

# The kernel's names of all disks that a slot's rule fits, as look_at_disks saw them last.
disks_of_slot() {
    local by=${SLOT_BY[$1]} value=${SLOT_VALUES[$1]} name
    case $by in
    by_*)
        linked_disk "$by" "$value"
        return 0
        ;;
    wwn) value=$(lower <<<"$value") ;;
    esac
    for name in "${DISKS[@]}"; do
        ! disk_fits "$by" "$value" "$name" "${SERIALS[$name]}" "${WWNS[$name]}" || echo "$name"
    done
}

# Every disk that something mounted or swapped on lies on, with the reason: "sda mounted at /boot"
busy_disks() {
    local source target name
    { findmnt -rnvo SOURCE,TARGET; awk 'NR > 1 { print $1, "[swap]" }' /proc/swaps; } | while read -r source target; do
        [[ -b $source ]] || continue
        for name in $(lsblk -nsro KNAME "$source" 2>/dev/null | sort -u); do
            echo "$name $target"
        done
    done
}

# A name that stays: a letter like sdb may belong to another disk at the next boot.
stable_path() {
    local pattern link
    for pattern in by-id/wwn- by-id/nvme-eui by-id/ by-path/; do
        for link in /dev/disk/"$pattern"*; do
            if [[ -e $link && $(readlink -f "$link") = "/dev/$1" ]]; then
                echo "$link"
                return 0
            fi
        done
    done
    echo "/dev/$1"
}

# SLOT_DISK[i]: the kernel's name, or nothing when there is none.
SLOT_DISK=()

find_slots() {
    local i j found needed
    look_at_disks
    for i in "${!SLOT_NAMES[@]}"; do
        SLOT_DISK[i]=
        needed=$(index_of "${SLOT_NAMES[$i]}" "${VOLUME_FIRST[@]}" "${VOLUME_SECOND[@]}" || true)
        if [[ -n $needed ]]; then
            # Controllers and slow drives show their disks seconds after the boot.
            wait_for 30 3 "the disk of slot ${SLOT_NAMES[$i]}" slot_has_disk "$i" || true
        fi
        mapfile -t found < <(disks_of_slot "$i")
        if [[ ${#found[@]} -gt 1 ]]; then
            stop "slot ${SLOT_NAMES[$i]}: ${SLOT_BY[$i]} ${SLOT_VALUES[$i]} fits ${#found[@]} disks:" \
                "$(for j in "${found[@]}"; do describe "$j"; done | paste -sd';')"
        fi
        SLOT_DISK[i]=${found[0]:-}
    done
    for i in "${!SLOT_NAMES[@]}"; do
        for j in "${!SLOT_NAMES[@]}"; do
            if [[ $j -gt $i && -n ${SLOT_DISK[$i]} && ${SLOT_DISK[$i]} = "${SLOT_DISK[$j]}" ]]; then
                stop "the slots ${SLOT_NAMES[$i]} and ${SLOT_NAMES[$j]} are the same disk: $(describe "${SLOT_DISK[$i]}")"
            fi
        done
    done
    check_os_slot
}

# Looks again at all disks only when the last look did not show it.
slot_has_disk() {
    [[ -z $(disks_of_slot "$1") ]] || return 0
    look_at_disks
    [[ -n $(disks_of_slot "$1") ]]
}

# If the profile and the machine disagree about the system's disk, they may disagree about the others too.
check_os_slot() {
    local i root
    i=$(index_of "$OS_SLOT" "${SLOT_NAMES[@]}") || return 0
    root=$(busy_disks | awk '$2 == "/" { print $1 }')
    if [[ -z ${SLOT_DISK[$i]} ]]; then
        say "no disk fits the slot $OS_SLOT (${SLOT_BY[$i]} ${SLOT_VALUES[$i]}); the data disks are checked one by one"
    elif [[ -n $root ]] && ! grep -qxF "${SLOT_DISK[$i]}" <<<"$root"; then
        stop "the profile's system disk ($OS_SLOT) is $(describe "${SLOT_DISK[$i]}"), but this system runs from" \
            "$(paste -sd' ' <<<"$root")"
    fi
}

# -- the guard

# What every data disk must be, whatever is on it: sane_disk SLOT-INDEX
sane_disk() {
    local slot=${SLOT_NAMES[$1]} name=${SLOT_DISK[$1]} size
    if [[ -e /sys/class/block/$name/partition ]]; then
        stop "slot $slot: /dev/$name is a partition, not a whole disk"
    fi
    if falls_out "$name"; then
        stop "slot $slot: $(describe "$name") is removable or on USB; a pool must not lie on it"
    fi
    if [[ $(cat "/sys/block/$name/ro") = 1 ]]; then
        stop "slot $slot: $(describe "$name") is read-only"
    fi
    size=$(size_of "$name")
    if [[ -n ${SLOT_MIN[$1]} ]] && ((size < SLOT_MIN[$1])); then
        stop "slot $slot: $(describe "$name") is smaller than the declared $(human "${SLOT_MIN[$1]}")"
    fi
    if [[ -n ${SLOT_MAX[$1]} ]] && ((size > SLOT_MAX[$1])); then
        stop "slot $slot: $(describe "$name") is larger than the declared $(human "${SLOT_MAX[$1]}")"
    fi
}

# A disk that something uses is nobody's blank disk: idle_disk SLOT-INDEX
idle_disk() {
    local slot=${SLOT_NAMES[$1]} name=${SLOT_DISK[$1]} at holders
    at=$(busy_disks | awk -v name="$name" '$1 == name { print $2 }' | paste -sd' ')
    case " $at " in
    "  ") ;;
    *" / "* | *" /boot "* | *" /boot/efi "* | *" /usr "* | *" /var "*)
        stop "slot $slot: $(describe "$name") carries the running system (mounted at $at)"
        ;;
    *) stop "slot $slot: $(describe "$name") is in use (mounted at $at)" ;;
    esac
    holders=$(above "$name" | while read -r at; do [[ -e /sys/class/block/$at/partition ]] || called "$at"; done | paste -sd' ')
    if [[ ${2:-} != mounted && -n $holders ]]; then
        stop "slot $slot: $(describe "$name") is in use by $holders ($(what_is_on "$name"))"
    fi
}

# What lies on a block device, in words; nothing for a blank one. Several programs are asked, because each misses
# something: wipefs sees all signatures, blkid their contents and conflicts, mdadm its names, LVM and ZFS theirs.
signs_on() {
    local device=/dev/${1#/dev/} name text
    name=$(basename "$(readlink -f "$device")")
    {
        if ! wipefs --no-act --parsable "$device" 2>/dev/null >"$RUN/wipefs"; then
            echo "cannot be read"
        fi
        awk -F, '!/^#/ && NF > 3 { print $4 ($3 == "" ? "" : " labelled " $3) }' "$RUN/wipefs"
        # 2: nothing found. 8: more than one thing found, which is as far from blank.
        text=$(blkid -p -o value -s TYPE -s PTTYPE "$device" 2>/dev/null) || [[ $? = 2 ]] || echo "ambiguous signatures"
        printf '%s\n' "$text"
        if [[ -n $(find "/sys/class/block/$name/" -maxdepth 2 -name partition 2>/dev/null || true) ]]; then
            echo "partitions"
        fi
        if command -v mdadm >/dev/null; then
            mdadm --examine --export "$device" 2>/dev/null | sed -n 's/^MD_NAME=/member of the md array /p' || true
        fi
        if command -v pvs >/dev/null; then
            timeout 60 pvs --noheadings -o vg_name "$device" 2>/dev/null | sed 's/^ *$//; s/^ */LVM volume group /' || true
        fi
        if command -v zdb >/dev/null; then
            timeout 60 zdb -l "$device" 2>/dev/null | sed -n "s/^ *name: /ZFS pool /p" || true
        fi
    } | in_words
}

# Blank lines and an LVM member without a group give nothing.
in_words() { sed '/^$/d; /^LVM volume group $/d' | sort -u | paste -sd, | sed 's/,/, /g'; }

# The same, and what lies inside: in partitions, arrays and LVM. A device without any signature has no layers.
what_is_on() {
    local on
    : >"$RUN/layers"
    on=$(signs_on "$1")
    if [[ -n $on ]]; then
        look_into "$1"
        on=$({ tr ',' '\n' <<<"$on" | sed 's/^ *//'; layer on; } | in_words)
    fi
    echo "$on"
}

# blank_slots SLOT-INDEX...: sane, idle, and nothing on them. All that are not are named at once.
blank_slots() {
    local slot name on refused=''
    for slot in "$@"; do
        name=${SLOT_DISK[$slot]}
        sane_disk "$slot"
        idle_disk "$slot" mounted
        on=$(what_is_on "$name")
        if [[ -n $on ]]; then
            refused+="${refused:+. And }$(not_blank "$slot" "$on")"
        else
            idle_disk "$slot"
        fi
    done
    [[ -z $refused ]] || stop "$refused"
}

# What is on a slot's disk, which was looked into last, and the one line that would let it be emptied: not_blank SLOT-INDEX TEXT
not_blank() {
    local slot=${SLOT_NAMES[$1]} name=${SLOT_DISK[$1]} on=$2 allowed=${SLOT_WIPE[$1]} ours text
    ours=$(layer ours | paste -sd, | sed 's/,/, /g')
    text="slot $slot: $(describe "$name") is not blank: $on. It was left untouched."
    if [[ -n ${CONVERGE:-} ]]; then
        echo "$text This machine is sealed, and nothing is emptied on it, whatever the profile says. Take another disk"
        return 0
    fi
    if [[ -n $ours ]]; then
        text+=" It holds what lxseed or LXD makes as a volume or a pool: $ours. If this host was a member before, that is its data;"
        text+=" it does not come back by itself ($WHY_NOT), and emptying the disk loses it for good."
    fi
    if [[ -n $allowed ]] && ! wipe_fits "$1"; then
        text+=" The profile's 'wipe: $allowed' is for $(wipe_is_for "$1")."
    fi
    if [[ -z $(serial "$name") ]]; then
        echo "$text It has no serial number to allow anything by: take another disk, or empty this one by hand"
        return 0
    fi
    text+=" Take another disk, or allow this one to be emptied"
    if [[ -n $ours ]] || needs_word "$1"; then
        text+=", with all that is on it now,"
    fi
    echo "$text with '$(wipe_line "$1")' at the slot in the host's profile"
}

# -- emptying, on the profile's word only
#
# `wipe: SERIAL` is for what others made. What lxseed or LXD may have made needs `wipe: SERIAL/WORD`, and the word is bound to
# what lies there (word_of_layers): left in the profile, it does not fit what the next installation makes of the disk.

# allowed_serial SLOT-INDEX: the serial in the profile's permission. It may have a slash itself.
allowed_serial() {
    local allowed=${SLOT_WIPE[$1]}
    if [[ $allowed =~ ^(.+)/[0-9a-f]{8}$ ]] && ! has_line "$(serials "${SLOT_DISK[$1]}")" "$allowed"; then
        echo "${BASH_REMATCH[1]}"
    else
        echo "$allowed"
    fi
}

allowed_word() {
    local allowed=${SLOT_WIPE[$1]} serial
    serial=$(allowed_serial "$1")
    [[ $allowed = "$serial" ]] || echo "${allowed##*/}"
}

# Whether a plain permission is not enough, whatever is on the disk: it was used up, or no pool uses the volume, so what is on it
# may be what a person has put there since.
needs_word() {
    local i pool=''
    if [[ $(sed -n 1p "$STATE/marks/wiped-${SLOT_NAMES[$1]}" 2>/dev/null || true) = "$(serial "${SLOT_DISK[$1]}")" ]]; then
        return 0
    fi
    for i in "${!VOLUME_NAMES[@]}"; do
        if [[ ${VOLUME_FIRST[$i]} = "${SLOT_NAMES[$1]}" || ${VOLUME_SECOND[$i]} = "${SLOT_NAMES[$1]}" ]]; then
            pool=$(pool_of "${VOLUME_NAMES[$i]}")
        fi
    done
    [[ -z $pool ]]
}

# What follows goes by what was looked into last, which has to be the slot's disk.

wipe_line() {
    local serial
    serial=$(serial "${SLOT_DISK[$1]}")
    if [[ -n $(layer ours) ]] || needs_word "$1"; then
        echo "wipe: $serial/$(word_of_layers)"
    else
        echo "wipe: $serial"
    fi
}

wipe_fits() {
    local word
    if [[ -z ${SLOT_WIPE[$1]} ]] || ! has_line "$(serials "${SLOT_DISK[$1]}")" "$(allowed_serial "$1")"; then
        return 1
    fi
    word=$(allowed_word "$1")
    if wipe_was_begun "$1"; then
        return 0
    elif [[ -n $word ]]; then
        [[ $word = "$(word_of_layers)" ]]
    else
        [[ -z $(layer ours) ]] && ! needs_word "$1"
    fi
}

wipe_is_for() {
    if ! has_line "$(serials "${SLOT_DISK[$1]}")" "$(allowed_serial "$1")"; then
        echo "another disk"
    elif [[ -n $(allowed_word "$1") ]]; then
        echo "what was on this disk before, and not for this"
    elif [[ -n $(layer ours) ]]; then
        echo "what others made, and not for this"
    elif [[ -e $STATE/marks/wiped-${SLOT_NAMES[$1]} ]]; then
        echo "one time, which has been"
    else
        echo "the disks of pools, and no pool uses this volume"
    fi
}

# A power cut in the middle of emptying is finished: then the disk is neither the old one nor blank. What is left of it must be of
# what was there when it began.
wipe_was_begun() {
    local file=$STATE/marks/wiping-${SLOT_NAMES[$1]} line
    [[ -e $file && $(sed -n 1p "$file") = "${SLOT_WIPE[$1]}" ]] || return 1
    while IFS= read -r line; do
        grep -qxF -- "$line" "$file" || return 1
    done < <(layer id)
}

# The slots whose disks are to be emptied in this run, decided for all volumes before anything is written, and what is on them.
EMPTIED=() EMPTIED_OF=()
to_be_emptied() { [[ -n $(index_of "$1" "${EMPTIED[@]}" || true) ]]; }

decide_wipes() {
    local i slot first second wanted refused on
    EMPTIED=()
    for i in "${!VOLUME_NAMES[@]}"; do
        volume_read "${VOLUME_NAMES[$i]}"
        # Before anything was made of it: a blank disk may have been exchanged for another.
        if [[ -n $V_STATE && ! ($V_STATE = ready && ${VOLUME_KINDS[$i]} = device && $V_SOURCE = "$V_DEVICE") ]]; then
            continue
        fi
        wanted=() refused=''
        first=$(index_of "${VOLUME_FIRST[$i]}" "${SLOT_NAMES[@]}")
        second=$(index_of "${VOLUME_SECOND[$i]}" "${SLOT_NAMES[@]}" || true)
        if [[ -z ${SLOT_WIPE[$first]}${second:+${SLOT_WIPE[$second]}} ]]; then
            continue
        fi
        # Half of a mirror is not emptied while the other half is missing or may not be.
        if [[ -z ${SLOT_DISK[$first]} || (-n $second && -z ${SLOT_DISK[$second]}) ]]; then
            continue
        fi
        for slot in "$first" ${second:+"$second"}; do
            sane_disk "$slot"
            on=$(what_is_on "${SLOT_DISK[$slot]}")
            if [[ -z $on ]] && ! { [[ -n ${SLOT_WIPE[$slot]} ]] && wipe_was_begun "$slot"; }; then
                continue
            elif wipe_fits "$slot"; then
                wanted+=("$slot")
                EMPTIED_OF[slot]=$on
                cp "$RUN/layers" "$RUN/layers-$slot"
            else
                refused+="${refused:+. And }$(not_blank "$slot" "$on")"
            fi
        done
        if [[ ${#wanted[@]} -gt 0 && -n ${CONVERGE:-} ]]; then
            say "volume ${VOLUME_NAMES[$i]}: this machine is sealed; no disk is emptied on it, whatever the profile says"
        elif [[ ${#wanted[@]} -gt 0 && -n $refused ]]; then
            stop "$refused"
        else
            EMPTIED+=("${wanted[@]}")
        fi
    done
    nothing_elsewhere
}

# An array, volume group or zpool that lies on another disk too goes only where that one may be emptied as well.
nothing_elsewhere() {
    local slot other kind uuid title parts=''
    for slot in "${EMPTIED[@]}"; do
        parts+=$(sed -n "s/^part\t/$slot\t/p" "$RUN/layers-$slot")$'\n'
    done
    [[ -n ${parts//$'\n'/} ]] || return 0
    for other in $(all_disks); do
        for slot in "${EMPTIED[@]}"; do
            [[ ${SLOT_DISK[$slot]} != "$other" ]] || continue 2
        done
        # A card reader without a card.
        [[ $(cat "/sys/block/$other/size") != 0 ]] || continue
        look_into "$other"
        while IFS=$'\t' read -r slot kind uuid title; do
            if [[ -n $uuid ]] && grep -qF -- "$kind"$'\t'"$uuid"$'\t' <<<"$(layer part)"; then
                stop "slot ${SLOT_NAMES[$slot]}: $(describe "${SLOT_DISK[$slot]}") may be emptied, but the $(kind_in_words "$kind")" \
                    "$title on it lies on $(describe "$other") too, which may not be; take that one out, or allow both. Nothing" \
                    "was emptied$(and_its_line "$other")"
            fi
        done <<<"$parts"
    done
}

# Where that other disk is in a slot too, how to allow it.
and_its_line() {
    local slot
    for slot in "${!SLOT_NAMES[@]}"; do
        if [[ ${SLOT_DISK[$slot]} = "$1" && ${SLOT_NAMES[$slot]} != "$OS_SLOT" ]]; then
            echo ". And $(not_blank "$slot" "$(what_is_on "$1")")"
        fi
    done
}

kind_in_words() {
    case $1 in
    md) echo "md array" ;;
    vg) echo "LVM volume group" ;;
    *) echo "$1" ;;
    esac
}

# empty_as_allowed SLOT-INDEX...: those of a volume's slots that decide_wipes has found.
empty_as_allowed() {
    local slot name slots=()
    for slot in "$@"; do
        ! to_be_emptied "$slot" || slots+=("$slot")
    done
    for slot in "${slots[@]}"; do
        idle_disk "$slot" mounted
    done
    for slot in "${slots[@]}"; do
        say "slot ${SLOT_NAMES[$slot]}: emptying $(describe "${SLOT_DISK[$slot]}") as the profile says; on it:" \
            "${EMPTIED_OF[$slot]}"
        take_down "$slot"
        idle_disk "$slot"
    done
    # Both halves of a mirror are begun before the first is written to: after that, neither is what the word was for.
    for slot in "${slots[@]}"; do
        look_into "${SLOT_DISK[$slot]}"
        if ! wipe_was_begun "$slot"; then
            mark "wiping-${SLOT_NAMES[$slot]}" "${SLOT_WIPE[$slot]}"$'\n'"$(layer id)"
        fi
    done
    for slot in "${slots[@]}"; do
        name=${SLOT_DISK[$slot]}
        erase "$name"
        mark "wiped-${SLOT_NAMES[$slot]}" "$(serial "$name")"
        unmark "wiping-${SLOT_NAMES[$slot]}"
    done
}

# All that the kernel has on top of a block device, the uppermost first: partitions, arrays, device-mapper.
above() { layers_above "$1" | awk '!seen[$0]++'; }

layers_above() {
    local at
    # Without a name, the patterns would fit everything.
    [[ -n $1 ]] || return 0
    for at in "/sys/class/block/$1/holders"/* "/sys/class/block/$1/$1"*; do
        if [[ -e $at && ($at = */holders/* || -e $at/partition) ]]; then
            layers_above "${at##*/}"
            echo "${at##*/}"
        fi
    done
}

# The disks that a block device lies on.
disks_below() {
    local at=/sys/class/block/$1 slave lower=''
    for slave in "$at"/slaves/*; do
        if [[ -e $slave ]]; then
            lower=yes
            disks_below "${slave##*/}"
        fi
    done
    if [[ -e $at/partition ]]; then
        disks_below "$(basename "$(dirname "$(readlink -f "$at")")")"
    elif [[ -z $lower ]]; then
        echo "$1"
    fi
}

# The kernel's name of a layer, with the one that people know it by.
called() {
    local name=$1 known=''
    case $name in
    dm-*) known=$(cat "/sys/class/block/$name/dm/name" 2>/dev/null || true) ;;
    md*) known=$(mdadm --detail --export "/dev/$name" 2>/dev/null | sed -n 's/^MD_NAME=//p' || true) ;;
    esac
    echo "$name${known:+ ($known)}"
}

# udev assembles foreign arrays and volume groups at boot. From the top down, only idle ones let go, and only what lies on nothing
# but disks that are to be emptied.
take_down() {
    local slot=${SLOT_NAMES[$1]} name=${SLOT_DISK[$1]} upper disk i
    for upper in $(above "$name"); do
        for disk in $(disks_below "$upper"); do
            for i in "${EMPTIED[@]}"; do
                [[ ${SLOT_DISK[$i]} != "$disk" ]] || continue 2
            done
            stop "slot $slot: $(describe "$name") may be emptied, but $(called "$upper") on it lies on $(describe "$disk") too," \
                "which may not be. It was left untouched"
        done
    done
    export_zpools "$name"
    take_down_above "$name"
}

take_down_above() {
    local upper uuid
    for upper in $(above "$1"); do
        case $upper in
        dm-*)
            uuid=$(cat "/sys/class/block/$upper/dm/uuid" 2>/dev/null || true)
            # Anything else than LVM (an encrypted disk that is open, multipath) was set up by somebody, and stays.
            if [[ $uuid = LVM-* && -e /sys/class/block/$upper ]]; then
                # By its identity: two groups may have one name, the system's own and that of an old system's disk.
                uuid=${uuid#LVM-}
                uuid=${uuid:0:6}-${uuid:6:4}-${uuid:10:4}-${uuid:14:4}-${uuid:18:4}-${uuid:22:4}-${uuid:26:6}
                quietly timeout 60 vgchange -an --select "vg_uuid=$uuid" || true
                udevadm settle --timeout=30 2>/dev/null || true
            fi
            ;;
        md*) [[ -e /sys/class/block/$upper/partition ]] || quietly timeout 60 mdadm --stop "/dev/$upper" || true ;;
        esac
    done
    udevadm settle --timeout=30 2>/dev/null || true
}

zpool_tools() {
    local tool
    for tool in "$(command -v zpool || true)" /snap/lxd/current/zfs-*/bin/zpool; do
        [[ ! -x $tool ]] || echo "$tool"
    done
}

# ZFS holds its disks without a trace in /sys/block.
export_zpools() {
    local tool pool kind uuid title
    for tool in $(zpool_tools); do
        for pool in $("$tool" list -H -o name 2>/dev/null || true); do
            look_into "$1"
            while IFS=$'\t' read -r kind uuid title; do
                if [[ $kind = zpool && $("$tool" get -H -o value guid "$pool" 2>/dev/null || true) = "$uuid" ]]; then
                    quietly timeout 120 "$tool" export "$pool" || later "the zpool $title on /dev/$1 is in use: $SAID"
                fi
            done < <(layer part)
        done
    done
}

# The inner layers before the outer ones, see PY_EMPTY.
erase() {
    local try
    for try in 1 2 3; do
        look_into "$1"
        layer region >"$RUN/regions"
        if quietly timeout 900 python3 -IS -c "$PY_EMPTY" "/dev/$1" "$RUN/regions"; then
            udevadm settle --timeout=30 2>/dev/null || true
            # lvm2 of 18.04 keeps what it has seen in a daemon.
            ! command -v pvscan >/dev/null || quietly timeout 60 pvscan --cache || true
            return 0
        fi
        # udev may have put an array together again that was just stopped.
        [[ $try = 3 ]] || take_down_above "$1"
    done
    later "/dev/$1 cannot be emptied: $SAID"
}
