
# ---- volumes --------------------------------------------------------------------------------------------------------
# The second half of the stage disks. Guarantees: each volume is made once, of disks the guard has passed, and every later
# run finds it again: a disk taken as it is, an md mirror, a zpool, a file system; and what LXD left half made on one that
# it never took is cleared.

# -- the book of volumes: STATE, DEVICE, SOURCE (what LXD is told) and DISKS (serials), one line, tab separated

volume_read() {
    V_STATE='' V_DEVICE='' V_SOURCE='' V_DISKS=''
    if [[ -e $STATE/volumes/$1 ]]; then
        IFS=$'\t' read -r V_STATE V_DEVICE V_SOURCE V_DISKS <"$STATE/volumes/$1" || true
    fi
}

volume_write() { printf '%s\t%s\t%s\t%s\n' "$2" "$3" "$4" "$5" | put "$STATE/volumes/$1" 0644; }

volume_state() {
    volume_read "$1"
    volume_write "$1" "$2" "$V_DEVICE" "$V_SOURCE" "$V_DISKS"
}

# -- single disks, and what all kinds share

bring_volume() {
    local name=${VOLUME_NAMES[$1]} kind=${VOLUME_KINDS[$1]} first second='' serials
    first=$(index_of "${VOLUME_FIRST[$1]}" "${SLOT_NAMES[@]}")
    [[ -z ${VOLUME_SECOND[$1]} ]] || second=$(index_of "${VOLUME_SECOND[$1]}" "${SLOT_NAMES[@]}")
    volume_read "$name"
    empty_as_allowed "$first" ${second:+"$second"}
    if [[ -z ${SLOT_DISK[$first]} ]]; then
        missing_disk "$kind" "$first" "$second"
    elif [[ -n $second && -z ${SLOT_DISK[$second]} ]]; then
        missing_disk "$kind" "$second" "$first"
    fi
    # Two members in slot order; a missing one leaves its place empty.
    serials=$([[ -z ${SLOT_DISK[$first]} ]] || serial "${SLOT_DISK[$first]}")
    [[ -z $second || -z ${SLOT_DISK[$second]} ]] || serials="$serials $(serial "${SLOT_DISK[$second]}")"
    case $kind in
    device) bring_device "$name" "$first" "$serials" ;;
    mirror) bring_mirror "$name" "$first" "$second" "$serials" ;;
    zfs_mirror) bring_zfs_mirror "$name" "$first" "$second" "$serials" ;;
    esac
    volume_read "$name"
    bring_folder "$name"
}

# A mirror of ours runs on one leg; everything else needs its disk: missing_disk KIND MISSING OTHER
missing_disk() {
    local here
    if [[ $V_STATE != making && $1 != device && -n ${SLOT_DISK[$3]} ]] &&
        { [[ -n $V_STATE ]] || [[ $1 = mirror && $(md_name "${SLOT_DISK[$3]}") = "$HOST:"* ]]; }; then
        return 0
    fi
    here=$(for name in $(all_disks); do describe "$name"; done | paste -sd';' | sed 's/;/; /g')
    stop "slot ${SLOT_NAMES[$2]}: no disk with ${SLOT_BY[$2]} ${SLOT_VALUES[$2]}. Here are: ${here:-no disks}"
}

pool_of() { index_of "$1" "${POOL_VOLUMES[@]}" || true; }
driver_of() {
    local pool
    pool=$(pool_of "$1")
    [[ -z $pool ]] || echo "${POOL_DRIVERS[$pool]}"
}

bring_device() {
    local name=$1 slot=$2 disks=$3 device
    device=$(stable_path "${SLOT_DISK[$slot]}")
    sane_disk "$slot"
    case $V_STATE in
    '')
        blank_slots "$slot"
        say "volume $name: $(describe "${SLOT_DISK[$slot]}") is blank"
        volume_write "$name" ready "$device" "$device" "$disks"
        ;;
    ready)
        # Nothing was handed out of it yet, so another disk may have come into the slot since.
        if [[ $(driver_of "$name") != dir || $V_DISKS != "$disks" ]]; then
            blank_slots "$slot"
            unmark "mkfs-$name"
            V_SOURCE=$device
        fi
        [[ $V_SOURCE != "$V_DEVICE" ]] || V_SOURCE=$device
        volume_write "$name" ready "$device" "$V_SOURCE" "$disks"
        ;;
    *) same_disks "$name" "$disks" ;;
    esac
}

