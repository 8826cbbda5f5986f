# Lets the engine, if it is there already, validate the daemon.json $1.
if command -v dockerd >/dev/null; then
    dockerd --validate --config-file "$1"
fi
