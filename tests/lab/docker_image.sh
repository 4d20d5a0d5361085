#!/bin/bash
# docker_image.sh SUITE: makes the files of two images from packages of a Debian suite (host: this
# system's own), once, and prints the folder: postgres.tar, redis.tar, and versions (shell words).
# Packages are unpacked, not installed: no script of theirs runs. Environment: LAB_CACHE.
set -eu
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${LAB_CACHE:-$here/../../build/lab}
packages='postgresql redis-server bash dash coreutils tar gzip sed grep findutils procps util-linux hostname'
# What the servers, and the shell beside them, do without.
unwanted='^(libllvm|libz3|perl|libperl|apt$|libapt|dpkg|debconf|locales|tzdata|debian-|postgresql-common'
unwanted+='|postgresql-client-common|gpgv|sqv|adduser|passwd|e2fs|ucf|libc-l10n|gcc-|ssl-cert|lib.*-perl'
unwanted+='|init-system|sensible|openssl|ubuntu-|usrmerge|usr-is-merged|lsb-)'
skip=(--exclude='*/share/doc' --exclude='*/share/man' --exclude='*/share/locale' --exclude='*/share/info'
    --exclude='*/bitcode' --exclude='*llvmjit*' --exclude='*/gconv' --exclude='*/share/bash-completion')

die() {
    echo "$*" >&2
    exit 1
}

# The mirror that this system uses for its own suite.
mirror_of() {
    local file uri
    if [ "$1" = "$own" ]; then
        for file in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list; do
            uri=$(awk -v suite="$1" '
                /^deb / { for (i = 2; i < NF; i++) if ($i ~ /^https?:/ && $(i + 1) == suite) { print $i; exit } }
                /^URIs:/ { uri = $2 }
                /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) { print uri; exit } }
            ' "$file" 2>/dev/null || :)
            [ -z "$uri" ] || { echo "$uri" && return; }
        done
    fi
    [ "$ID" != ubuntu ] || [ "$1" != "$own" ] || { echo http://archive.ubuntu.com/ubuntu && return; }
    echo http://deb.debian.org/debian
}

# apt with lists, a status and a cache of its own: it sees an empty system.
private_apt() {
    apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root \
        -o APT::Install-Recommends=0 -o Debug::NoLocking=1 "$@"
}

download() {
    local mirror components=main
    mirror=$(mirror_of "$suite")
    case $mirror in *ubuntu*) components='main universe' ;; esac
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
    : >"$work/status"
    echo "deb [signed-by=/usr/share/keyrings/$ID-archive-keyring.gpg] $mirror $suite $components" \
        >"$work/sources.list"
    private_apt update
    # shellcheck disable=SC2086
    private_apt -qq --print-uris install $packages | sed -n "s/^'[^ ]* \([^_ ]*\)_.*/\1/p" |
        grep -vE "$unwanted" >"$work/names"
    cd "$work/debs"
    # shellcheck disable=SC2046
    private_apt download $(cat "$work/names")
}

unpack() {
    local dir deb
    for dir in bin sbin lib lib64; do
        mkdir -p "$root/usr/$dir"
        ln -s "usr/$dir" "$root/$dir"
    done
    for deb in "$work"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink "${skip[@]}"
    done
    mkdir -p "$root"/{dev,proc,sys,tmp,run,data,var/lib/postgresql}
    rm -rf "$root/var/run"
    ln -s /run "$root/var/run"
    chmod 1777 "$root/tmp"
    cat >"$root/etc/passwd" <<'TEXT'
root:x:0:0:root:/root:/bin/bash
postgres:x:999:999::/var/lib/postgresql:/bin/bash
redis:x:998:998::/data:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
TEXT
    printf '%s:x:%s:\n' root 0 postgres 999 redis 998 nogroup 65534 >"$root/etc/group"
    mkdir -p "$root/usr/local/bin"
    install -m 755 "$here/docker_entry.sh" "$root/usr/local/bin/docker-entrypoint.sh"
}

# A cluster for the user and password that the tests use, so that a start need not make it.
make_cluster() {
    local bin=/usr/lib/postgresql/$major/bin template=$root/usr/local/share/cluster
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/urandom" c 1 9
    install -d -o 999 -g 999 -m 700 "$template"
    echo s3cret-pg >"$root/tmp/pw"
    chroot --userspec=999:999 "$root" "$bin/initdb" -N -D /usr/local/share/cluster -U admin \
        --pwfile=/tmp/pw -E UTF8 --locale=C.UTF-8 --wal-segsize=1 --auth-host=trust --auth-local=trust >&2
    rm -f "$root/tmp/pw" "$root"/dev/*
    printf '%s\n' "listen_addresses = '*'" 'fsync = off' 'full_page_writes = off' \
        'dynamic_shared_memory_type = mmap' >>"$template/postgresql.conf"
    echo 'host all all all scram-sha-256' >>"$template/pg_hba.conf"
}

make_images() {
    local major version
    download >&2
    unpack
    major=$(basename "$(echo "$root"/usr/lib/postgresql/*)")
    version=$(chroot "$root" redis-server --version | sed 's/.* v=\([0-9]*\.[0-9]*\).*/\1/')
    make_cluster
    mkdir "$work/out"
    tar -C "$root" -c --exclude='./usr/bin/redis-*' . >"$work/out/postgres.tar"
    tar -C "$root" -c --exclude='./usr/lib/postgresql' --exclude='./usr/share/postgresql' \
        --exclude='./usr/local/share/cluster' --exclude='libicu*' . >"$work/out/redis.tar"
    echo "PG_MAJOR=$major REDIS_VERSION=$version" >"$work/out/versions"
    mkdir -p "$cache"
    rm -rf "$cache/docker-$suite-"*
    cp -r "$work/out" "$cache/.new-$$"
    mv "$cache/.new-$$" "$folder"
}

ID=debian VERSION_CODENAME=
# shellcheck disable=SC1091
. /etc/os-release
case $ID in debian | ubuntu) ;; *) die "images are made of Debian's packages, and this is $ID" ;; esac
own=$VERSION_CODENAME
suite=$1
[ "$suite" != host ] || suite=$own
case $suite in '' | *[!a-z]*) die "no such suite: '$suite'" ;; esac
[ "$suite" = "$own" ] || ID=debian
sum=$(cat "${BASH_SOURCE[0]}" "$here/docker_entry.sh" | cksum | cut -d' ' -f1)
folder=$cache/docker-$suite-$(dpkg --print-architecture)-$sum
if [ ! -d "$folder" ]; then
    work=$(mktemp -d /tmp/st-image-XXXXXX)
    root=$work/root
    trap 'rm -rf "$work"' EXIT
    make_images
fi
echo "$folder"