# After something was made of a volume, its disks must be the same.
same_disks() {
    if [[ $2 != "$V_DISKS" ]]; then
        stop "volume $1 was made of the disk with serial '$V_DISKS', and its slot now holds '$2'; put the old disk back, or" \
            "remove this member from the cluster and install it anew"
    fi
}

# -- md mirrors

# mdadm says that a disk is no member by its exit code, too.
md_name() { mdadm --examine --export "/dev/$1" 2>/dev/null | sed -n 's/^MD_NAME=//p' || true; }
md_uuid() { mdadm --examine --export "/dev/$1" 2>/dev/null | sed -n 's/^MD_UUID=//p' || true; }

bring_mirror() {
    local name=$1 first=$2 second=$3 disks=$4 a=${SLOT_DISK[$2]} b=${SLOT_DISK[$3]} mine="$HOST:$1" slot ours=0 here=0 uuid=''
    for slot in "$first" "$second"; do
        [[ -n ${SLOT_DISK[$slot]} ]] || continue
        here=$((here + 1))
        sane_disk "$slot"
        if [[ $(md_name "${SLOT_DISK[$slot]}") = "$mine" ]]; then
            ours=$((ours + 1))
            if [[ -n $uuid && $uuid != "$(md_uuid "${SLOT_DISK[$slot]}")" ]]; then
                stop "volume $name: $(describe "$a") and $(describe "$b") are members of two different arrays that are both" \
                    "named $mine; take out the one that is not wanted"
            fi
            uuid=$(md_uuid "${SLOT_DISK[$slot]}")
        fi
    done
    if [[ $V_STATE = making && $ours -lt 2 ]]; then
        # `mdadm --create` was cut off between its two members. Its array has the identity that was written down before.
        for slot in "$first" "$second"; do
            if [[ -n ${SLOT_DISK[$slot]} ]] && made_here "$name" "${SLOT_DISK[$slot]}"; then
                take_down_above "${SLOT_DISK[$slot]}"
                erase "${SLOT_DISK[$slot]}"
                ours=0
            fi
        done
    fi
    if [[ $ours = 0 ]]; then
        if [[ $V_STATE = handed || $V_STATE = made ]]; then
            stop "volume $name: neither $(describe "$a") nor $(describe "$b") is a member of $mine any more"
        fi
        blank_slots "$first" "$second"
        create_mirror "$name" "$a" "$b" "$disks"
        uuid=$(md_uuid "$a")
        V_STATE=making
    else
        if [[ $ours -lt $here ]]; then
            case $V_STATE in
            ready)
                stop "volume $name: only one of $(describe "$a") and $(describe "$b") is a member of $mine; put the old disk" \
                    "back, or take the other one out"
                ;;
            '' | making) half_a_mirror "$name" "$first" "$second" ;;
            esac
            say "volume $name: one disk is no member of $mine; running degraded. To rebuild: mdadm /dev/md/$name --add DISK"
        elif [[ $here = 1 ]]; then
            say "volume $name: one of the two disks is missing; running degraded"
        fi
        if [[ -z $V_STATE ]] || { [[ $V_STATE = making ]] && ! made_here "$name" "${a:-$b}"; }; then
            V_STATE=
            old_array_blank "$name" "$first" "$second"
        elif [[ $V_STATE = making ]]; then
            # udev may have started it under another name, and what an earlier array left in it, too.
            take_down_above "$a"
            take_down_above "$b"
        fi
        assemble_mirror "$name" "$uuid" "$a" "$b"
    fi
    if [[ $V_STATE = making ]]; then
        empty_new_array "$name" "${a:-$b}"
    fi
    remember_array "$name" "$uuid"
    if [[ -z $V_STATE || $V_STATE = making ]]; then
        volume_write "$name" ready "/dev/md/$name" "$(md_path "$name" "$uuid")" "$disks"
        unmark "array-$name"
    fi
}

# Whether a disk is a member of the array that this installation has begun to make of the volume.
made_here() { [[ $(md_uuid "$2") = "$(cat "$STATE/marks/array-$1" 2>/dev/null || echo none)" ]]; }

