/* The command line as a struct. Pure: reads argv, prints nothing, exits never. Global options come
 * before or after the sub-command, as --option=VALUE or --option VALUE; `--` ends them. */
#ifndef BACKEND_OPTIONS_H
#define BACKEND_OPTIONS_H

#include "backend/config.h"
#include "backend/policy.h"

#include <stdbool.h>
#include <stdio.h>

enum command {
    COMMAND_DASHBOARD,
    COMMAND_SNAPSHOT,
    COMMAND_CONFIG_CHECK,
    COMMAND_CONFIG_INIT,
    COMMAND_KEYS,
    COMMAND_THEMES,
    COMMAND_ACT, /* options.act, with its operands */
    COMMAND_JOBS,
    COMMAND_MONITOR,
    COMMAND_EXEC, /* main takes it by its first word, before any option is read: never of a result */
    COMMAND_AUDIT,
    COMMAND_HELP,   /* --help: nothing else counts */
    COMMAND_VERSION /* --version: nothing else counts */
};

struct options {
    enum command command;
    char *config;                   /* --config, or NULL */
    char *file;                     /* of `config check FILE`, `config init FILE`, or NULL */
    struct strings postgres, redis; /* --postgres, --redis: may hold secrets */
    double interval;                /* seconds; 0: not given */
    char *theme;                    /* or NULL */
    bool read_only, ascii, json;
    enum act act;            /* of COMMAND_ACT */
    struct strings operands; /* of an act: as many as it takes */
    char *instance, *confirm, *to, *as, *with, *owner, *env_file, *env_key; /* or NULL */
    char *filter;   /* of monitor, or NULL */
    double seconds; /* of monitor --for; 0: not given */
    bool dry_run, yes, now, all, replace, count_rows, detach, top;
};

/* False: *error is one line without secrets that says what is wrong and the mend (the caller frees
 * it; the exit status is 2). Free the options in both cases. Everything is copied. */
bool options_parse(int argc, char *const *argv, struct options *options, char **error);
void options_free(struct options *options);

/* Overwrites the passwords in argv, so that ps(1) and /proc show "*" in their place. Call it after
 * options_parse, whatever that returned; it finds them in misspelt options too. */
void options_hide_secrets(int argc, char **argv);

/* The text of --help. */
void options_help(FILE *out);

#endif
