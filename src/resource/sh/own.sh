# Makes directory $1 and gives it and all that is in it to owner $2 (USER:GROUP), with mode $3. Its
# own owner and mode go last: until they are right, this is due.
if [ -d "$1" ]; then
    find "$1" -mindepth 1 -exec chown --no-dereference -- "$2" {} +
    case $2 in
    # The group is whom it is for.
    root:*) find "$1" -mindepth 1 ! -type l -exec chmod g+rX -- {} + ;;
    esac
fi
install -d -o "${2%:*}" -g "${2#*:}" -m "$3" -- "$1"
