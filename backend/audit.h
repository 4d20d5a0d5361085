/* The record of acts: JSON Lines, appended and synced, an intent before and an outcome after each
 * act. No secrets are given to it. */
#ifndef BACKEND_AUDIT_H
#define BACKEND_AUDIT_H

#include "backend/config.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* Where it is: the config's audit_file, else $XDG_STATE_HOME/sharedtop/audit.jsonl (default
 * ~/.local/state). The caller frees it; NULL: *error says why there is no such place. */
char *audit_path(const struct config *config, char **error);

/* A line's common fields (user is filled in when it is appended): {"time" (RFC 3339, UTC, ms), "id", "event", "user", "sudo_user",
 * "ssh_client", "host", "pid"}; absent ones are null. event: "intent" or "outcome". */
json_t *audit_line(const char *id, const char *event);

/* Appends line (takes the reference) in the calling thread: one write, then fsync; the file and its
 * folder are made if needed (0600, 0700). NULL: it is on disk; else why not, one line, which the
 * caller frees. For job processes and commands that may wait. */
char *audit_append(const char *path, json_t *line);

/* The same off the loop's thread; done is called on the loop, error as above or NULL (lives until
 * the return). For an order of lines, wait for one before the next. */
void audit_append_later(uv_loop_t *loop, const char *path, json_t *line,
                        void (*done)(void *context, const char *error), void *context);

/* An act as the file has it: intent and outcome joined by id. Strings are owned, NULL absent. */
struct audit_entry {
    char *id, *time, *user, *host, *act, *instance, *target, *environment, *command;
    char *status; /* "done", "failed", …; NULL: no outcome yet (running, or it was cut off) */
    char *outcome;
};

struct audit_entries {
    struct audit_entry *items; /* oldest first */
    size_t count;
    size_t unreadable; /* lines that are no JSON object */
};

/* Pure: the last most acts in text[0..len). */
void audit_parse(const char *text, size_t len, size_t most, struct audit_entries *entries);

/* Reads the last 4 MiB of the file; a file that does not exist has no entries. False: *error. */
bool audit_read(const char *path, size_t most, struct audit_entries *entries, char **error);
void audit_entries_free(struct audit_entries *entries);

#endif
