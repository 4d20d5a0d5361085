/* What is known of containers: facts as the engine tells them (container_parse.c), use as the host's
 * kernel tells it (container_usage.c), and the sample that the panels see (container_watch.c). */
#ifndef BACKEND_CONTAINER_DATA_H
#define BACKEND_CONTAINER_DATA_H

#include "backend/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What runs in it, by image and command. */
enum container_service { SERVICE_OTHER, SERVICE_POSTGRES, SERVICE_REDIS };

enum container_state {
    CONTAINER_UNKNOWN,
    CONTAINER_CREATED,
    CONTAINER_RUNNING,
    CONTAINER_PAUSED,
    CONTAINER_RESTARTING,
    CONTAINER_REMOVING,
    CONTAINER_EXITED,
    CONTAINER_DEAD
};

enum container_health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

/* A port of the container. published 0: only reachable on its networks. */
struct container_port {
    int port, published;
    bool udp;
    char *
        address; /* what the published port is bound to: "127.0.0.1", "0.0.0.0", "::"; NULL: none */
};

struct container_network {
    char *name, *address, *address6; /* addresses NULL while it is not running */
};

struct container_mount {
    char *type;        /* "volume", "bind", "tmpfs" */
    char *source;      /* the volume's name, or the host's path; or NULL */
    char *destination; /* where it is inside */
};

/* One container as `inspect` tells it: constant once published, reference counted. Texts are raw and
 * NULL when absent; no secret is among them. */
struct container {
    unsigned refs;
    char *id, *name; /* 64 hex digits; the name without its slash */
    char *image;     /* as it was asked for: "postgres:18-alpine" */
    char *image_id;  /* "sha256:…" that it runs */
    char *tag_id;    /* what the image's name stands for now, or NULL: unknown */
    enum container_service service;
    enum container_state state;
    enum container_health health;
    char *error; /* why the engine could not start it */
    int exit_code;
    bool oom_killed;                /* the engine's word for its last end */
    double created, started, ended; /* seconds since 1970; NAN: never */
    int restarts;                   /* by its restart policy, since it was created */
    char *restart_policy;           /* "unless-stopped", "no", … */
    pid_t pid;                      /* of its first process, on the engine's host; 0: none */
    int64_t memory_limit;           /* bytes; 0: none */
    int oom_score_adj;              /* what the engine was asked for */
    char **command; /* entry point and arguments, secrets blanked, NULL at the end */
    char *pgdata;   /* PGDATA of its environment */
    char *database; /* POSTGRES_DB */
    bool terminal;  /* has a terminal: its log is one stream */
    char *project, *compose_service; /* labels of compose, or NULL */
    struct container_port *ports;
    size_t port_count;
    struct container_network *networks;
    size_t network_count;
    struct container_mount *mounts;
    size_t mount_count;
};

/* How one logs in to what runs there, from its environment and arguments. Secrets: they stay in
 * container_watch.c and in the configuration. Any may be NULL. */
struct container_login {
    char *user;
    char *password;
    char *user_file, *password_file; /* paths inside the container (POSTGRES_PASSWORD_FILE) */
    bool trust;                      /* no password is needed (POSTGRES_HOST_AUTH_METHOD=trust) */
};

/* Its use at one moment, as the kernel of the engine's host tells it. NAN, -1, INT_MIN as said:
 * unknown (another host, no rights). */
struct container_usage {
    double cpu;                /* processors: 1.0 is one of them all the time; NAN */
    double cpu_seconds;        /* used since its start; NAN */
    int64_t memory;            /* bytes without the reclaimable file cache (as docker stats); -1 */
    int64_t memory_cache;      /* inactive file cache on top; -1 */
    int64_t memory_limit;      /* the cgroup's; 0: none; -1 */
    int64_t oom_kills;         /* of its cgroup, ever; -1 */
    double psi_some, psi_full; /* memory pressure, % of the last 10 s; NAN: no PSI */
    double psi_cpu, psi_io;    /* "some" of the processor and of the disks; NAN */
    pid_t pid; /* of the main process: the server itself below an init or shell; 0 */
    int oom_score_adj, oom_score; /* of that process; INT_MIN, -1 */
};

/* Nothing of it is known. */
extern const struct container_usage container_usage_unknown;

enum container_flaw {
    FLAW_PUBLISHED, /* a port of a service on all addresses */
    FLAW_NO_LIMIT,  /* Redis without a memory limit */
    FLAW_MAXMEMORY, /* maxmemory over 75 % of the limit */
    FLAW_OOM_SCORE, /* not what is expected */
    FLAW_RESTART_LOOP,
    FLAW_DATA_VERSION, /* the data directory has no major version in its path */
    FLAW_DATA_VOLUME,  /* the data is not on a volume */
    FLAW_IMAGE,        /* the tag stands for another image than the one that runs */
    FLAW_UNHEALTHY,
    CONTAINER_FLAWS
};

/* What a row of the panel is made of. */
struct container_row {
    const struct container *facts;
    struct container_usage usage;
    bool watched;        /* an instance of ours is this container */
    int recent_restarts; /* starts after an end that were seen in the last 10 minutes */
    double oom_at;       /* seconds since 1970 of its last OOM kill that is known; NAN */
    int oom_expected;    /* the configured oom_score_adj, INT_MIN: none is */
    unsigned flaws;      /* bits of 1U << enum container_flaw */
};

/* CONTAINERS_SEARCHING until it is known whether there is an engine. */
enum containers_state {
    CONTAINERS_SEARCHING,
    CONTAINERS_UP,
    CONTAINERS_STALE, /* it has not answered for long; what is shown is old */
    CONTAINERS_NONE   /* no socket, no right to use it, or switched off: error says which */
};

struct engine_info {
    char name[16];    /* "Docker", "Podman" */
    char version[32]; /* "20.10.24" */
    char api[16];     /* the version that is spoken: "1.41" */
    bool rootless;    /* its bridges cannot be reached from the host */
    bool elsewhere; /* in a virtual machine (Docker Desktop): neither its bridges nor its processes
                          are the host's */
};

struct containers {
    struct sample sample;
    enum containers_state state;
    struct engine_info engine;
    const char *socket;         /* its path, or NULL */
    const char *error;          /* one line, or NULL */
    const char *hint;           /* the mend, or NULL */
    struct container_row *rows; /* services first, then by name */
    size_t count;
};

/* Both take NULL. container_ref returns its argument. */
const struct container *container_ref(const struct container *container);
void container_unref(const struct container *container);

void container_login_free(struct container_login *login);

/* "running", "restarting", …; "healthy", "" for none; "PostgreSQL". */
const char *container_state_text(enum container_state state);
const char *container_health_text(enum container_health health);

#endif
