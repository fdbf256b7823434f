#!/bin/sh
# bootcmd of cloud-init, at every boot, before the modules that plant anything. $1: the host's name, $2: its cluster's.
#
# cloud-init notes that a module has run, but does not wait until what it wrote is on the disk. ext4 keeps the note after five
# seconds and a new file's content after thirty: a power cut in between leaves empty files that nothing would write again. So until
# the machine is sealed, what plants files, keys and accounts runs at every boot; each leaves the same behind however often it
# runs. The names are those of the semaphores of 18.2 and of 23.1.2.
#
# A seal is of one instance. cloud-init writes data/instance-id for the boot's own before it runs the first module (`instancify` in
# both of its first stages, 18.2 and 23.1.2 alike); a file that a power cut has emptied is equal to nothing.
#
# A member of a cluster (formed: host, address, cluster and more, with tabs) that is given the seed of another host keeps its name,
# its SSH host keys and its accounts: it would be locked out of, and known by another's key. A module whose semaphore is there is
# passed over. The seed's files are planted all the same: what says that the seed is a wrong one, and removes its keys, is among
# them.
#
# The host's name is set here, too. cloud-init's own way writes /var/lib/cloud/data/set-hostname, and up to 22.4.2 (18.2 included)
# cannot read that file when it is empty: both of its first stages then end at every boot before they plant anything. It goes that
# way when meta-data has a `local-hostname`, before it looks at user-data, and later unless `preserve_hostname` is set.
instance=$(cat /var/lib/cloud/data/instance-id 2>/dev/null)
if [ -z "$instance" ] || [ "$instance" != "$(cat /var/lib/lxseed/sealed 2>/dev/null)" ]; then
    sem=/var/lib/cloud/instance/sem
    own='users_groups ssh'
    formed=$(cut -f 1,3 /var/lib/lxseed/formed 2>/dev/null)
    if [ -n "$formed" ] && [ "$formed" != "$(printf '%s\t%s' "$1" "$2")" ]; then
        mkdir -p $sem
        for name in $own; do
            touch "$sem/config_$name"
        done
        own=
    else
        echo "$1" >/etc/hostname
        hostname "$1"
    fi
    for name in write_files $own runcmd scripts_user; do
        rm -f "$sem/config_$name"
    done
fi
