# Kind, mode, owner and SHA-256 of files, and the content of those that are wanted.
# Arguments in pairs: a path, and "-" (no content), "" (content) or a SHA-256 (content
# unless it has this one).
n=$#
while [ "$n" -gt 0 ]; do
    path=$1 want=$2
    shift 2
    set -- "$@" "$path" "$want"
    n=$((n - 2))
    paths="${paths-}$path
"
done
# Owners by their numbers: a container's user has no name here, or that of somebody else.
# Paths are of a grammar without spaces or patterns; IFS keeps to newlines all the same.
IFS='
'
set -f
# shellcheck disable=SC2086 # one argument a line is meant
stat -c 'stat %F|%a|%u:%g|%Y|%s|%n' -- $paths 2>/dev/null
# shellcheck disable=SC2086
sums=$(sha256sum -- $paths 2>/dev/null)
together=
while [ $# -gt 0 ]; do
    case "
$sums
" in
    *"
$2  $1
"*) ;;
    *)
        if [ "$2" = - ] || [ ! -f "$1" ]; then
            :
        elif [ -h "$1" ] || [ ! -s "$1" ]; then
            # Of another size than stat says, or maybe.
            printf 'text %s|%s\n' "$(base64 -w0 <"$1")" "$1"
        else
            printf 'next %s\n' "$1"
            together="$together$1
"
        fi
        ;;
    esac
    shift 2
done
for sum in $sums; do
    printf 'sum %s\n' "$sum"
done
# In one piece, since a program for each takes longer than all else: their sizes are known.
if [ -n "$together" ]; then
    printf 'texts '
    # shellcheck disable=SC2086
    cat -- $together | base64 -w0
    echo
fi
