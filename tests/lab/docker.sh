#!/bin/bash
# A private container engine in a directory of its own, for the tests: a dockerd in mount and network
# namespaces of its own, so that it meets no other engine and leaves no interface, rule or mount.
#   docker.sh start DIR OWNER        starts it (nothing, if it runs); it goes when process OWNER ends
#   docker.sh image DIR WHAT SUITE   imports postgres, redis or tiny if need be, and prints its name;
#                                    SUITE: a Debian suite, or host
#   docker.sh clean DIR              removes all containers, networks and volumes
#   docker.sh end DIR [hard]         ends dockerd (hard: by SIGKILL), and leaves the rest as it is
#   docker.sh begin DIR              starts dockerd again
#   docker.sh podman DIR             starts Podman's service beside it, and prints its socket
#   docker.sh stop DIR               ends all, whatever state it is in, and removes DIR
# Exit status 77 and one line on stdout when this machine cannot run it. Environment: LAB_CACHE (images).
set -eu
umask 022
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deadline=60

die() {
    echo "docker.sh: $*" >&2
    exit 1
}

# Whoever asks again is told the same at once.
cannot() {
    echo "$*" | tee "$dir/skipped"
    exit 77
}

docker() {
    DOCKER_CONFIG=$dir/config command docker -H "unix://$dir/docker.sock" "$@"
}

# inside_words: the words before a command that put it into the engine's namespaces.
inside_words() {
    local ns
    ns=/proc/$(cat "$dir/anchor")/ns
    inside=(nsenter --mount="$ns/mnt" --net="$ns/net")
}

# A process that outlives its starter and holds none of its files open.
detached() {
    local log=$1
    shift
    setsid "$@" </dev/null >>"$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
}

