# The backups of site $1 in directory $2, a line each: name and size, and behind tabs the sizes of
# its members as tar lists them, and its manifest in one line. The sums are not looked at here:
# they are when a backup is made, and before one is used.
for file in "$2/$1"-[0-9]*Z.tar; do
    [ -f "$file" ] || continue
    members=$(tar --list --verbose --numeric-owner --file="$file" 2>/dev/null) || members=
    sizes=$(printf '%s\n' "$members" | awk 'NF { printf "%s%s:%s", sep, $NF, $3; sep = " " }')
    manifest=
    case " $sizes" in
    *' manifest.json:'*)
        manifest=$(tar --extract --to-stdout --file="$file" manifest.json | tr '\n\t' '  ') || :
        ;;
    esac
    printf 'backup %s %s\t%s\t%s\n' "${file##*/}" "$(stat -c %s -- "$file")" "$sizes" "$manifest"
done
