
# ---- purge ----------------------------------------------------------------------------------------------------------
# Guarantees: none of apt's LXD packages is left. Their client (3.0) would come first on PATH and cannot speak with the
# snap's daemon; their daemon would hold the bridge and the ports. Nothing that holds somebody's instances is removed.

PURGE=(lxd lxd-client lxcfs liblxc-common liblxc1 lxc-utils lxc-common)

stage_purge() {
    local package found=()
    mend_dpkg
    for package in "${PURGE[@]}"; do
        # A removed package may still have its configuration files; an unknown one is an error to apt, so ask dpkg first.
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
        '' | not-installed) ;;
        *) found+=("$package") ;;
        esac
    done
    if [[ ${#found[@]} = 0 ]]; then
        return 0
    fi
    if installed lxd; then
        refuse_with_data
    fi
    refuse_with_others "${found[@]}"
    say "purging ${found[*]}"
    apt_get "the purge of apt's LXD" purge "${found[@]}" || later "apt-get purge failed: $SAID"
}

refuse_with_data() {
    local there
    there=$(find /var/lib/lxd/containers /var/lib/lxd/virtual-machines /var/lib/lxd/storage-pools/*/* \
        -mindepth 1 -maxdepth 1 2>/dev/null | sed -n 1,3p | tr '\n' ' ' || true)
    if [[ -n $there ]]; then
        stop "apt's LXD holds data ($there); it is not purged. Move the instances away (or: lxc delete), then go on"
    fi
}

# Nothing may go along with them but empty metapackages such as ubuntu-server, which only name others.
refuse_with_others() {
    local plan package others=()
    plan=$(apt-get -s purge "$@" 2>/dev/null | awk '$1 == "Remv" || $1 == "Purg" { print $2 }')
    for package in $plan; do
        if ! index_of "${package%%:*}" "${PURGE[@]}" >/dev/null &&
            [[ $(dpkg-query -W -f '${Section}' "$package" 2>/dev/null) != *metapackages* ]]; then
            others+=("$package")
        fi
    done
    if [[ ${#others[@]} != 0 ]]; then
        stop "purging apt's LXD would also remove ${others[*]}; remove those by hand if they are not needed"
    fi
}
