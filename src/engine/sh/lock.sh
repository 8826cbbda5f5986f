# Holds this host for one run: until stdin ends, which it does when the connection does. Each
# line of it names a job whose result was collected and that can go.
# Arguments: where state is kept; the directory on tmpfs; who; the receipt of the last proof,
# which no longer counts; a name for this connection; and the name of the connection of the same
# run that broke, or "-".
state=$1 run=$2 who=$3 receipt=$4 fence=$5 before=$6

# The words of /proc/$1/stat behind the name: state, parent, process group, … and as the 20th
# the time it was started, which tells it from a later process with the same pid.
words() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    printf '%s\n' "${stat##*) }"
}
started() { words "$1" | cut -d ' ' -f 20; }

# The processes above $1, one a line.
above() {
    at=$1
    while at=$(words "$at" | cut -d ' ' -f 2) && [ "${at:-0}" -gt 1 ]; do
        echo "$at"
    done
}

# Ends the server's side of the connection that process $1 belongs to, and with it whatever
# waits for input from there: what a server doesn't hear of may hang for hours. Nothing that
# this connection hangs on is ended.
end_connection() {
    ours=$(above $$)
    for at in $(above "$1"); do
        case $(cat "/proc/$at/comm" 2>/dev/null) in
        sshd* | dropbear) ;;
        *) continue ;;
        esac
        printf '%s\n' "$ours" | grep -qx "$at" || kill "$at" 2>/dev/null || :
        break
    done
    kill "$1" 2>/dev/null || :
}

# What an operation of the connection that broke still does, it may end; not for long, since
# it may wait for input that won't come. A job is no part of a connection: it is left alone.
end_operation() {
    tries=0
    while ! flock --nonblock "$state/operation" true; do
        { read -r _ && read -r kind pid began group; } <"$state/operation" || return 0
        [ "$kind" = op ] && [ "$(started "$pid")" = "$began" ] || return 0
        tries=$((tries + 1))
        case $tries in
        50) kill -s TERM -- "-$group" 2>/dev/null || : ;;
        75) kill -s KILL -- "-$group" 2>/dev/null || : ;;
        100) return 0 ;;
        esac
        sleep 0.2
    done
}

install -d -m 700 -- "$state" "$run"
cd -- "$state" || exit
exec 9>>lock
# A run that was killed lets go as soon as its server hears of it; a connection of our own that broke
# may never.
patience=0
[ "$before" != - ] || patience=3
if ! flock --wait "$patience" 9; then
    held='' pid='' began=''
    read -r held pid began 2>/dev/null <"$run/holder" || :
    # Without a name it is about to be let go.
    if [ "$before" = - ] || { [ -n "$held" ] && [ "$held" != "$before" ]; }; then
        printf 'provision:held %s\n' "$(cat owner 2>/dev/null)"
        exit 6
    fi
    if [ -n "$held" ] && [ "$(started "$pid")" = "$began" ]; then
        end_connection "$pid"
    fi
    if ! flock --wait 10 9; then
        printf 'provision:held %s\n' "$(cat owner 2>/dev/null)"
        exit 6
    fi
fi
printf '%s %s %s\n' "$fence" "$$" "$(started $$)" >"$run/holder.new"
mv -f -- "$run/holder.new" "$run/holder"
printf '%s\n' "$who" >owner
rm -f -- "$receipt"
sync .
moved=
if [ "$before" != - ]; then
    end_operation 9>&-
else
    # What a run that was killed left behind goes on to its end before anything else is done.
    tries=0
    until flock --nonblock operation true; do
        moved=' anew'
        tries=$((tries + 1))
        if [ "$tries" -gt 900 ]; then
            printf 'provision:busy %s\n' "$(sed 1q operation)"
            exit 75
        fi
        printf 'provision:waiting %s is still being done for a run that ended\n' \
            "$(sed 1q operation)"
        flock --wait 2 operation true || :
    done 9>&-
    for left in "$run"/job/* "$state"/job/*; do
        [ -e "$left" ] || continue
        moved=' anew'
        rm -rf -- "$left"
    done
fi
echo "provision:locked$moved"
while read -r id; do
    case $id in
    '' | *[!0-9a-f]*) ;;
    *) rm -rf -- "$run/job/$id" ;;
    esac
done
# Before others can hold the host: what arrives late of this connection is not to act.
rm -f -- "$run/holder"
