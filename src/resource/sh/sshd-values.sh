# What sshd decides of root's login and of passwords, as "KEYWORD VALUE USER ADDRESS": for user
# $1 and for root, coming in as we do and from elsewhere, since Match blocks may tell them apart.
# What follows are more arguments of sshd. Comes before the scripts that use it.
sshd_values() {
    name=$1
    shift
    # sshd wants this directory, also to test. A socket-activated one may not have made it yet.
    [ -d /run/sshd ] || mkdir -m 755 /run/sshd
    from=${PROVISION_SSH_CONNECTION-}
    own=${from%% *} to=${from% *}
    to=${to##* } port=${from##* }
    for address in "${own:-203.0.113.1}" 203.0.113.1; do
        for login in "$name" root; do
            values=$(sshd -T "$@" -C "user=$login" -C "host=$address" -C "addr=$address" \
                -C "laddr=${to:-127.0.0.1}" -C "lport=${port:-22}" 2>&1) || {
                printf '%s\n' "$values"
                return 1
            }
            printf '%s\n' "$values" | sed -n \
                "s/^\(permitrootlogin\|passwordauthentication\|kbdinteractiveauthentication\) \(.*\)/\1 \2 $login $address/p"
        done
    done
}
