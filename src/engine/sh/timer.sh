# What systemd says of timer $1: enabled, active, and whether a next run is planned.
systemctl show --property=UnitFileState,ActiveState,NextElapseUSecRealtime -- "$1"
