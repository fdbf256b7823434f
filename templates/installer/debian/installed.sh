# -- a system that lxseed installed
# It is never erased without a word that names it. The mark is in three places, so that it is seen whatever became of the others: the
# file for people and for GRUB, the file system's label where the file cannot be read, and the partition's name in the GPT
# where the file system itself is gone.

MARK=etc/lxseed/installed
LOOK=/var/run/lxseed-look
# The number that a person typed in this boot.
TYPED=/var/run/lxseed-typed

# of_mark FILE KEY: a value of the file.
of_mark() { sed -n "s/^lxseed_$2=\"\([a-zA-Z0-9:.-]*\)\"\$/\1/p" "$1" | head -n 1; }

# The number in a name that stage_finish gave.
number_in() { echo "$1" | sed -n 's/^lxseed-\([0-9a-f]\{8\}\)$/\1/p'; }

# ext4's own label and signature, at bytes 1144 and 1080: blkid is not in every installer.
label_of() { dd if="/dev/$1" bs=1 skip=1144 count=16 2>/dev/null | tr -d '\000'; }
is_ext4() { [ "$(dd if="/dev/$1" bs=1 skip=1080 count=2 2>/dev/null | tr '\123\357' 'xy')" = xy ]; }
# Files that were deleted while they were open, at byte 1256: zero where there are none.
no_orphans() { [ "$(dd if="/dev/$1" bs=1 skip=1256 count=4 2>/dev/null | tr -d '\000' | wc -c)" = 0 ]; }

# Mounts a partition at LOOK without a write to it. noload leaves the journal alone, but Linux removes deleted files that were open in a
# crash even from a file system that is mounted read-only, unless the device refuses it.
look_into() {
    is_ext4 "$1" || return 1
    modprobe -q ext4 2>/dev/null || true
    blockdev --setro "/dev/$1" 2>/dev/null || no_orphans "$1" || return 1
    mkdir -p "$LOOK"
    mount -t ext4 -o ro,noload "/dev/$1" "$LOOK" 2>/dev/null && return 0
    blockdev --setrw "/dev/$1" 2>/dev/null || true
    return 1
}

look_away() {
    umount "$LOOK"
    blockdev --setrw "/dev/$1" 2>/dev/null || true
}

# look_at PARTITION [all]: fails if no mark is on it. NUMBER is the installation's, WHO is HOST of CLUSTER and SINCE the day, where they
# can be read. A partition that only its file would show to be ours is looked into if `all` are.
look_at() {
    local name
    NUMBER=
    WHO=
    SINCE=
    for name in "$(sed -n 's/^PARTNAME=//p' "/sys/class/block/$1/uevent" 2>/dev/null)" "$(label_of "$1")"; do
        [ -n "$NUMBER" ] || NUMBER=$(number_in "$name")
    done
    if [ -n "$NUMBER$2" ] && look_into "$1"; then
        if [ -e "$LOOK/$MARK" ]; then
            # An empty or damaged file is a mark as well.
            name=$(of_mark "$LOOK/$MARK" number)
            NUMBER=${name:-${NUMBER:-unknown}}
            name=$(of_mark "$LOOK/$MARK" host)
            [ -z "$name" ] || WHO="$name of $(of_mark "$LOOK/$MARK" cluster)"
            SINCE=$(of_mark "$LOOK/$MARK" since)
        elif [ -e "$LOOK/var/lib/lxseed/stages" ]; then
            # Imaged and not installed, or by an earlier lxseed: its first boot has left traces.
            NUMBER=${NUMBER:-unknown}
            WHO=$(tr '\t' ' ' <"$LOOK/var/lib/lxseed/formed" 2>/dev/null |
                sed -n 's/^\([a-z0-9-]*\) [^ ]* \([a-z0-9-]*\) .*/\1 of \2/p' | head -n 1)
            SINCE=$(sed -n 's/^\([0-9TZ:-]*\)$/\1/p' "$LOOK/var/lib/lxseed/stages/preflight.done" 2>/dev/null | head -n 1)
        fi
        look_away "$1"
    fi
    [ -n "$NUMBER" ]
}

partitions_of() {
    local at
    for at in "/sys/block/$1/$1"*; do
        [ ! -e "$at/partition" ] || [ ! -b "/dev/${at##*/}" ] || echo "${at##*/}"
    done
}

# The profile's word fits one installation, what was typed fits this boot.
released() {
    [ "$NUMBER" != unknown ] && [ "$NUMBER" = "$REINSTALL" ] && return 0
    [ -s "$TYPED" ] && [ "$(word_for)" = "$(cat "$TYPED")" ]
}

# What a person has to type.
word_for() {
    if [ "$NUMBER" = unknown ]; then
        echo "$CLUSTER/$HOST"
    else
        echo "$NUMBER"
    fi
}

# taken [early]: why the disk of the system must not be erased, in FAULT, and the number of the system that keeps it from that, in NUMBER;
# fails if nothing does. `early`, while there is no driver for ext4, no partition is judged that cannot be read.
taken() {
    local name disk own=
    FAULT=
    for name in $(partitions_of "$OS_DISK"); do
        look_at "$name" all || continue
        [ "$WHO" != "$HOST of $CLUSTER" ] || own=yes
        if ! released && { [ -n "$WHO" ] || [ "$1" != early ]; }; then
            FAULT="$(told "$name" "$OS_DISK")"
            return 0
        fi
    done
    # This host's system on another disk than the slot's: the slot's disk was exchanged, or the profile names another one by now.
    [ -z "$own" ] || return 1
    for disk in $(all_disks); do
        [ "$disk" != "$OS_DISK" ] || continue
        for name in $(partitions_of "$disk"); do
            look_at "$name" || continue
            [ "$WHO" = "$HOST of $CLUSTER" ] || [ -z "$WHO" ] || continue
            if ! released && { [ -n "$WHO" ] || [ "$1" != early ]; }; then
                FAULT="$(told "$name" "$disk") The slot $OS_SLOT of the system is $(describe "$OS_DISK")."
                return 0
            fi
        done
    done
    return 1
}

