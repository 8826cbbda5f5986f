# Lets the nginx of image $1, as user $3, test the configuration file $4 in a container of its own,
# beside the one that serves. $2 is the directory of certificates that aren't certbot's.
if said=$(docker run --rm --network none --user "$3" --cap-drop ALL --tmpfs /run:mode=1777 \
    --tmpfs /var/cache/nginx:mode=1777 --volume "$4:/etc/nginx/conf.d/site.conf:ro" \
    --volume /etc/letsencrypt:/etc/letsencrypt:ro --volume "$2:/etc/nginx/tls:ro" \
    --entrypoint nginx "$1" -t 2>&1); then
    exit 0
fi
printf '%s\n' "$said"
line=$(printf '%s\n' "$said" | sed -n 's/.*site\.conf:\([0-9][0-9]*\).*/\1/p' | head -n 1)
# What the operator wrote stands between marks, line for line.
awk -v at="${line:-0}" '
    / begin of proxy\.snippets\./ { name = $NF; begun = FNR; any = 1 }
    FNR == at {
        text = $0
        sub(/^[ \t]+/, "", text)
        if (name != "")
            printf "that is line %d of the snippet %s of site.toml: %s\n", FNR - begun, name, text
        else {
            printf "that line is: %s\n", text
            outside = 1
        }
    }
    / end of proxy\.snippets\./ { name = "" }
    END {
        if (any && outside)
            print "it is none of the snippets, but one that leaves a { or a ; out spoils what follows it"
    }
' "$4"
exit 1
