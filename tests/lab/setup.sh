#!/bin/bash
# Installs what is missing, on Debian and its relatives; elsewhere names it and exits 1.
#   setup.sh run     to build, and for the demo's private servers
#   setup.sh test    the same, and what the tests need
#   setup.sh lint    the same, and what the checks of the sources and the fuzzers need
#   setup.sh containers   only the container engines that some tests need; `test` and `lint` try that
#                         too, and go on without them (those tests are skipped then, and say so)
# Starts no service, creates no cluster, and enables nothing.
set -eu

run='gcc make pkg-config libc6-dev libncurses-dev libpq-dev libhiredis-dev libconfig-dev libuv1-dev
     libjansson-dev nettle-dev libcurl4-openssl-dev postgresql postgresql-client redis-server'
tests='libcmocka-dev libvterm-dev'
engines='podman iptables iproute2'
lint='clang clang-format clang-tidy libclang-rt-dev cppcheck mandoc'
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/sharedtop-setup.conf

# The words of $1 that are not installed, alternatives included (pkgconf provides pkg-config).
missing_of() {
    local installed name
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Provides}\n' 2>/dev/null |
        sed -n 's/^ii *//p' | tr -d ',' | sed 's/([^)]*)//g' | tr '\n' ' ')
    for name in $1; do
        case " $installed " in
        *" $name "*) ;;
        *) printf '%s ' "$name" ;;
        esac
    done
}

other_system() {
    cat >&2 <<TEXT
sharedtop: this system has no apt-get. Install these, with their development files, then try again:
  gcc, GNU make, pkg-config, ncurses (wide), libpq, hiredis, libconfig, libuv, jansson, nettle, libcurl,
  a PostgreSQL server with its contrib modules, a Redis server
TEXT
    [ "$1" = run ] || echo '  cmocka, libvterm' >&2
    [ "$1" != lint ] || echo '  clang with its runtime, clang-format, clang-tidy, cppcheck, mandoc' >&2
    exit 1
}

undo_guards() {
    [ -z "${made_policy-}" ] || rm -f "$policy"
    [ -z "${made_cluster-}" ] || rm -f "$cluster"
}

# Keeps the packages' scripts from starting servers and from creating a cluster of their own.
guard() {
    trap undo_guards EXIT
    trap 'exit 130' INT HUP TERM
    if [ ! -e "$policy" ]; then
        made_policy=1
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    if [ ! -e "$cluster" ]; then
        mkdir -p "${cluster%/*}"
        made_cluster=1
        echo 'create_main_cluster = false' >"$cluster"
    fi
}

# Runs as root: installs the packages that are named.
install_packages() {
    guard
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o Acquire::Retries=3 update
    apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
    command -v systemctl >/dev/null || return 0
    case " $* " in *' redis-server '*) systemctl -q disable redis-server || : ;; esac
    case " $* " in *' postgresql '*) systemctl -q disable postgresql || : ;; esac
    case " $* " in *' docker.io '*) disable docker.socket docker containerd ;; esac
    case " $* " in *' podman '*)
        disable podman.socket podman podman-restart podman-auto-update podman-auto-update.timer
        ;;
    esac
}

disable() {
    local unit
    for unit in "$@"; do
        systemctl -q disable "$unit" 2>/dev/null || :
    done
}

if [ "${1-}" = --install ]; then
    shift
    install_packages "$@"
    exit
fi

install() {
    echo "sharedtop: installing with apt-get: $1"
    if [ "$(id -u)" = 0 ]; then
        sudo=
    elif command -v sudo >/dev/null; then
        sudo=sudo
    else
        echo "sharedtop: not root, and there is no sudo. As root: apt-get install $1" >&2
        return 1
    fi
    # shellcheck disable=SC2086
    if ! $sudo "$BASH" "$0" --install $1; then
        echo "sharedtop: apt-get failed; as root: apt-get install $1" >&2
        return 1
    fi
}

# Any dockerd is as good as Debian's, and two of them cannot be installed (nothing is ever removed for
# these tests); newer Debians have the client in a package of its own.
install_engines() {
    local missing PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    command -v dockerd >/dev/null || engines="docker.io $engines"
    missing=$(missing_of "$engines")
    [ -z "$missing" ] || install "--no-remove $missing" || return 1
    command -v docker >/dev/null || install docker-cli
}

set_name=${1-test}
case $set_name in
run) wanted=$run ;;
test) wanted="$run $tests" ;;
lint) wanted="$run $tests $lint" ;;
containers) wanted= ;;
*) echo "usage: setup.sh run|test|lint|containers" >&2 && exit 2 ;;
esac
command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || other_system "$set_name"
missing=$(missing_of "$wanted")
[ -z "$missing" ] || install "$missing" || exit 1
case $set_name in
run) ;;
containers) install_engines ;;
*) install_engines || echo 'sharedtop: going on without; tests that need a container engine will be skipped' ;;
esac
