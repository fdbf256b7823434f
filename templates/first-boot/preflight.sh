
# ---- preflight ------------------------------------------------------------------------------------------------------
# Guarantees: this is the release and the kernel that the files were made for, the machine has its name and its
# address, and its clock stands inside the life of its certificate.

stage_preflight() {
    check_release
    settle
    set_name
    mend_network
    keep_instance
    wait_for_address
    wait_for_clock
    bring_kernel
}

check_release() {
    local release
    release=$(sed -n 's/^VERSION_ID="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release)
    if [[ $release != "$UBUNTU" ]]; then
        stop "this machine runs ${release:-an unknown release}, the files were made for Ubuntu $UBUNTU"
    fi
}

# bootcmd has named the machine; somebody may have renamed it since, and run this stage by hand.
# md stores the short host name in an array; an array made under another name would look foreign at the next boot.
set_name() {
    if [[ $(hostname -s 2>/dev/null || hostname) != "$HOST" ]]; then
        say "setting the host name to $HOST"
        printf '%s\n' "$HOST" | put /etc/hostname 0644
        hostname "$HOST"
    fi
}

# cloud-init writes the network's file only when it takes the machine for a new one, and does not wait until it is on the
# disk: after a power cut it can be empty while the note of the instance is not, and no later boot would write it again.
mend_network() {
    local file=/etc/netplan/50-cloud-init.yaml
    if [[ ! -e $file || -s $file ]]; then
        unmark network-reboot
        return 0
    fi
    if restarted_for network-reboot; then
        stop "$file is empty, and cloud-init did not write it again after a restart; see /var/log/cloud-init.log"
    fi
    say "$file is empty, as a power cut leaves it; restarting, for cloud-init to write it again"
    rm -f /var/lib/cloud/data/instance-id
    sync /var/lib/cloud/data
    restart_for network-reboot
}

has_address() { ip -o addr show 2>/dev/null | grep -F " $ADDRESS/" >/dev/null; }

wait_for_address() {
    wait_for 120 2 "the address $ADDRESS" has_address ||
        later "no interface has the address $ADDRESS; see 'ip addr' and /etc/netplan"
}

# Matches "System clock synchronized" of systemd 237 and the older "NTP synchronized". `timedatectl show`, which is made
# for programs, came with systemd 239. It is the kernel's own flag, so chrony and ntpd count too.
clock_is_set() { timedatectl status 2>/dev/null | grep 'synchronized: yes' >/dev/null; }

# certificate_life FILE: "early", "late" or "now". The function of the ssl module is undocumented but the same since
# Python 2.6; the openssl program need not be there yet.
certificate_life() {
    py 'import ssl, sys, time
c = ssl._ssl._test_decode_cert(sys.argv[1])
now = time.time()
print("early" if now < ssl.cert_time_to_seconds(c["notBefore"]) else
      "late" if now > ssl.cert_time_to_seconds(c["notAfter"]) else "now")' "$1"
}

# A machine with an empty clock battery wakes years ago; a certificate is then "not yet valid" and nothing can be trusted.
# Certificates are dated back by two days, so an unset but plausible clock does no harm: offline machines go on.
wait_for_clock() {
    local life
    if ! wait_for 90 3 "the clock to be set over the network" clock_is_set; then
        say "the clock is not synchronized; going on with $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    fi
    life=$(certificate_life "$ETC/tls/server.crt")
    case $life in
    early) later "the clock ($(date -u +%Y-%m-%d)) is before the life of this host's certificate; set the time" ;;
    late) later "the clock ($(date -u +%Y-%m-%d)) is after the life of this host's certificate; set the time" ;;
    esac
}

kernel_is_hwe() {
    local release major minor
    release=$(uname -r)
    IFS=.- read -r major minor _ <<<"$release"
    ((major > 5 || (major == 5 && minor >= 4)))
}

# 18.04 begins with 4.15 and has 5.4 as its hardware-enablement kernel. Newer LXD tracks need the latter's ZFS.
bring_kernel() {
    if [[ $KERNEL != hwe ]] || kernel_is_hwe; then
        return 0
    fi
    if restarted_for hwe-reboot; then
        stop "restarted for the HWE kernel once, but $(uname -r) runs again; look at the boot menu's default"
    fi
    say "$(uname -r) is not the HWE kernel; installing linux-generic-hwe-$UBUNTU"
    apt_get "apt-get update" update || later "apt-get update failed: $SAID"
    apt_get "the HWE kernel" install --no-install-recommends "linux-generic-hwe-$UBUNTU" ||
        later "installing linux-generic-hwe-$UBUNTU failed: $SAID"
    say "restarting into the HWE kernel"
    restart_for hwe-reboot
}

# restart_for MARK: the mark names this boot, so that a restart that never came is not taken for one that did not help.
restart_for() {
    mark "$1" "$(boot_id)"
    systemctl reboot || later "systemctl reboot failed"
    # The stages must not go on while systemd takes the machine down.
    sleep 600
    later "the machine did not restart"
}

restarted_for() { marked "$1" && [[ $(cat "$STATE/marks/$1") != "$(boot_id)" ]]; }

boot_id() { cat /proc/sys/kernel/random/boot_id; }
