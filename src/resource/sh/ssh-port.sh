# The ports that SSH must keep, a line each. First the one this connection came in on: the
# fourth field of sshd's SSH_CONNECTION, which is handed on under another name because sudo
# drops it. Then those that sshd is told to listen on beyond this machine; where systemd listens
# in its place (ssh.socket), those of the socket.
connection=${PROVISION_SSH_CONNECTION-}
echo "${connection##* }" | sed 's/^$/unknown/'
if systemctl --quiet is-active ssh.socket 2>/dev/null; then
    systemctl show ssh.socket --property=Listen | sed -n 's/^Listen=\(.*\) (Stream)$/\1/p'
else
    PATH=$PATH:/usr/sbin
    sshd -T 2>/dev/null | sed -n 's/^listenaddress //p'
fi | sed -n -e '/^127\./d' -e '/^\[::1\]/d' -e 's/^.*:\([0-9][0-9]*\)$/\1/p' | sort -un