create_mirror() {
    local name=$1 a=$2 b=$3 uuid
    uuid=$(od -An -N16 -tx4 /dev/urandom | sed 's/^ *//; s/ /:/g')
    mark "array-$name" "$uuid"
    say "volume $name: mirroring $(describe "$a") and $(describe "$b")"
    volume_write "$name" making "/dev/md/$name" "/dev/md/$name" "$4"
    udevadm settle --timeout=60 2>/dev/null || true
    # udev must not look at the members while they are half written; curtin does the same. --run answers mdadm's question
    # about what is on the disks, so the guard above is the only one there is.
    udevadm control --stop-exec-queue 2>/dev/null || true
    if ! quietly timeout 120 mdadm --create "/dev/md/$name" --run "--homehost=$HOST" --raid-devices=2 --metadata=1.2 \
        --level=1 "--name=$name" "--uuid=$uuid" "/dev/$a" "/dev/$b"; then
        udevadm control --start-exec-queue 2>/dev/null || true
        later "mdadm --create of $name failed: $SAID"
    fi
    udevadm control --start-exec-queue 2>/dev/null || true
    udevadm settle --timeout=60 "--exit-if-exists=/dev/md/$name" 2>/dev/null || true
    wait_for 30 1 "/dev/md/$name" test -b "/dev/md/$name" || later "/dev/md/$name did not appear"
}

# The udev name carries the array's own identity; /dev/md/NAME gets a suffix when the array looks foreign.
md_path() {
    if [[ -b /dev/disk/by-id/md-uuid-$2 ]]; then
        echo "/dev/disk/by-id/md-uuid-$2"
    else
        echo "/dev/md/$1"
    fi
}

array_runs() { [[ -b /dev/md/$1 && $(mdadm --detail --export "/dev/md/$1" 2>/dev/null) = *"MD_UUID=$2"* ]]; }

