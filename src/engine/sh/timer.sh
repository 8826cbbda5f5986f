# What a timer says of itself and of the service that it starts, as lines key=value. $1 is the name
# of both units without their endings, $2 the record that the service leaves of its last run.
ask() {
    TZ=UTC LC_ALL=C systemctl show --property="$1" -- "$2" | sed "s/^/$3./"
}
timer=UnitFileState,ActiveState,SubState,ActiveEnterTimestamp,NextElapseUSecRealtime
ask "$timer" "$1.timer" timer
ask Result,ExecMainExitTimestamp "$1.service" service
[ ! -f "$2" ] || sed 's/^/last./' "$2"
