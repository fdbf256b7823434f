
# Run by lxseed-packages.service beside the first boot, which waits for none of it: a package that cannot be had keeps no host from
# the cluster. Each program that it starts has its limit; what fails is tried again by the unit. A lock that the first boot holds is
# a failure like others.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
DONE=/var/lib/lxseed/packages.done
get() {
    timeout -k 60 3600 apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o Acquire::Retries=3 -o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60 "$@" </dev/null
}
failed=''
# A block is read to its end before it runs: cloud-init may write this file anew meanwhile.
{
    own=$(cksum <"$0")
    if [ "$(cat "$DONE" 2>/dev/null)" = "$own" ]; then
        exit 0
    fi
    # The first boot needs apt until its disks are ready, and would be held up by an upgrade of an hour. Where a person has to decide on
    # a disk, the packages come after half an hour.
    waited=0
    until [ -e /var/lib/lxseed/stages/disks.done ] || [ "$waited" -ge 1800 ]; do
        sleep 10
        waited=$((waited + 10))
    done
    # What a power cut has left half configured; without that it does nothing.
    timeout -k 60 3600 dpkg --force-confdef --force-confold --configure -a </dev/null || failed=yes
    get update || failed=yes
    if [ "$UPGRADE" = yes ]; then
        get upgrade --with-new-pkgs || failed=yes
    fi
    # One that the archive does not have would keep all others away.
    for package in $PACKAGES; do
        get install "$package" || failed=yes
    done
    if [ -n "$failed" ]; then
        echo "lxseed: not all packages are there: $PACKAGES; will be tried again" >&2
        exit 75
    fi
    mkdir -p "${DONE%/*}"
    echo "$own" >"$DONE.part"
    sync "$DONE.part"
    mv "$DONE.part" "$DONE"
    exit 0
}
