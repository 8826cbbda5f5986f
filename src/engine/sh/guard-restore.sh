# Puts back what a guard saved in directory $1, on the file system with root $2: content, mode
# and owner; what was not there goes. $3 is when:
# "timer": once the guard's time is up, which may have been put off;
# "now": at once;
# "held": at once, by a run that holds the host, in its turn;
# "boot": at the start of the system, where ufw and sshd read it all by themselves.
# What fails is noted, and all the rest is done.
set -u
PATH=$PATH:/usr/sbin:/sbin
dir=$1 root=${2:-/} when=${3:-timer}
cd -- "$root" || exit 1
exec 9>>"$dir/lock"
while :; do
    # Whoever has it is done in seconds; to wait for ever would be to leave things as they are.
    flock --wait 120 9 || :
    [ -e "$dir/armed" ] || [ -e "$dir/firing" ] || exit 0
    [ "$when" = timer ] || break
    until=0
    read -r until <"$dir/until" || :
    read -r up _ </proc/uptime
    [ "${up%%.*}" -lt "$until" ] || break
    flock --unlock 9
    sleep 0.5
done
# Marks are renamed, not written: that works on a full disk too.
mv -f -- "$dir/armed" "$dir/firing" 2>/dev/null
rm -f -- "$dir/failed"
failed() {
    echo "could not put back $1" >&2
    echo "could not put back $1" >>"$dir/failed"
}

# When process $1 was started: the 20th word behind its name.
started() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    echo "${stat##*) }" | cut -d ' ' -f 20
}

# What is being done under the guard may not go on once the old state is back. Its run is over,
# and lets go of the host: a server that was not told of the end of a connection would hold it
# for hours.
end_operation() {
    holder=run/provision/holder
    if [ -e "$holder" ]; then
        cmp -s -- "$holder" "$dir/holder" || return 0
        rm -f -- "$holder"
        read -r _ pid began <"$dir/holder" || :
        [ "$(started "$pid")" != "$began" ] || kill "$pid" 2>/dev/null
    fi
    turn=var/lib/provision/operation
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        [ -e "$turn" ] && ! flock --nonblock "$turn" true || return 0
        { read -r _ && read -r kind pid began group; } <"$turn" || return 0
        [ "$kind" = op ] && [ "$(started "$pid")" = "$began" ] || return 0
        case $try in
        1) kill -s TERM -- "-$group" 2>/dev/null ;;
        10) kill -s KILL -- "-$group" 2>/dev/null ;;
        esac
        sleep 0.2
    done
}
case $when in timer | now) end_operation 9>&- ;; esac

