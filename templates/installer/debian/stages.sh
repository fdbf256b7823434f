# -- stages

# After these answers were read, before the network is configured.
stage_early() {
    local nic sight=
    nic=$(find_nic) || return 1
    debconf-set netcfg/choose_interface "$nic"
    say "installing $CLUSTER/$HOST; its network card is $nic ($MAC)"
    # Better before the network is configured than after; what counts is the look before the partitioner.
    if resolve || { load_drivers && resolve; }; then
        # 18.04's kernel has ext4 built in, others have it as a module that is fetched later.
        modprobe -q ext4 2>/dev/null || true
        grep -qw ext4 /proc/filesystems || sight=early
        refuse_taken "$sight"
    fi
    find_seed
    # netcfg writes its own netplan file after late_command, so ours has to come later still.
    mkdir -p /usr/lib/finish-install.d
    printf '#!/bin/sh\nexec sh %s finish\n' "$ME" >/usr/lib/finish-install.d/90lxseed
    chmod 0755 /usr/lib/finish-install.d/90lxseed
}

# Before the partitioner looks at any disk.
stage_disk() {
    udevadm settle --timeout=60 2>/dev/null || true
    until resolve; do
        stop "$CLUSTER/$HOST: $FAULT"
    done
    refuse_taken
    say "the system goes to $(describe "$OS_DISK")"
    debconf-set partman-auto/disk "/dev/$OS_DISK"
    debconf-set grub-installer/bootdev "/dev/$OS_DISK"
    # It would mount the file systems on the data disks to look for other systems, and replay their journals.
    if [ -e /usr/bin/os-prober ]; then
        printf '#!/bin/sh\nexit 0\n' >/usr/bin/os-prober
    fi
    # partman-md starts every mirror it finds, those of the data disks as well. Linux then copies one half onto the other where the machine
    # was cut off, or drops a half that is behind; like this it does neither before somebody writes to the mirror.
    modprobe -q md_mod 2>/dev/null || true
    echo 1 2>/dev/null >/sys/module/md_mod/parameters/start_ro || say "mirrors are started as partman does it"
}

# With the new system in /target: what cloud-init needs to know.
stage_late() {
    local file seed="$TARGET"/var/lib/cloud/seed/nocloud
    mkdir -p "$TARGET/etc/cloud/cloud.cfg.d" "$seed" "$TARGET/etc/default"
    chmod 0700 "$seed"
    for file in user-data meta-data network-config; do
        [ ! -e "$SEED/$file" ] || cp "$SEED/$file" "$seed/$file"
    done
    chmod 0600 "$seed"/*
    # ds-identify reads this file by lines and takes a list of one entry without probing. Without fs_label a forgotten
    # stick labelled cidata would be merged into this seed.
    cat >"$TARGET/etc/cloud/cloud.cfg.d/99-lxseed.cfg" <<'CONFIG'
datasource_list: [ NoCloud, None ]
datasource: {NoCloud: {fs_label: null}}
CONFIG
    chmod 0644 "$TARGET/etc/cloud/cloud.cfg.d/99-lxseed.cfg"
    if ! grep -qs '^GRUB_DISABLE_OS_PROBER=' "$TARGET/etc/default/grub"; then
        printf 'GRUB_DISABLE_OS_PROBER=true\n' >>"$TARGET/etc/default/grub"
    fi
    own_network
    carry_snaps || return 1
    say "the seed is in place"
}

# The snaps of a machine that reaches no store, to where the first boot looks for them. Without them on this medium it looks
# for one of their own.
carry_snaps() {
    local name file from="$CDROM/lxseed/$CLUSTER/lxd_snaps" to="$TARGET/var/lib/lxseed/snaps"
    [ -n "$SNAPS" ] || return 0
    if [ ! -d "$from" ]; then
        say "there are no snaps on this medium"
        return 0
    fi
    mkdir -p "$to"
    for name in $SNAPS; do
        for file in "$name.snap" "$name.assert"; do
            # Whole or not there at all, should the medium be pulled out.
            if ! cp "$from/$file" "$to/$file.part" || ! mv "$to/$file.part" "$to/$file"; then
                say "$file cannot be copied to the new system"
                return 1
            fi
            chmod 0644 "$to/$file"
        done
    done
    say "carried to the new system: $SNAPS"
}

# cloud-init owns the network: what the installer wrote for itself would be merged with it.
own_network() {
    rm -f "$TARGET/etc/netplan/01-netcfg.yaml" "$TARGET/etc/netplan/00-installer-config.yaml"
}

stage_finish() {
    own_network
    mark_installed || return 1
    rm -rf "$SEED"
}

case $1 in
early | disk | late | finish) "stage_$1" ;;
resolve)
    resolve || { echo "$FAULT" && exit 1; }
    echo "$OS_DISK"
    ;;
*)
    echo "usage: $0 early | disk | late | finish | resolve" >&2
    exit 2
    ;;
esac
