# The host's memory in kilobytes (proc_meminfo(5)), read without starting a program.
while read -r key size _; do
    [ "$key" = MemTotal: ] || continue
    printf '%s\n' "$size"
    exit 0
done </proc/meminfo
exit 1
