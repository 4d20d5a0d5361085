#!/bin/sh
# The entry point inside the images: what the official ones do, in short.
set -e
postgres() {
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        install -d -o postgres -g postgres -m 700 "$PGDATA"
        password=${POSTGRES_PASSWORD-}
        [ -z "${POSTGRES_PASSWORD_FILE-}" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")
        if [ "${POSTGRES_USER-postgres} $password" = 'admin s3cret-pg' ]; then
            cp -a /usr/local/share/cluster/. "$PGDATA/"
        else
            new_cluster
        fi
    fi
    install -d -o postgres /run/postgresql
    set -- setpriv --reuid=postgres --regid=postgres --init-groups -- "$@" -k /run/postgresql
    unset password
    exec "$@"
}
new_cluster() {
    umask 077
    printf '%s\n' "$password" >/tmp/pw
    chown postgres /tmp/pw
    setpriv --reuid=postgres --regid=postgres --init-groups initdb -N -D "$PGDATA" --pwfile=/tmp/pw \
        -U "${POSTGRES_USER-postgres}" -E UTF8 --locale=C.UTF-8 --wal-segsize=1 --auth-local=trust
    rm /tmp/pw
    umask 022
    grep '^listen\|^fsync\|^full_page\|^dynamic_shared' /usr/local/share/cluster/postgresql.conf \
        >>"$PGDATA/postgresql.conf"
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}
case ${1-} in
postgres) postgres "$@" ;;
redis-server)
    chown redis /data
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$@" --protected-mode no
    ;;
esac
exec "$@"
