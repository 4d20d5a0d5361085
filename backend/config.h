/* The configuration file (libconfig) as a validated struct. Every fault is reported with its file,
 * line and mend; nothing here exits, or prints unasked. */
#ifndef BACKEND_CONFIG_H
#define BACKEND_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What a target is used for. ENV_UNKNOWN is treated as production wherever safety is decided. */
enum environment { ENV_UNKNOWN, ENV_PRODUCTION, ENV_STAGING, ENV_DEV };

enum alert_name {
    ALERT_POSTGRES_DOWN,
    ALERT_POSTGRES_CONNECTIONS_HIGH, /* percent of max_connections */
    ALERT_REDIS_DOWN,
    ALERT_REDIS_MEMORY_HIGH,     /* percent of maxmemory */
    ALERT_REDIS_EVICTING,        /* keys a second */
    ALERT_REDIS_SAVE_FAILING,    /* no threshold */
    ALERT_LONG_QUERY,            /* seconds */
    ALERT_IDLE_IN_TRANSACTION,   /* seconds */
    ALERT_BLOCKED_SESSIONS,      /* sessions */
    ALERT_CONTAINER_DOWN,        /* no threshold */
    ALERT_CONTAINER_RESTARTING,  /* restarts in 10 minutes */
    ALERT_CONTAINER_MEMORY_HIGH, /* percent of its limit */
    ALERT_OOM_KILLED,            /* no threshold */
    ALERT_OOM_SCORE_WRONG,       /* no threshold */
    ALERT_NAMES
};

/* A level of 0 or less is off. runbook may be NULL; it is shown with the alert. */
struct alert_config {
    double warning, critical;
    char *runbook;
};

struct config_pattern {
    char *pattern; /* fnmatch(3) over the database's name */
    enum environment environment;
};

struct strings {
    char **items;
    size_t count;
};

struct postgres_config {
    char *name;
    char *conninfo;     /* anything libpq takes; "" means libpq's defaults and environment */
    char *env_file;     /* file of KEY=value lines that holds the password, or NULL */
    char *password_key; /* its key there; default POSTGRES_PASSWORD */
    char *container;    /* its name or id, or NULL: then conninfo is enough */
    char *network;      /* the container's network that is used; NULL: any */
    char *given; /* container_place.c: conninfo as configured, while that has the place in it */
    char *exec_prefix; /* how a program is run inside the container, or NULL: it is not known */
    struct strings retired; /* texts that were replaced, and that threads may still read */
    char *command_prefix;
    int oom_score_adj;
    bool has_oom_score_adj;
    struct strings allow_production;
    struct config_pattern *environments; /* first match wins */
    size_t environment_count;
};

struct redis_db_config {
    int db;
    enum environment environment;
    char *use; /* "Celery broker", or NULL */
    bool celery;
};

struct redis_config {
    char *name;
    char *url; /* redis://[user:password@]host:port[/db], rediss://…, unix:PATH; never "" after
                * setup_config: that has become $REDIS_URL or 127.0.0.1:6379 */
    char *env_file, *password_key; /* as for PostgreSQL; default key REDIS_PASSWORD */
    char *container, *network, *given, *exec_prefix; /* as for PostgreSQL; given: the url */
    struct strings retired;
    int oom_score_adj;
    bool has_oom_score_adj;
    int trash_db; /* -1: none */
    int undo_seconds;
    struct strings allow_production;
    struct redis_db_config *databases;
    size_t database_count;
};

/* A changed key: name as `sharedtop keys` lists it. Whether the name exists is the caller's check
 * (the backend knows no keys); line is for its message. */
struct key_config {
    char *name, *key;
    int line;
};

/* Seconds between polls. */
#define CONFIG_INTERVAL_MIN 0.2
#define CONFIG_INTERVAL_MAX 60.0

struct config {
    char *path;      /* where it was read, or NULL when there is no file */
    double interval; /* seconds, CONFIG_INTERVAL_MIN to CONFIG_INTERVAL_MAX */
    char *theme;
    int theme_line; /* 0: not in the file */
    bool read_only, ascii, bell, mouse;
    char *audit_file; /* NULL: the default place */
    struct {
        char *directory;
        int keep;
    } backup;
    char *docker_host; /* "unix:///run/docker.sock" or a path; NULL: as the Docker client does */
    bool containers;   /* look at the container engine at all; default true */
    bool discover;     /* setup_config: a kind that nobody has named is looked for in containers */
    struct postgres_config **postgres; /* an entry stays where it is when others are added */
    size_t postgres_count;
    struct redis_config **redis;
    size_t redis_count;
    bool lists_postgres, lists_redis; /* the file has such a list, even an empty one */
    char *restart_command;            /* NULL: none */
    struct alert_config alerts[ALERT_NAMES];
    struct key_config *keys;
    size_t key_count;
};

struct config_fault {
    char *file;
    int line;      /* 0: the whole file */
    bool warning;  /* true: worth saying, not a reason to stop */
    char *message; /* what, and the mend; one line */
};

struct config_faults {
    struct config_fault *items;
    size_t count;
};

/* The defaults, with no instances. Never NULL; free with config_free. */
struct config *config_new(void);

/* Reads path. Returns the config (faulty parts left at their defaults) and appends what is wrong to
 * faults; NULL only when the file cannot be read or parsed at all (a fault says why). */
struct config *config_load(const char *path, struct config_faults *faults);

/* The same for `config check`: looks into the env files too. Those that cannot be read, or lack
 * their key, are warnings. */
struct config *config_check(const char *path, struct config_faults *faults);

/* The first that exists of $XDG_CONFIG_HOME/sharedtop/sharedtop.conf (default ~/.config) and
 * /etc/sharedtop.conf; NULL when neither does. The caller frees it. */
char *config_find(void);

/* Adds one instance with default settings and returns it (valid until the next add). If the list
 * holds the instances of a file, replace them with config_clear_* first. url and conninfo are
 * copied. name NULL: derived from the address ("localhost:6379", a socket's path, a host). */
struct postgres_config *config_add_postgres(struct config *config, const char *name,
                                            const char *conninfo);
struct redis_config *config_add_redis(struct config *config, const char *name, const char *url);
void config_clear_postgres(struct config *config);
void config_clear_redis(struct config *config);

void config_free(struct config *config);

/* Takes a printf text; file may be NULL. */
void config_fault_add(struct config_faults *faults, const char *file, int line, bool warning,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
void config_faults_free(struct config_faults *faults);

/* One line each: "FILE:LINE: what, and the mend", with "warning: " before what for warnings. A fault
 * without a line or a file leaves that part out. */
void config_faults_print(FILE *out, const struct config_faults *faults);

/* True when a fault that is not a warning is among them. */
bool config_faults_fatal(const struct config_faults *faults);

/* The environment of a PostgreSQL database or a Redis database number. */
enum environment postgres_environment(const struct postgres_config *config, const char *database);
const struct redis_db_config *redis_database(const struct redis_config *config, int db);

/* "production", "staging", "dev"; "unknown" for ENV_UNKNOWN. */
const char *environment_name(enum environment environment);
bool environment_parse(const char *text, enum environment *environment);

/* "PostgresDown", … as in the config's alerts group and in the alerts list. */
const char *alert_name_text(enum alert_name name);

#endif