# told PARTITION DISK
told() {
    if [ -z "$WHO" ]; then
        echo "$(describe "$2") carries the mark of a system that lxseed installed, number $NUMBER, on /dev/$1, but nothing more of it" \
            "can be read, so it cannot be known what would be lost."
    elif [ "$WHO" = "$HOST of $CLUSTER" ]; then
        echo "This machine is $WHO since $SINCE, number $NUMBER, by $(describe "$2")."
    else
        echo "$(describe "$2") holds the system of another machine, $WHO since $SINCE, number $NUMBER."
    fi
}

again_was_chosen() { grep -qs '\(^\| \)lxseed=again\( \|$\)' /proc/cmdline; }

# Nobody gets past this but by the word that names the system.
refuse_taken() {
    [ -n "$OS_DISK" ] || return 0
    while taken "$1"; do
        say "not installed: $FAULT"
        if again_was_chosen; then
            ask_again "$FAULT"
        else
            leave_alone "$FAULT"
        fi
    done
}

templates() {
    cat >/var/run/lxseed.templates <<'TEMPLATE'
Template: lxseed/installed
Type: error
Description: lxseed installed a system here already; it was left untouched
 ${WHY}
 .
 Pull out the medium that this installer was started from, then choose Continue: the machine restarts.
 .
 To install again and lose that system: choose 'Install again' in the medium's menu and type ${WORD} there${OR}.

Template: lxseed/again
Type: string
Description: Type ${WORD} to erase this system:
 ${WHY}
 .
 Anything else leaves it as it is.
TEMPLATE
    db_x_loadtemplatefile /var/run/lxseed.templates lxseed || true
}

show() {
    local or=", or write 'reinstall: $NUMBER' in the profile of $HOST and bake the medium anew"
    [ "$NUMBER" != unknown ] || or=
    db_subst "$1" WHY "$2" || true
    db_subst "$1" WORD "$(word_for)" || true
    db_subst "$1" OR "$or" || true
    db_fset "$1" seen false || true
    db_input critical "$1" || true
    db_go || true
}

leave_alone() {
    printf '\n*** lxseed: %s\n*** It was left untouched. Pull out the medium, then restart the machine.\n' "$1" >/dev/console 2>/dev/null
    # Without a dialog nobody was asked, and a restart would come here again for ever.
    while [ -z "$DEBIAN_HAS_FRONTEND" ] || [ "$DEBIAN_FRONTEND" = noninteractive ]; do
        sleep 60
    done
    templates
    show lxseed/installed "$1"
    say "restarting, as was chosen"
    reboot
    sleep 60
}

ask_again() {
    [ -n "$DEBIAN_HAS_FRONTEND" ] || leave_alone "$1"
    templates
    db_set lxseed/again '' || true
    show lxseed/again "$1"
    RET=
    db_get lxseed/again || true
    printf '%s' "$RET" >"$TYPED"
    if released; then
        say "will be erased, as was typed: $1"
    else
        say "what was typed is not $(word_for)"
        sleep 3
    fi
}

# Marks the system in TARGET as installed, at the very end. Its number begins with a letter, so that no YAML takes it for a number.
mark_installed() {
    local number='' device name tries=0 file="$TARGET/$MARK"
    while [ "$tries" -lt 100 ]; do
        tries=$((tries + 1))
        read -r number </proc/sys/kernel/random/uuid
        number=${number%%-*}
        case $number in
        [a-f]*) break ;;
        esac
    done
    mkdir -p "${file%/*}"
    cat >"$file.part" <<FILE
# lxseed installed this system. No install medium of lxseed erases it by itself as long as this file is here.
lxseed_cluster="$CLUSTER"
lxseed_host="$HOST"
lxseed_since="$(date -u +%Y-%m-%dT%H:%M:%SZ)"
lxseed_number="$number"
FILE
    chmod 0644 "$file.part"
    sync
    if ! mv "$file.part" "$file"; then
        say "the new system cannot be marked as installed"
        return 1
    fi
    device=$(sed -n "s|^\(/dev/[^ ]*\) $TARGET .*|\1|p" /proc/mounts | head -n 1)
    if [ -b "$device" ]; then
        device=$(readlink -f "$device")
        name=${device##*/}
        in_either tune2fs -L "lxseed-$number" "$device" || say "the file system on $device keeps its label"
        [ ! -e "/sys/class/block/$name/partition" ] ||
            in_either sfdisk --part-label "/dev/$(basename "$(readlink -f "/sys/class/block/$name/..")")" \
                "$(cat "/sys/class/block/$name/partition")" "lxseed-$number" ||
            say "the partition $device keeps its name"
    fi
    sync
    say "installed: $CLUSTER/$HOST, number $number"
}

# A program of the installer's or of the new system's.
in_either() {
    if command -v "$1" >/dev/null 2>&1; then
        "$@" >/dev/null 2>&1
    else
        chroot "$TARGET" "$@" >/dev/null 2>&1
    fi
}