# The namespaces live as long as this process. A /run of its own keeps the engine's sockets and locks
# apart from those of the host's.
anchor() {
    mount -t tmpfs tmpfs /run
    [ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker
    [ ! -d /var/lib/containers ] || mount -t tmpfs tmpfs /var/lib/containers
    ip link set lo up
    echo $$ >"$dir/anchor.new"
    mv "$dir/anchor.new" "$dir/anchor"
    exec -a "lab-anchor $dir" sleep infinity
}

wait_for() {
    local tries=$((deadline * 20))
    until "$@"; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        kill -0 $! 2>/dev/null || return 1
        sleep 0.05
    done
}

answers() {
    docker version >/dev/null 2>&1
}

last_error() {
    sed -n 's/.*level=\(error\|fatal\)[^"]*msg="\(.*\)"$/\2/p; /^failed/p; /^unshare/p; /^mount/p' "$1" |
        tail -n 1 | cut -c1-200
}

begin() {
    ! answers || return 0
    # When dockerd was killed, its containerd has gone with it, and may still be a zombie.
    rm -f "$dir/pid" "$dir/exec/containerd/containerd.pid"
    inside_words
    detached "$dir/log" "${inside[@]}" dockerd --data-root "$dir/data" --exec-root "$dir/exec" \
        -H "unix://$dir/docker.sock" --pidfile "$dir/pid" \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/${dir##*/}"
    wait_for answers
}

end() {
    local pid
    pid=$(cat "$dir/pid" 2>/dev/null) || return 0
    kill "-${1:-TERM}" "$pid" 2>/dev/null || return 0
    while [ -e "/proc/$pid/exe" ]; do
        sleep 0.02
    done
}

tiny() {
    local root=$dir/tiny
    mkdir -p "$root"
    "${CC:-cc}" -Os -static -o "$root/tiny" "$here/docker_tiny.c" || return 1
    tar -C "$root" -c . | docker import --change 'ENTRYPOINT ["/tiny"]' - tiny:1 >/dev/null
}

start() {
    local reason
    case $dir in
    /*[!A-Za-z0-9/._-]* | [!/]*) die "DIR must be an absolute path of plain characters: $dir" ;;
    esac
    [ ${#dir} -le 60 ] || die "DIR is too long for the sockets in it: $dir"
    mkdir -p "$dir"
    chmod 711 "$dir"
    : >"$dir/.sharedtop-docker"
    if [ -s "$dir/skipped" ]; then
        cat "$dir/skipped"
        exit 77
    fi
    [ "$(id -u)" = 0 ] || cannot 'a container engine of its own needs root'
    if [ -s "$dir/anchor" ]; then
        begin || cannot "dockerd does not start: $(last_error "$dir/log")"
        return
    fi
    for reason in dockerd docker containerd runc iptables ip unshare nsenter; do
        command -v $reason >/dev/null || cannot "there is no $reason here (tests/lab/setup.sh containers)"
    done
    detached "$dir/log" "$BASH" "$here/docker.sh" watch "$dir" "$1"
    echo $! >"$dir/watch"
    detached "$dir/log" unshare --mount --net --propagation private \
        "$BASH" "$here/docker.sh" anchor "$dir"
    wait_for test -s "$dir/anchor" || cannot "no namespaces of its own: $(last_error "$dir/log")"
    begin || cannot "dockerd does not start: $(last_error "$dir/log")"
    tiny || cannot 'the first image cannot be made (a static C library is needed)'
    reason=$(docker run --rm --memory 32m tiny:1 exit 0 2>&1) ||
        cannot "a container does not start: ${reason##*$'\n'}"
}

# Their metadata is as the official images'.
import() {
    local what=$1 folder PG_MAJOR REDIS_VERSION name changes
    if [ "$what" = tiny ]; then
        echo tiny:1
        return
    fi
    # The caller may be in the engine's network, from where no mirror is reached.
    if ! folder=$(nsenter --net="/proc/$(cat "$dir/watch")/ns/net" "$here/docker_image.sh" "$2" \
        2>"$dir/image.log"); then
        echo "no image of Debian's packages: $(tail -n 1 "$dir/image.log")"
        exit 77
    fi
    # shellcheck disable=SC1091
    . "$folder/versions"
    case $what in
    postgres)
        name=postgres:$PG_MAJOR
        changes=("ENV PG_MAJOR=$PG_MAJOR" "ENV PGDATA=/var/lib/postgresql/$PG_MAJOR/docker" 'EXPOSE 5432'
            "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/lib/postgresql/$PG_MAJOR/bin"
            'VOLUME /var/lib/postgresql' 'CMD ["postgres"]')
        ;;
    redis)
        name=redis:$REDIS_VERSION
        changes=("ENV REDIS_VERSION=$REDIS_VERSION" 'EXPOSE 6379' 'VOLUME /data' 'WORKDIR /data'
            'ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' 'CMD ["redis-server"]')
        ;;
    *) die "no such image: $what" ;;
    esac
    if ! docker image inspect "$name" >/dev/null 2>&1; then
        changes+=('ENTRYPOINT ["docker-entrypoint.sh"]')
        docker import "${changes[@]/#/--change=}" "$folder/$what.tar" "$name" >/dev/null
    fi
    echo "$name"
}

clean() {
    begin || die "dockerd does not start: $(last_error "$dir/log")"
    docker ps -aq | xargs -r "$BASH" "$here/docker.sh" docker "$dir" rm -f -v >/dev/null
    docker network prune -f >/dev/null
    docker volume ls -q | xargs -r "$BASH" "$here/docker.sh" docker "$dir" volume rm -f >/dev/null
}

# It would set limits beyond what a sandbox allows, and keep its networks in /etc.
podman() {
    cat >"$dir/podman.conf" <<CONF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[network]
network_config_dir = "$dir/podman/networks"
CONF
    CONTAINERS_CONF=$dir/podman.conf command podman --storage-driver=vfs --root "$dir/podman/root" \
        --runroot "$dir/podman/run" --tmpdir "$dir/podman/tmp" --cgroup-manager=cgroupfs \
        --events-backend=file "$@"
}

podman_service() {
    local socket=$dir/podman.sock
    command -v podman >/dev/null || { echo 'there is no podman here' && exit 77; }
    if [ ! -S "$socket" ]; then
        mkdir -p "$dir/podman/networks"
        inside_words
        detached "$dir/podman.log" "${inside[@]}" "$BASH" "$here/docker.sh" podman-run "$dir" \
            system service --time=0 "unix://$socket"
        wait_for test -S "$socket" || { echo "podman: $(tail -n 1 "$dir/podman.log")" && exit 77; }
    fi
    echo "$socket"
}

# What belongs to the engine: by the directory in its arguments, and, in containers, by the cgroup.
pids() {
    local file pid
    for file in $(grep -lsaF "$dir" /proc/[0-9]*/cmdline) $(grep -lsF "/${dir##*/}" /proc/[0-9]*/cgroup); do
        pid=${file#/proc/}
        pid=${pid%%/*}
        case $file:$(cat "/proc/$pid/comm" 2>/dev/null) in
        */cgroup:?* | *:dockerd | *:containerd | *:containerd-shim* | *:docker-proxy | *:sleep) echo "$pid" ;;
        *:podman) echo "$pid" ;;
        *:conmon) echo "$pid" && pgrep -P "$pid" || : ;;
        esac
    done
}

stop() {
    local list tries=500 folder group groups
    if [ ! -e "$dir/.sharedtop-docker" ]; then
        rmdir "$dir" 2>/dev/null || :
        return 0
    fi
    while list=$(pids) && [ -n "$list" ] && [ $((tries -= 1)) -gt 0 ]; do
        # shellcheck disable=SC2086
        kill -KILL $list 2>/dev/null || :
        sleep 0.02
    done
    groups=("${dir##*/}")
    for folder in "$dir"/podman/root/vfs-containers/*/; do
        [ ! -d "$folder" ] || groups+=("libpod_parent/libpod-$(basename "$folder")")
    done
    for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
        for group in "${groups[@]}"; do
            [ ! -d "$folder/$group" ] ||
                find "$folder/$group" -depth -type d -exec rmdir {} + 2>/dev/null || :
        done
    done
    rm -rf "$dir"
}

[ $# -ge 2 ] || die 'usage: docker.sh start|image|clean|end|begin|podman|stop DIR ...'
dir=${2%/}
case $1 in
start) start "$3" ;;
image) import "$3" "${4-host}" ;;
clean) clean ;;
end) end "${3:+KILL}" ;;
begin) begin || die "dockerd does not start: $(last_error "$dir/log")" ;;
stop) stop ;;
podman) podman_service ;;
anchor) anchor ;;
watch) tail --pid="$3" -f /dev/null; stop ;;
docker) shift 2 && docker "$@" ;;
podman-run) shift 2 && podman "$@" ;;
*) die "unknown command: $1" ;;
esac
