#!/bin/bash
# A private PostgreSQL and Redis in a directory of their own, for the tests, the demo and the bench.
#   lab.sh start DIR        starts both (databases filled from a template that is made once)
#   lab.sh env DIR          prints how to reach them, as shell assignments
#   lab.sh fill DIR         fills Redis like the reference
#   lab.sh load DIR         gives both something to do, until it is ended
#   lab.sh pg|redis DIR     starts one of them again, on its old port, after it was killed
#   lab.sh restart DIR      ends both in good order and starts them again
#   lab.sh watch DIR        waits for the end of its input, then stops
#   lab.sh stop DIR         ends both, whatever state they are in, and removes DIR
# Environment: LAB_PG_OPTIONS (words for postgres, such as "-c max_connections=5"); for `pg` also
# LAB_MORE_OPTIONS, and LAB_STARTING=1 (do not wait until it accepts connections); LAB_CACHE (where
# the template is kept); LAB_LOAD (the program that fills and loads).
set -eu
umask 022
unset "${!PG@}"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${LAB_CACHE:-$root/build/lab}
load=${LAB_LOAD:-$root/build/tests/lab/load}
deadline=60

die() {
    echo "lab: $*" >&2
    exit 1
}

# PostgreSQL refuses to run as root.
user=$(id -un)
as_user=()
if [ "$(id -u)" = 0 ]; then
    user=nobody
    ! id postgres >/dev/null 2>&1 || user=postgres
    as_user=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --)
fi

# A server outlives its starter's terminal and holds none of its files open.
detached() {
    local log=$1
    shift
    "${as_user[@]}" setsid "$@" </dev/null >>"$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
}

find_postgres() {
    local dir
    for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -rV) \
        $(command -v postgres | sed 's,/[^/]*$,,'); do
        if [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ]; then
            bin=$dir
            return
        fi
    done
    die "no PostgreSQL server found in /usr/lib/postgresql or in PATH; run tests/lab/setup.sh run"
}

settings() {
    cat <<CONF
fsync = off
full_page_writes = off
synchronous_commit = off
max_wal_size = 64MB
dynamic_shared_memory_type = mmap
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
client_connection_check_interval = '1s'
CONF
    if [ -e "$("$bin/pg_config" --pkglibdir 2>/dev/null)/pg_stat_statements.so" ] ||
        [ -e "$bin/../lib/pg_stat_statements.so" ]; then
        echo "shared_preload_libraries = 'pg_stat_statements'"
    fi
}

# Whoever reaches the socket owns the directory; over TCP anybody on this host could try.
hba() {
    cat <<CONF
local all watcher scram-sha-256
local all all trust
host all all 127.0.0.1/32 scram-sha-256
CONF
}

new_cluster() {
    local data=$1 password=$2 locale=C
    ! locale -a 2>/dev/null | grep -qix 'C.utf-\?8' || locale=C.UTF-8
    "${as_user[@]}" "$bin/initdb" -N -A trust -U admin -E UTF8 --locale="$locale" --wal-segsize=1 \
        -D "$data" >/dev/null
    settings >>"$data/postgresql.conf"
    hba >"$data/pg_hba.conf"
    echo "$password" >"$data/lab_password"
    chown "$user" "$data/lab_password"
    chmod 600 "$data/lab_password"
}

# Makes $cache/$template: a filled cluster, shut down cleanly. Needs its own directory in /tmp
# since the server's user may not be allowed to enter the cache.
make_template() {
    local work password
    work=$(mktemp -d /tmp/st-XXXXXX)
    # shellcheck disable=SC2064
    trap "stop_all '$work'" EXIT
    : >"$work/.sharedtop-lab"
    chown "$user" "$work"
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    new_cluster "$work/data" "$password"
    port=5432
    LAB_PG_OPTIONS='' start_postgres "$work" ''
    psql -XqAt -v ON_ERROR_STOP=1 -v password="$password" -f "$here/fill.sql" \
        "host=$work port=5432 user=admin dbname=postgres" >/dev/null
    "${as_user[@]}" "$bin/pg_ctl" -D "$work/data" -m fast -w stop >/dev/null
    "${as_user[@]}" "$bin/pg_resetwal" -D "$work/data" >/dev/null # a small one is quick to copy
    rm -rf "$cache"/pg-*
    cp -a "$work/data" "$cache/.new-$$"
    mv "$cache/.new-$$" "$cache/$template"
    trap - EXIT
    stop_all "$work"
}

need_template() {
    local sum
    sum=$(cat "$here/fill.sql" "${BASH_SOURCE[0]}" | cksum | cut -d' ' -f1)
    template=pg-$("$bin/postgres" -V | sed 's/[^0-9]*//; s/ .*//')-$user-$sum
    mkdir -p "$cache"
    [ ! -d "$cache/$template" ] || return 0
    (
        flock 9
        rm -rf "$cache"/.new-*
        [ -d "$cache/$template" ] || make_template
    ) 9>"$cache/.lock"
}

