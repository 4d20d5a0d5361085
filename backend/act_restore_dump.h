/* The head of a dump in PostgreSQL's custom format (pg_dump -Fc): who made it, and its table of
 * contents. Read from a file's first part; nothing of its data is touched. */
#ifndef BACKEND_ACT_RESTORE_DUMP_H
#define BACKEND_ACT_RESTORE_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct dump_names {
    char **items;
    size_t count;
};

/* Strings are owned, in the dump's encoding, NULL absent. */
struct dump {
    unsigned char major, minor; /* of the archive's format */
    char *made;                 /* "2026-01-31 14:22:33", by the clock of the host that made it */
    char *database, *server_version, *tool_version;
    bool
        listed; /* the contents are of a version that is known here; else what is below is absent */
    char *owner;                                          /* of the database */
    char *encoding, *collate, *ctype, *provider, *locale; /* as in its CREATE DATABASE */
    size_t entries, tables, data, blobs; /* blobs: large objects, or groups of them */
    struct dump_names roles;             /* that own something, but for the database itself */
    struct dump_names grantees;          /* roles that grants name */
    struct dump_names extensions;
};

/* Reads from the start of file. False: *error says what the file is if it is no dump of that format,
 * or what is wrong with it and the mend; one line without the file's name (caller frees). */
bool dump_read(FILE *file, struct dump *dump, char **error);

void dump_free(struct dump *dump);

/* The oldest major version of pg_restore that knows its format; 0: none that is known here. */
int dump_oldest_tool(const struct dump *dump);

/* The roles that the statement of an ACL entry names, added to roles. Pure. */
void dump_grantees(const char *sql, struct dump_names *roles);

/* The value of an option of CREATE DATABASE ("ENCODING", "LC_COLLATE"), or NULL. The caller frees it. */
char *dump_option(const char *sql, const char *option);

bool dump_has_name(const struct dump_names *names, const char *name);

#endif
