/* What the parts of the configuration share: the tables of settings, the reader that walks a parsed
 * file by them, and the checks that a table cannot express. Beside config_*.c and setup.c, container_place_login.c uses it. */
#ifndef BACKEND_CONFIG_INTERNAL_H
#define BACKEND_CONFIG_INTERNAL_H

#include "backend/config.h"

#include <libconfig.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- reading ---- */

struct reader {
    const char *path;
    struct config *config;
    struct config_faults *faults;
    bool env_files;          /* look into the env files */
    struct strings reported; /* files whose mode was reported already */
};

/* A fault at a setting; the file is that of the setting (an include's), or the reader's. */
void reader_fault(struct reader *reader, const config_setting_t *setting, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reader_warning(struct reader *reader, const config_setting_t *setting, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *reader_file(const struct reader *reader, const config_setting_t *setting);

/* config_load for text that is in memory already; path is for messages. NULL: it does not parse. */
struct config *config_parse(const char *text, size_t len, const char *path, bool env_files,
                            struct config_faults *faults);

/* ---- tables ---- */

enum setting_type {
    SETTING_NUMBER,      /* double */
    SETTING_INT,         /* int */
    SETTING_BOOL,        /* bool */
    SETTING_TEXT,        /* char *, "" counts */
    SETTING_OPTIONAL,    /* char *, "" becomes NULL */
    SETTING_NAME,        /* char *, never "" */
    SETTING_ENVIRONMENT, /* enum environment */
    SETTING_WORDS,       /* struct strings, all of .words */
    SETTING_KEYS,        /* the free-form group of key bindings */
    SETTING_GROUP,       /* its members by .group, in the struct at .offset */
    SETTING_LIST         /* of groups by .group, each in what .add returns */
};

/* Runs after the setting was read without a fault; object is the struct that it belongs to. */
typedef void setting_check(struct reader *reader, const config_setting_t *setting, void *object);

struct setting_group;

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;        /* of the value in its struct */
    double min, max;      /* numbers: the range */
    const char *example;  /* a value that it takes, for messages */
    const char *required; /* an example of the whole setting, if it may not be missing */
    const char *const *words;
    size_t word_count;
    const struct setting_group *group;
    void *(*add)(void *object);
    setting_check *check;
};

struct setting_group {
    const char *title; /* "backup", "a postgres entry": for messages; NULL for the file itself */
    const struct setting *settings;
    size_t count;
    setting_check *check; /* after all members, over the group */
};

extern const struct setting_group config_settings;

/* ---- checks ---- */

setting_check check_conninfo, check_url, check_postgres_env_file, check_redis_env_file,
    check_databases, check_trash_db, check_levels, check_instance_names;

/* One line without secrets that says why libpq or Redis would not take it, with the mend; NULL when
 * it would. The caller frees it. */
char *conninfo_error(const char *conninfo);
char *redis_url_error(const char *url);

/* What restart.command is when the file does not say. */
extern const char config_default_restart[];

/* ---- names and values ---- */

/* url, or when that is "" $REDIS_URL, or 127.0.0.1:6379. */
const char *redis_effective_url(const char *url);

/* What an instance without a name is called. The caller frees it. */
char *postgres_default_name(const char *conninfo);
char *redis_default_name(const char *url);

/* name, or name#2, name#3, … if an instance has it already. Takes name, returns what the caller
 * frees. */
char *config_free_name(const struct config *config, char *name);

/* New instances of the lists with defaults, and no name, conninfo or url yet. */
struct postgres_config *config_append_postgres(struct config *config);
struct redis_config *config_append_redis(struct config *config);

/* Gives each instance without a name its default one. */
void config_name_instances(struct config *config);

#endif