# True when condition $2… holds within the deadline, false at once when the process $1 has gone.
wait_while_alive() {
    local pid=$1 tries=$((deadline * 50))
    shift
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || return 1
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.02
    done
}

postgres_ready() {
    [ "$(sed -n 8p "$1/data/postmaster.pid" 2>/dev/null)" = 'ready   ' ]
}

postgres_begun() {
    [ -n "$(sed -n 6p "$1/data/postmaster.pid" 2>/dev/null)" ]
}

redis_ready() {
    [ "$(redis-cli -s "$1/redis.sock" ping 2>/dev/null)" = PONG ]
}

# start_postgres DIR ADDRESSES, on $port.
start_postgres() {
    local dir=$1 ready=postgres_ready
    [ -z "${LAB_STARTING-}" ] || ready=postgres_begun
    rm -f "$dir/data/postmaster.pid" "$dir/.s.PGSQL.$port" "$dir/.s.PGSQL.$port.lock"
    # shellcheck disable=SC2086
    detached "$dir/pg.log" "$bin/postgres" -D "$dir/data" -p "$port" -k "$dir" \
        -c "listen_addresses=$2" ${LAB_PG_OPTIONS-} ${LAB_MORE_OPTIONS-}
    wait_while_alive $! $ready "$dir"
}

start_redis() {
    local dir=$1
    rm -f "$dir/redis.sock"
    (
        cd "$dir"
        detached "$dir/redis.log" redis-server "$dir/redis.conf"
        wait_while_alive $! redis_ready "$dir"
    )
}

# A user that may not run INFO: there are users from 6.0 on, and channels to be allowed from 6.2 on.
acl() {
    case $(redis-server --version) in
    *v=[2-5].*) ;;
    *v=6.0.*) echo 'user noinfo on >noinfo ~* +@all -info' ;;
    *) echo 'user noinfo on >noinfo ~* &* +@all -info' ;;
    esac
}

write_redis_conf() {
    cat >"$1/redis.conf" <<CONF
port $port
bind 127.0.0.1
unixsocket $1/redis.sock
unixsocketperm 700
dir $1
pidfile $1/redis.pid
daemonize no
databases 16
save ""
appendonly no
maxmemory 128mb
maxmemory-policy allkeys-lru
$(acl)
CONF
}

# Ports below the range that the kernel hands out; one that is taken makes the server say so.
on_free_port() {
    local log=$1 try
    shift
    for try in 1 2 3 4 5 6 7 8 9 10; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        "$@" && return
        grep -q 'Address already in use\|could not bind\|could not create any TCP' "$log" || break
        : >"$log"
    done
    tail -n 20 "$log" >&2
    return 1
}

first_postgres() {
    start_postgres "$dir" 127.0.0.1
}

first_redis() {
    write_redis_conf "$dir"
    start_redis "$dir"
}

write_env() {
    local password
    password=$(cat "$dir/data/lab_password")
    cat >"$dir/env" <<ENV
LAB_DIR='$dir'
LAB_SH='$here/lab.sh'
LAB_PG_DATA='$dir/data'
LAB_PG_PORT='$pg_port'
LAB_PG_OPTIONS='${LAB_PG_OPTIONS-}'
LAB_PG='host=$dir port=$pg_port user=admin dbname=postgres'
LAB_PG_TCP='host=127.0.0.1 port=$pg_port user=admin password=$password dbname=postgres'
LAB_PG_PID='$(head -n1 "$dir/data/postmaster.pid")'
LAB_REDIS_PORT='$redis_port'
LAB_REDIS='unix:$dir/redis.sock'
LAB_REDIS_TCP='redis://127.0.0.1:$redis_port'
LAB_REDIS_PID='$(cat "$dir/redis.pid" 2>/dev/null)'
LAB_CONF='$dir/sharedtop.conf'
ENV
}

# Mirrors the reference; the thresholds are low, so that the load is worth an alert within seconds.
write_conf() {
    cat >"$dir/sharedtop.conf" <<CONF
interval = 1.0;
# These servers are no containers, and what else runs on the machine is not to be seen.
containers = false;
audit_file = "$dir/audit.jsonl";
backup = { directory = "$dir/backups"; keep = 7; };
restart = { command = "LAB_CACHE=$cache $here/lab.sh restart $dir"; };

postgres = (
  {
    name = "shared_postgres";
    conninfo = "host=$dir port=$pg_port user=admin dbname=postgres";
    environments = (
      { pattern = "*_prod";    environment = "production"; },
      { pattern = "*_staging"; environment = "staging"; },
      { pattern = "*_dev";     environment = "dev"; },
      { pattern = "umami";      environment = "production"; },
      { pattern = "monitoring"; environment = "production"; }
    );
  }
);

redis = (
  {
    name = "shared_redis";
    url = "unix:$dir/redis.sock";
    trash_db = 15;
    databases = (
      { db = 0; environment = "production"; use = "Celery broker"; celery = true; },
      { db = 1; environment = "production"; use = "Django cache"; },
      { db = 2; environment = "staging";    use = "Celery broker"; celery = true; },
      { db = 3; environment = "staging";    use = "Django cache"; },
      { db = 4; environment = "dev";        use = "Celery broker"; celery = true; },
      { db = 5; environment = "dev";        use = "Django cache"; }
    );
  }
);

alerts = {
  PostgresDown            = { runbook = "Look at the log, then: make restart-shared"; };
  PostgresConnectionsHigh = { warning = 80; critical = 95; runbook = "Find the app that leaks: Sessions by application"; };
  RedisDown               = { runbook = "Look at the log, then: make restart-shared"; };
  RedisMemoryHigh         = { warning = 90; critical = 98; };
  LongQuery               = { warning = 5;  critical = 300; runbook = "Read the query, ask its owner, cancel it"; };
  IdleInTransaction       = { warning = 5;  critical = 600; };
  BlockedSessions         = { warning = 1;  critical = 10; };
};
CONF
}

