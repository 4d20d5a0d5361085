/* What a restore and a replacement share: names, and the scripts that the server runs. */
#ifndef BACKEND_ACT_RESTORE_SQL_H
#define BACKEND_ACT_RESTORE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Databases that are being restored have this and the job's id for a name. */
#define RESTORE_PREFIX    "sharedtop_restore_"
#define RESTORE_NAME_MOST 63 /* bytes of a database's name */

/* base and suffix, base cut to what a name may have (at a character's edge). The caller frees it. */
char *restore_name(const char *base, const char *suffix);

/* "NAME_old_20260131T142233Z": where a replaced database goes. The caller frees it. */
char *restore_kept_name(const char *name, time_t now);

/* Whether name is one that this program gives to a copy of base, not cut: "BASE_restored",
 * "BASE_restored_2" or that of restore_kept_name. Pure. */
bool restore_is_copy_name(const char *name, const char *base);

/* Why a new database cannot have this name (one line, static), or NULL. */
const char *restore_name_fault(const char *name);

/* An array literal of PostgreSQL. The caller frees it. */
char *restore_array(char *const *items, size_t count);

/* A query that answers with the script (a DO statement) to run next, which puts one database in the
 * place of another and keeps that: no connection to either is let in meanwhile, their sessions are
 * ended, the new one gets the rights, settings, connection limit and comment of the old one, and
 * both are renamed in one transaction. If that fails both are as before, and the script says why.
 * Parameters: the old one's name, the name it gets, the new one's name, the oids of both. To be run
 * on a connection to neither. Afterwards the session's setting RESTORE_ENDED is how many sessions
 * were ended. */
extern const char restore_swap_sql[];
#define RESTORE_ENDED "sharedtop.ended"

/* For who does not know what became of the script above: a row for each of the two databases, whether
 * the new one (its oid) has the old one's name, and a statement to run if its connections are still
 * forbidden, else "". Parameters: the old one's name, the oids of the new one and of the old one. */
extern const char restore_settle_sql[];

/* What the first does with rights, settings and so on, alone. Parameters: the oid of the model, the name of the
 * database that becomes like it. */
extern const char restore_like_sql[];

#endif
