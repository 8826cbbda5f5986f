# The port this SSH connection came in on: the fourth field of sshd's SSH_CONNECTION, which
# is handed on under another name because sudo drops it.
printf '%s\n' "${PROVISION_SSH_CONNECTION##* }"
