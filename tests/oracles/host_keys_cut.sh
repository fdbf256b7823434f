#!/bin/bash
# host_keys_cut.sh SCRIPT: the power goes before each command of templates/desk/host-keys.sh in turn, and between the two files of its
# exchange: whenever LXD starts, its key and its certificate are of one pair, and a second run, which brings another pair, ends well.
# Prints how many cuts there were.
# shellcheck disable=SC2016 # texts of other programs, and their variables
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT
mkdir "$d/bin" "$d/lib"
sed -e "s|/var/snap/lxd/common/lxd\$|$d/lxd|; s|/etc/lxseed/tls\$|$d/tls|; s|/var/lib/lxseed/marks|$d/marks|" \
    -e "s|/etc/systemd/system|$d/units|; s|/run/lxseed-host-keys.lock|$d/lock|; s|/snap/bin/lxd|lxd|" "$1" >"$d/script"
! grep -nE '/(etc|var|run|snap)/' "$d/script" | grep -v '/etc/ssh' || exit 1

# Before its turn a command ends the one that runs it, as the power does.
for name in mv rm cat chmod base64 mkdir sync sleep systemctl lxd; do
    real=$(command -v "$name" || true)
    case $name in
    systemctl) real=$d/lib/systemctl ;;
    lxd) real=true ;;
    sync) real=true ;;
    esac
    printf '#!/bin/bash\nn=$(($(<"%s/count") + 1)); echo $n >"%s/count"\nif [ $n = "$CUT" ]; then kill -9 "$VICTIM"; exit 1; fi\nexec %s "$@"\n' \
        "$d" "$d" "$real" >"$d/bin/$name"
done
# What systemd does when LXD is started: all lines of the drop-in, or the start has failed.
cat >"$d/lib/start" <<'START'
#!/bin/bash
line=$(sed -n 's|^ExecStartPre=/bin/sh -c "\(.*\)"$|\1|p' "$D"/units/*/00-lxseed-keys.conf 2>/dev/null)
[ -z "$line" ] || exec sh -c "${line//\$\$/$}"
START
printf '#!/bin/bash\n[ "$1" != reload ] || exec "$D/lib/start"\n' >"$d/lib/systemctl"
chmod +x "$d"/bin/* "$d"/lib/*
export D=$d

begin() {
    rm -rf "$d"/{lxd,tls,marks,units,lock}
    mkdir "$d"/{lxd,tls,marks,units}
    touch "$d/lxd/cluster.crt"
    echo old >"$d/lxd/server.key"
    cp "$d/lxd/server.key" "$d/lxd/server.crt"
}

# run CUT COMMAND...: with the commands counted; its exit status.
run() {
    local cut=$1
    shift
    echo 0 >"$d/count"
    CUT=$cut PATH=$d/bin:$PATH sh -c 'VICTIM=$$; export VICTIM; exec "$@"' sh "$@" 2>/dev/null
}

give() {
    local pair
    pair=$(echo "$2" | base64)
    printf '%s\n%s\n' "$pair" "$pair" | run "$1" sh "$d/script" server
}

starts() {
    run 0 "$d/lib/start"
    cmp -s "$d/lxd/server.key" "$d/lxd/server.crt" || {
        echo "$1: LXD would start with the key of $(<"$d/lxd/server.key") and the certificate of $(<"$d/lxd/server.crt")"
        exit 1
    }
}

ends_well() {
    give 0 "$1"
    starts "$2, and again"
    [[ $(<"$d/lxd/server.key") = "$1" && -z $(find "$d/lxd" "$d/units" -name '*.lxseed' -o -name '*keys.conf*') ]] || {
        echo "$2: the second run did not end well: $(find "$d/lxd" "$d/units" -type f | tr '\n' ' ')"
        exit 1
    }
}

# What an exchange leaves that was cut off before its second file.
for ((cut = 1; ; cut++)); do
    begin
    ! give "$cut" new || exit 1
    [[ -e $d/lxd/server.key.lxseed || ! -e $d/lxd/server.crt.lxseed ]] || break
done
mkdir "$d/half"
cp -a "$d"/{lxd,tls,marks,units} "$d/half"

cuts=0
for half in no yes; do
    for ((cut = 1; ; cut++)); do
        begin
        if [[ $half = yes ]]; then
            rm -rf "$d"/{lxd,tls,marks,units}
            cp -a "$d"/half/* "$d"
        fi
        if give "$cut" newer; then
            break
        fi
        cuts=$((cuts + 1))
        starts "half $half, cut $cut"
        ends_well newest "half $half, cut $cut"
    done
done
echo "$cuts cuts"
