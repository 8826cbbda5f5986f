# Runs a command until it ends or stdin does, which is when the connection goes: what follows a
# log that is quiet would else stay behind.
# Arguments: the command.
exec 3<&0
# A group of its own: Compose is a child of docker's.
setsid "$@" </dev/null 3<&- &
child=$!
{
    cat <&3 >/dev/null
    kill -s TERM -- "-$child"
} 2>/dev/null &
exec 3<&-
code=0
wait "$child" || code=$?
exit "$code"
