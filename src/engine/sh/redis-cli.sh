# redis-cli with the password that the server reads, which so is in nobody's arguments.
# Arguments: those of redis-cli.
password=$(sed -n 's/^requirepass[[:space:]]\{1,\}//p' /run/secrets/redis.conf | tail -n 1)
case $password in
    '"'*'"')
        # As redis.conf has it in quotes.
        password=${password#'"'}
        password=$(printf '%s\n' "${password%'"'}" | sed 's/\\\(["\\]\)/\1/g')
        ;;
esac
if [ -n "$password" ]; then
    export REDISCLI_AUTH="$password"
fi
unset password
exec redis-cli "$@"