start() {
    local pg_port redis_port errors
    case $dir in
    *[!A-Za-z0-9/._-]* | [!/]*) die "DIR must be an absolute path of plain characters: $dir" ;;
    esac
    [ ${#dir} -le 80 ] || die "DIR is too long for a unix socket: $dir"
    command -v redis-server >/dev/null || die 'no redis-server in PATH; run tests/lab/setup.sh run'
    find_postgres
    need_template
    mkdir -p -m 700 "$dir"
    : >"$dir/.sharedtop-lab"
    trap 'stop_all "$dir"' EXIT
    chown "$user" "$dir"
    errors=$(cp -a --reflink=auto "$cache/$template" "$dir/data" 2>&1) || die "${errors##*$'\n'}"
    on_free_port "$dir/pg.log" first_postgres || die 'PostgreSQL did not start'
    pg_port=$port
    on_free_port "$dir/redis.log" first_redis || die 'Redis did not start'
    redis_port=$port
    write_env
    write_conf
    trap - EXIT
}

start_again() {
    local pg_port redis_port
    pg_port=$LAB_PG_PORT redis_port=$LAB_REDIS_PORT
    if [ "$1" = pg ]; then
        find_postgres
        port=$pg_port
        start_postgres "$dir" 127.0.0.1 || die "PostgreSQL did not start: $(tail -n 3 "$dir/pg.log")"
    else
        start_redis "$dir" || die "Redis did not start: $(tail -n 3 "$dir/redis.log")"
    fi
    write_env
}

# What an orderly restart of both services does: sessions end, data stays.
restart() {
    local tries=1000 pids
    pids="$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null || :) $(cat "$dir/redis.pid" 2>/dev/null || :)"
    kill -INT ${pids%% *} 2>/dev/null || :
    redis-cli -s "$dir/redis.sock" shutdown save >/dev/null 2>&1 || :
    # shellcheck disable=SC2086
    while ps -p "${pids/ /,}" -o stat= 2>/dev/null | grep -qv '^Z' && [ $((tries -= 1)) -gt 0 ]; do
        sleep 0.02
    done
    echo 'starting PostgreSQL'
    start_again pg
    echo 'starting Redis'
    start_again redis
}

# The servers' processes are known by their working directory, since a backend whose postmaster was
# killed has no parent to be found by; only its own user may read that of PostgreSQL's.
find_cwds() {
    "$@" find /proc -mindepth 2 -maxdepth 2 -path '/proc/[0-9]*/cwd' \
        '(' -lname "$dir" -o -lname "$dir/*" ')' 2>/dev/null || :
}

pids_in() {
    local dir=$1 link
    for link in $(find_cwds "${as_user[@]}" && find_cwds); do
        case $(cat "${link%/cwd}/comm" 2>/dev/null) in
        postgres | redis-server | load) link=${link%/cwd} && echo "${link#/proc/}" ;;
        esac
    done
}

stop_all() {
    local dir=$1 pids tries=500 shm
    [ -e "$dir/.sharedtop-lab" ] || return 0
    shm=$(sed -n '7s/.* //p' "$dir/data/postmaster.pid" 2>/dev/null || :)
    while pids=$(pids_in "$dir") && [ -n "$pids" ] && [ $((tries -= 1)) -gt 0 ]; do
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null || :
        sleep 0.01
    done
    [ -z "$shm" ] || ipcrm -m "$shm" 2>/dev/null || :
    rm -rf "$dir"
}

[ $# = 2 ] || die 'usage: lab.sh start|env|fill|load|pg|redis|restart|watch|stop DIR'
dir=${2%/}
case $1 in
fill | load | pg | redis | env | restart)
    [ -e "$dir/env" ] || die "$dir is not a running lab"
    set -a
    # shellcheck disable=SC1091
    . "$dir/env"
    set +a
    ;;
esac
case $1 in
start) start ;;
env) cat "$dir/env" ;;
fill) "$load" --fill ;;
load) cd "$dir" && exec "$load" ;;
pg | redis) start_again "$1" ;;
watch) cat >/dev/null; stop_all "$dir" ;;
stop) stop_all "$dir" ;;
restart) restart ;;
*) die "unknown command: $1" ;;
esac