assemble_mirror() {
    local name=$1 uuid=$2 other members=()
    if array_runs "$name" "$uuid"; then
        return 0
    fi
    # A new system knows of no array: udev starts this one under a name of its own, and activates the volume group on it; a zpool on it was
    # imported to come back. Before this host is a member, nobody uses that.
    if ! marked joined; then
        for other in "$3" "$4"; do
            [[ -z $other ]] || export_zpools "$other"
            take_down_above "$other"
        done
    fi
    # udev may have started it under another number or name, or left it inactive for want of a member.
    for other in /dev/md[0-9]* /dev/md/*; do
        if [[ -b $other && $(mdadm --detail --export "$other" 2>/dev/null) = *"MD_UUID=$uuid"* ]]; then
            quietly timeout 60 mdadm --stop "$other" || later "the array of $name runs as $other and is in use: $SAID"
        fi
    done
    [[ -z $3 || $(md_uuid "$3") != "$uuid" ]] || members+=("/dev/$3")
    [[ -z $4 || $(md_uuid "$4") != "$uuid" ]] || members+=("/dev/$4")
    say "volume $name: assembling its array from ${members[*]}"
    quietly timeout 120 mdadm --assemble "/dev/md/$name" --run "--uuid=$uuid" "${members[@]}" ||
        later "mdadm --assemble of $name failed: $SAID"
    udevadm settle --timeout=60 2>/dev/null || true
    array_runs "$name" "$uuid" || later "/dev/md/$name is not there after mdadm --assemble"
}

# The copy of mdadm.conf inside the initramfs decides the array's name at the next boot. Making an initramfs takes long, so it
# is made once for all arrays, by renew_initramfs.
remember_array() {
    local conf=/etc/mdadm/mdadm.conf
    if ! grep -qsF "$2" "$conf"; then
        mark initramfs
        { cat "$conf" 2>/dev/null || true; echo "ARRAY /dev/md/$1 metadata=1.2 name=$HOST:$1 UUID=$2"; } | put "$conf" 0644
    fi
}

renew_initramfs() {
    if marked initramfs; then
        quietly timeout 900 update-initramfs -u || later "update-initramfs failed: $SAID"
        unmark initramfs
    fi
}

# The data of an array begins far behind its superblock: 129 MiB on disks from 128 GiB on. What a former array had there is at the
# same place in the new one, and no look at the blank disks could see it: the label of a file system, or a volume group, which
# udev may have activated by now. The array is this installation's own, made of disks that were blank, and nobody was given it.
empty_new_array() {
    local array=/dev/md/$1 on
    made_here "$1" "$2" || stop "volume $1: the array $array is not the one that was made of its disks"
    on=$(what_is_on "$array")
    [[ -z $on ]] || say "volume $1: emptying the new array of what an earlier one has left on its disks ($on)"
    # Whatever was seen: md reads from one half only, and the other may still hold the old content.
    array=$(basename "$(readlink -f "$array")")
    take_down_above "$array"
    erase "$array"
}

# An array of ours from an earlier installation may still hold that installation's pool. Looked at on its members, before anything
# starts it.
old_array_blank() {
    local slot name refused=''
    for slot in "$2" "$3"; do
        name=${SLOT_DISK[$slot]}
        if [[ -n $name ]] && md_holds_something "$name"; then
            refused+="${refused:+. And }$(not_blank "$slot" "$(what_is_on "$name")")"
        fi
    done
    [[ -z $refused ]] || stop "volume $1: this host's own array of an earlier installation is not blank. $refused"
}

# One disk is a member of this host's array and the other is not: an earlier installation's, whose other half was exchanged.
half_a_mirror() {
    local slot on refused=''
    for slot in "$2" "$3"; do
        on=$(what_is_on "${SLOT_DISK[$slot]}")
        [[ -z $on ]] || refused+="${refused:+. And }$(not_blank "$slot" "$on")"
    done
    stop "volume $1: only one of its two disks is a member of this host's own array of an earlier installation; put its other half" \
        "back, or take the strange disk out. $refused"
}

# Whether there is more in it than the array itself.
md_holds_something() {
    look_into "$1"
    [[ -n $(layer on | grep -v '^member of the md array \|^linux_raid_member$' || true) ]]
}

# -- zpools that are mirrors themselves

bring_zfs_mirror() {
    local name=$1 first=$2 second=$3 disks=$4 pool
    # Without one the empty index would be the first pool's.
    pool=$(pool_of "$1")
    [[ -n $pool ]] || stop "volume $1: no pool uses it, and a zpool is made for one alone"
    pool=${POOL_NAMES[$pool]}
    if [[ $V_STATE = making ]]; then
        same_disks "$name" "$disks"
        if ! zpool_of_disks "$pool" "$first" "$second"; then
            # `zpool create` was cut off. If it was far enough to be imported it is whole.
            left_by_zpool_create "$pool" "$first" "$second"
            erase "${SLOT_DISK[$first]}"
            erase "${SLOT_DISK[$second]}"
            V_STATE=
        fi
    fi
    case $V_STATE in
    '')
        blank_slots "$first" "$second"
        if zpool list -H "$pool" >/dev/null 2>&1; then
            stop "volume $name: a zpool named $pool is already here, and it was not made by this installation"
        fi
        say "volume $name: zpool $pool mirrors $(describe "${SLOT_DISK[$first]}") and $(describe "${SLOT_DISK[$second]}")"
        volume_write "$name" making "$pool" "$pool" "$disks"
        # Without -f: zpool has a guard of its own.
        quietly timeout 120 zpool create -o ashift=12 -m none "$pool" mirror "$(stable_path "${SLOT_DISK[$first]}")" \
            "$(stable_path "${SLOT_DISK[$second]}")" || later "zpool create $pool failed: $SAID"
        volume_state "$name" ready
        ;;
    making) volume_state "$name" ready ;;
    *)
        if ! zpool list -H "$pool" >/dev/null 2>&1; then
            quietly timeout 120 zpool import -N -d /dev/disk/by-id "$pool" || later "zpool import $pool failed: $SAID"
        fi
        ;;
    esac
}

# zpool_of_disks POOL SLOT SLOT: whether the pool that is imported, or can be, is the one on these two disks. One of the same name
# on other disks is somebody else's.
zpool_of_disks() {
    local slot guid=''
    for slot in "$2" "$3"; do
        look_into "${SLOT_DISK[$slot]}"
        guid+="${guid:+ }$(layer part | awk -F '\t' -v pool="$1" '$1 == "zpool" && $3 == pool { print $2 }' | sort -u | paste -sd,)"
    done
    [[ -n ${guid% *} && ${guid% *} = "${guid#* }" && $guid != *,* ]] || return 1
    guid=${guid% *}
    if ! zpool list -H "$1" >/dev/null 2>&1; then
        quietly timeout 120 zpool import -N -d /dev/disk/by-id "$guid" || return 1
    fi
    [[ $(zpool get -H -o value guid "$1" 2>/dev/null || true) = "$guid" ]] ||
        stop "a zpool named $1 is already here, on other disks than those of its slots"
}

# What an interrupted `zpool create` can have left on disks that were blank: its partitions and its own pool, and nothing else.
left_by_zpool_create() {
    local slot strange
    for slot in "$2" "$3"; do
        look_into "${SLOT_DISK[$slot]}"
        strange=$(layer on | grep -vxE "(gpt|zfs_member|ZFS pool $1|zfs_member labelled $1)( in partition [19])?" || true)
        if [[ -n $strange ]]; then
            stop "slot ${SLOT_NAMES[$slot]}: $(describe "${SLOT_DISK[$slot]}") was blank when a zpool was begun on it, and now it carries" \
                "$(paste -sd, <<<"$strange" | sed 's/,/, /g')"
        fi
    done
}

# -- a file system for the driver dir

# LXD wants an empty folder, and the root of an ext4 is not empty: it has lost+found.
bring_folder() {
    local name=$1 pool at uuid on
    if [[ $(driver_of "$name") != dir ]]; then
        return 0
    fi
    pool=${POOL_NAMES[$(pool_of "$name")]}
    at=/srv/lxseed/$pool
    if [[ $V_STATE = ready && $V_SOURCE != "$at/lxd" ]]; then
        if marked "mkfs-$name"; then
            on=$(signs_on "$V_DEVICE")
            if [[ -n $(tr ',' '\n' <<<"$on" | sed 's/^ *//' | grep -vxE "(ext[234]( labelled .*)?)?" || true) ]]; then
                stop "volume $name: $V_DEVICE was blank when a file system was begun on it, and now it carries $on"
            fi
            unmount_volume "$V_DEVICE"
            erase "$(basename "$(readlink -f "$V_DEVICE")")"
        fi
        on=$(signs_on "$V_DEVICE")
        [[ -z $on ]] || stop "volume $name: $V_DEVICE is not blank: $on"
        say "volume $name: making a file system"
        mark "mkfs-$name"
        # Label and place say whose it is, to whoever finds the disk; an installation of this host to come, above all.
        quietly timeout 1800 mkfs.ext4 -q -L "$pool" -M "$at" "$V_DEVICE" || later "mkfs.ext4 on $V_DEVICE failed: $SAID"
    fi
    uuid=$(blkid -p -o value -s UUID "$V_DEVICE") || later "the file system of volume $name cannot be read"
    if ! grep -qs "^UUID=$uuid " /etc/fstab; then
        # nofail: a lost data disk must not keep the machine from booting.
        { cat /etc/fstab 2>/dev/null || true; echo "UUID=$uuid $at ext4 defaults,nofail 0 2"; } | put /etc/fstab 0644
    fi
    mkdir -p "$at"
    mountpoint -q "$at" || quietly timeout 120 mount "$V_DEVICE" "$at" || later "mounting $at failed: $SAID"
    mkdir -p "$at/lxd"
    [[ $V_SOURCE = "$at/lxd" ]] || volume_write "$name" "$V_STATE" "$V_DEVICE" "$at/lxd" "$V_DISKS"
    unmark "mkfs-$name"
}

