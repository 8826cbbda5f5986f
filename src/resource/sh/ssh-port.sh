# The ports that SSH must keep, a line each. First the one this connection came in on: the
# fourth field of sshd's SSH_CONNECTION, which is handed on under another name because sudo
# drops it. Then those that sshd is told to listen on beyond this machine; where systemd listens
# in its place (ssh.socket), those of the socket. Who has asked systemd already hands on what it
# said, since asking takes longer than all the rest.
connection=${PROVISION_SSH_CONNECTION-}
connection=${connection##* }
echo "${connection:-unknown}"
socket=${PROVISION_SSH_SOCKET-$(systemctl show --property=ActiveState,Listen ssh.socket 2>/dev/null)}
case "
$socket
" in
*"
ActiveState=active
"*) printf '%s\n' "$socket" | sed -n 's/^Listen=\(.*\) (Stream)$/\1/p' ;;
*)
    PATH=$PATH:/usr/sbin
    sshd -T 2>/dev/null | sed -n 's/^listenaddress //p'
    ;;
esac | sed -n -e '/^127\./d' -e '/^\[::1\]/d' -e 's/^.*:\([0-9][0-9]*\)$/\1/p' | sort -un
