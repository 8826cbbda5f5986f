# Restarts this host as its administrator would.
systemctl reboot