# -- for the cluster stage

# The sources that LXD is told, as "POOL<tab>SOURCE" lines.
pool_sources() {
    local i
    for i in "${!POOL_NAMES[@]}"; do
        volume_read "${POOL_VOLUMES[$i]}"
        printf '%s\t%s\n' "${POOL_NAMES[$i]}" "$V_SOURCE"
    done
}

# Whether LXD has not begun with any of its pools. Of a zpool that it was handed, nobody looks: that only costs a reset.
handed_volumes_blank() {
    local name
    for name in "${VOLUME_NAMES[@]}"; do
        volume_read "$name"
        if [[ $V_STATE != handed ]]; then
            continue
        elif [[ $(driver_of "$name") = dir ]]; then
            [[ -z $(find "$V_SOURCE" -mindepth 1 -print -quit) ]] || return 1
        else
            [[ $V_SOURCE = /* && -z $(signs_on "$V_SOURCE") ]] || return 1
        fi
    done
}

# A volume that was ready, and of which the desk has had a pool made since, is LXD's: it is not asked to be blank any more, nor is a word
# offered with which it could be emptied. Only where LXD says that this member's pool was made on that very volume.
adopt_pools() {
    local i pool source
    for i in "${!POOL_NAMES[@]}"; do
        pool=${POOL_NAMES[$i]}
        volume_read "${POOL_VOLUMES[$i]}"
        [[ $V_STATE = ready ]] || continue
        start_lxd
        read_own_pools
        cluster_has_pool "$pool" || continue
        source=$(lxd_api GET "/1.0/storage-pools/$pool?target=$(member_name)" \
            'd["config"].get("volatile.initial_source") or d["config"].get("source") or ""') ||
            later "LXD does not say where the pool $pool lies"
        if [[ $source = "$V_SOURCE" ]]; then
            say "volume ${POOL_VOLUMES[$i]}: LXD has made the pool $pool of it"
            volume_state "${POOL_VOLUMES[$i]}" made
        fi
    done
}

# Before that: whether the disks are still the ones that LXD was told of. It runs before the stage disks, and under the name of a
# place there may be another disk by now.
judge_handed_volumes() {
    local name
    for name in "${VOLUME_NAMES[@]}"; do
        volume_read "$name"
        if [[ $V_STATE = handed ]]; then
            STAGE=disks stage_disks
            return 0
        fi
    done
}

# LXD was told to make pools and does not have them: what it left on the volumes would make its next try fail. They were
# blank when they were handed over and LXD never had a pool there, so nothing of anybody's can be on them.
# The types are compared all the same: anything else than what the driver writes stops the host.
clear_handed_volumes() {
    local name on sign found
    # A sealed machine has been a member, and what lies on its disks was in use.
    [[ -z ${CONVERGE:-} ]] || stop "LXD does not have what it was told to make, and nothing is cleared on a machine that is sealed"
    for name in "${VOLUME_NAMES[@]}"; do
        volume_read "$name"
        if [[ $V_STATE != handed ]]; then
            continue
        fi
        case $(driver_of "$name") in
        dir)
            find "$V_SOURCE" -mindepth 1 -delete
            continue
            ;;
        btrfs) sign='^btrfs' ;;
        # ZFS on a whole disk brings a partition table along.
        zfs) sign='^(zfs_member|gpt|PMBR|dos|partitions|ZFS pool)' ;;
        lvm) sign='^(LVM2_member|LVM volume group)' ;;
        *) sign='^$' ;;
        esac
        if [[ $V_SOURCE != /* ]]; then
            clear_zpool "$V_SOURCE"
            continue
        fi
        unmount_volume "$V_SOURCE"
        on=$(signs_on "$V_SOURCE")
        if [[ -z $on ]]; then
            continue
        fi
        found=$(tr ',' '\n' <<<"$on" | sed 's/^ *//' | grep -Ev "$sign" || true)
        if [[ -n $found ]]; then
            stop "volume $name: $V_SOURCE carries $on, which LXD did not make of it; left untouched"
        fi
        say "volume $name: clearing what an interrupted pool left ($on)"
        case $(driver_of "$name") in
        zfs) clear_zpool "${POOL_NAMES[$(pool_of "$name")]}" destroy ;;
        lvm) quietly vgremove -f "${POOL_NAMES[$(pool_of "$name")]}" || true ;;
        esac
        erase "$(basename "$(readlink -f "$V_SOURCE")")"
    done
}

unmount_volume() {
    local device source target
    device=$(readlink -f "$1")
    findmnt -rnvo SOURCE,TARGET | while read -r source target; do
        if [[ $source = /* && $(readlink -f "$source") = "$device" ]]; then
            umount "$target" 2>/dev/null || umount -l "$target" || true
        fi
    done
}

# clear_zpool NAME [destroy]: LXD's half-made datasets go, and with "destroy" the pool too. The snap carries ZFS tools of its
# own for each kernel; the host may have none.
clear_zpool() {
    local tool set
    for tool in "$(command -v zpool || true)" /snap/lxd/current/zfs-*/bin/zpool; do
        if [[ -x $tool ]] && "$tool" list -H "$1" >/dev/null 2>&1; then
            if [[ ${2:-} = destroy ]]; then
                quietly timeout 120 "$tool" destroy "$1" || later "the half-made zpool $1 cannot be removed: $SAID"
            else
                for set in $("${tool%zpool}zfs" list -H -d 1 -o name "$1" | tail -n +2); do
                    quietly timeout 120 "${tool%zpool}zfs" destroy -r "$set" || later "the dataset $set cannot be removed: $SAID"
                done
            fi
            return 0
        fi
    done
}
