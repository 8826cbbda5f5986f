# Which connections come about from this host: stdin is an address and a port a line, $1 the
# seconds that silence is listened to. Answers a line for each: address, port, what came of it, the
# address it was sent from, and what the system says of it. Perl, since Debian and Ubuntu are never
# without it (perl-base is essential), while a server may lack curl; and a single process.
command -v perl >/dev/null || {
    echo 'lacks perl'
    exit 0
}
LC_ALL=C exec perl -e '
use strict;
use Errno qw(EINPROGRESS ECONNREFUSED ETIMEDOUT);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use Socket qw(:DEFAULT AF_INET6 inet_pton inet_ntop pack_sockaddr_in6 unpack_sockaddr_in6);

my $limit = shift;
my @todo = map { [split] } <STDIN>;
my %open;

# Seconds since boot: the clock may be set meanwhile.
sub now {
    open my $uptime, "<", "/proc/uptime" or return time;
    return (split " ", <$uptime>)[0];
}

sub report {
    my ($try, $what, $why) = @_;
    print join(" ", @$try[0, 1], $what, $try->[2] || "-", $why || ""), "\n";
}

sub failed {
    my ($try, $error) = @_;
    local $! = $error;
    return report($try, "refused") if $error == ECONNREFUSED;
    return report($try, "silent") if $error == ETIMEDOUT;
    return report($try, "unreachable", "$!");
}

sub source {
    my $name = getsockname(shift) or return;
    my $six = sockaddr_family($name) == AF_INET6;
    my ($port, $address) = $six ? unpack_sockaddr_in6($name) : sockaddr_in($name);
    return inet_ntop($six ? AF_INET6 : AF_INET, $address);
}

sub begin {
    my $try = shift;
    my ($address, $port) = @$try;
    my $six = $address =~ /:/;
    my $family = $six ? AF_INET6 : AF_INET;
    socket(my $socket, $family, SOCK_STREAM, 0) or return failed($try, $!);
    fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK);
    my $ip = inet_pton($family, $address);
    my $to = $six ? pack_sockaddr_in6($port, $ip) : sockaddr_in($port, $ip);
    my $made = connect($socket, $to);
    my $error = $! + 0;
    $try->[2] = source($socket);
    return report($try, "open") if $made;
    return failed($try, $error) if $error != EINPROGRESS;
    $open{fileno $socket} = [$try, $socket, now() + $limit];
}

while (@todo or %open) {
    begin(shift @todo) while @todo and keys %open < 400;
    my $all = "";
    vec($all, $_, 1) = 1 for keys %open;
    my $ready = $all;
    select(undef, $ready, undef, 0.1) if %open;
    for my $number (keys %open) {
        my ($try, $socket, $end) = @{$open{$number}};
        if (vec($ready, $number, 1)) {
            my $error = unpack("i", getsockopt($socket, SOL_SOCKET, SO_ERROR));
            $error ? failed($try, $error) : report($try, "open");
        } elsif (now() > $end) {
            report($try, "silent");
        } else {
            next;
        }
        delete $open{$number};
    }
}' "$1"
