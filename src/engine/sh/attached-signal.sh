# Sends a signal to what an attached command has started, wherever it runs on this host: the
# processes of `docker exec` outlive the client that asked for them.
# Arguments: the signal, the command's mark in their environment.
grep -lsxz -e "PROVISION_ATTACHED=$2" /proc/[0-9]*/environ |
    while IFS=/ read -r _ _ process _; do
        # It may have ended meanwhile.
        kill -s "$1" "$process" 2>/dev/null || :
    done