sshd=same
# A file as it was. Whole or not at all, should the power be cut. A full disk has room for one
# more name.
back() {
    if [ -e "$dir/files/$1" ]; then
        ! cmp -s -- "$dir/files/$1" "$1" || [ "$(stat -c %a:%u:%g -- "$1")" != \
            "$(stat -c %a:%u:%g -- "$dir/files/$1")" ] || return 0
        new=${1%/*}/.provision.restore
        rm -f -- "$new"
        if ! { [ -d "${1%/*}" ] || install -d -m 755 -- "${1%/*}"; } ||
            ! { cp -a -- "$dir/files/$1" "$new" || ln -fT -- "$dir/files/$1" "$new"; } ||
            ! mv -fT -- "$new" "$1"; then
            rm -f -- "$new"
            failed "/$1"
            return 0
        fi
    elif [ "$2" = old ]; then
        failed "/$1: it is not in the snapshot"
        return 0
    elif [ -e "$1" ]; then
        rm -f -- "$1" || failed "/$1"
    else
        return 0
    fi
    case $1 in etc/ssh/*) sshd=changed ;; esac
}
while read -r was file; do
    back "$file" "$was"
done <"$dir/list"
drop=etc/ssh/sshd_config.d
[ ! -d "$dir/files/$drop" ] || [ -d "$drop" ] || install -d -m 755 -- "$drop"
for file in "$drop"/* "$drop"/.provision.* "$dir/files/$drop"/*; do
    file=$drop/${file##*/}
    if [ -f "$file" ] || [ -f "$dir/files/$file" ]; then back "$file" new; fi
done
[ -d "$dir/files/$drop" ] || [ ! -d "$drop" ] || rmdir -- "$drop" || failed "/$drop"
# What a change of ufw's files left behind that was cut off.
rm -f -- etc/ufw/.provision.??????

# Reads the table as it was and as it is, and prints what leads from one to the other: ufw's
# chains, DOCKER-USER, the jumps to ufw's and the policies. All else, Docker's own chains above
# all, stays as it is by now.
# shellcheck disable=SC2016
lead_back='
function ours(chain) { return chain ~ /^ufw6?-/ || chain == "DOCKER-USER" }
function builtin(chain) { return chain == "INPUT" || chain == "FORWARD" || chain == "OUTPUT" }
function target(rule) {
    gsub(/"[^"]*"/, "", rule)
    return match(rule, / -[jg] [^ ]+/) ? substr(rule, RSTART + 4, RLENGTH - 4) : ""
}
function emit(line) { out = out line "\n" }
/^:/ {
    name = substr($1, 2)
    if (was) { old[name] = 1; olds[++nolds] = name; policy[name] = $2 }
    else { now[name] = 1; nows[++nnows] = name }
}
/^-A / {
    if (was) { oldrule[++nold] = $0; oldin[nold] = $2 }
    else { nowrule[++nnow] = $0; nowin[nnow] = $2 }
}
END {
    if (!nolds && !nnows) exit
    # A chain of others that one of ours led to and that is gone.
    do {
        more = 0
        for (i = 1; i <= nold; i++) {
            to = target(oldrule[i])
            if ((ours(oldin[i]) || lost[oldin[i]]) && old[to] && !now[to] && !ours(to) && !lost[to])
                more = lost[to] = 1
        }
    } while (more)
    split("INPUT FORWARD OUTPUT", builtins)
    for (i = 1; i <= 3; i++)
        emit(":" builtins[i] " " (builtins[i] in policy ? policy[builtins[i]] : "ACCEPT") " [0:0]")
    for (i = 1; i <= nolds; i++)
        if (ours(olds[i]) || lost[olds[i]]) emit(":" olds[i] " - [0:0]")
    for (i = 1; i <= nnows; i++)
        if (ours(nows[i]) && !old[nows[i]]) emit(":" nows[i] " - [0:0]")
    for (b = 1; b <= 3; b++) {
        chain = builtins[b]
        # Each jump goes behind what it stood behind, as far as that is still there.
        others = mine = 0
        there = ""
        delete other; delete at; delete jump; delete seen
        for (i = 1; i <= nnow; i++) {
            if (nowin[i] != chain) continue
            if (target(nowrule[i]) ~ /^ufw6?-/) there = there "m" nowrule[i] "\n"
            else { other[++others] = nowrule[i]; there = there "o" nowrule[i] "\n" }
        }
        behind = 0
        for (i = 1; i <= nold; i++) {
            if (oldin[i] != chain) continue
            if (target(oldrule[i]) ~ /^ufw6?-/) { jump[++mine] = oldrule[i]; at[mine] = behind; continue }
            for (o = behind + 1; o <= others; o++)
                if (other[o] == oldrule[i]) { behind = o; break }
        }
        wanted = ""
        last = 1
        j = 1
        for (o = 0; o <= others; o++) {
            if (o) wanted = wanted "o" other[o] "\n"
            for (; j <= mine && at[j] == o; j++) {
                wanted = wanted "m" jump[j] "\n"
                if (o < others) last = 0
            }
        }
        if (wanted == there) continue
        if (last) {
            # What others add to the chain in this very moment is kept.
            n = split(there, line, "\n")
            for (i = 1; i <= n; i++)
                if (line[i] ~ /^m/) emit("-D" substr(line[i], 4))
            for (j = 1; j <= mine; j++) emit(jump[j])
        } else {
            emit("-F " chain)
            n = split(wanted, line, "\n")
            for (i = 1; i < n; i++) emit(substr(line[i], 2))
        }
    }
    for (i = 1; i <= nold; i++)
        if (ours(oldin[i]) || lost[oldin[i]]) emit(oldrule[i])
    for (i = 1; i <= nnow; i++) {
        to = target(nowrule[i])
        # Jumps to the chains that go: ours are gone by now, but not those of others.
        if (ours(nowin[i]) || (builtin(nowin[i]) && to ~ /^ufw6?-/)) continue
        used[to] = 1
    }
    for (i = 1; i <= nnows; i++) {
        chain = nows[i]
        if (!ours(chain) || old[chain]) continue
        if (!used[chain]) emit("-X " chain)
        else if (chain == "DOCKER-USER") emit("-A DOCKER-USER -j RETURN")
    }
    printf "*filter\n%sCOMMIT\n", out
}'
# The live rules of one family, all at once.
live() {
    command -v "$1-save" >/dev/null || return 0
    for try in 1 2 3; do
        if "$1-save" -t filter >"$dir/now" &&
            awk "$lead_back" was=1 "$dir/$2" was=0 "$dir/now" >"$dir/back" &&
            { [ ! -s "$dir/back" ] || "$1-restore" -w 10 --noflush <"$dir/back"; }; then
            return 0
        fi
        [ "$try" = 3 ] || sleep 1
    done
    failed "the live rules ($1); ufw loads its own again"
    return 1
}
if [ "$when" != boot ]; then
    {
        loaded=yes
        live iptables rules.v4 || loaded=no
        [ ! -d /proc/sys/net/ipv6 ] || live ip6tables rules.v6 || loaded=no
        if [ "$loaded" = no ] && [ -x usr/lib/ufw/ufw-init ]; then
            usr/lib/ufw/ufw-init force-stop || :
            usr/lib/ufw/ufw-init start || :
        fi
        # An sshd that has its sockets from systemd would end instead of reloading.
        how='try-reload-or-restart'
        ! systemctl --quiet is-active ssh.socket || how='try-restart'
        [ "$sshd" = same ] || systemctl --no-block "$how" ssh.service ||
            failed "sshd: it was not told to read its old configuration"
    } 9>&-
fi
sync -f "$dir" etc
mv -f -- "$dir/firing" "$dir/rolled-back"
sync -- "$dir"
boot=provision-restore-${dir##*/}.service
rm -f -- "etc/systemd/system/$boot" "etc/systemd/system/multi-user.target.wants/$boot"
