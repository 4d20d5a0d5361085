#include "backend/act_restore_sql.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdlib.h>
#include <string.h>

char *restore_name(const char *base, const char *suffix)
{
    size_t most = RESTORE_NAME_MOST - strlen(suffix), len = strlen(base);

    if (len > most) {
        len = most;
        while (len && ((unsigned char)base[len] & 0xc0) == 0x80)
            len--;
    }
    return mem_printf("%.*s%s", (int)len, base, suffix);
}

char *restore_kept_name(const char *name, time_t now)
{
    char suffix[32];
    struct tm parts;

    gmtime_r(&now, &parts);
    strftime(suffix, sizeof(suffix), "_old_%Y%m%dT%H%M%SZ", &parts);
    return restore_name(name, suffix);
}

/* In shape, # is a digit. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++, text++) {
        const bool digit = *text >= '0' && *text <= '9';

        if (*shape == '#' ? !digit : *shape != *text)
            return false;
    }
    return !*text;
}

bool restore_is_copy_name(const char *name, const char *base)
{
    static const char restored[] = "_restored";
    const size_t len = strlen(base), word = sizeof(restored) - 1;
    const char *suffix = name + len;

    if (strncmp(name, base, len) != 0)
        return false;
    if (strncmp(suffix, restored, word) != 0)
        return has_shape(suffix, "_old_########T######Z");
    suffix += word;
    return !*suffix ||
           (*suffix == '_' && suffix[1] && !suffix[1 + strspn(suffix + 1, "0123456789")]);
}

const char *restore_name_fault(const char *name)
{
    if (!*name)
        return "a database's name cannot be empty";
    if (strlen(name) > RESTORE_NAME_MOST)
        return "a database's name has at most 63 bytes";
    if (strncmp(name, RESTORE_PREFIX, strlen(RESTORE_PREFIX)) == 0)
        return "names that begin with " RESTORE_PREFIX " are those of restores in progress";
    return NULL;
}

char *restore_array(char *const *items, size_t count)
{
    struct strbuf array = {0};

    strbuf_addc(&array, '{');
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(&array, i ? ",\"" : "\"");
        for (const char *s = items[i]; *s; s++) {
            if (*s == '"' || *s == '\\')
                strbuf_addc(&array, '\\');
            strbuf_addc(&array, *s);
        }
        strbuf_addc(&array, '"');
    }
    strbuf_addc(&array, '}');
    return strbuf_take(&array);
}

/* ---- scripts ----
 * Bodies of DO statements, made by the server's own format(): a per cent sign in them is doubled, and
 * once more where their own format() takes it. The settings whose values are lists are stored the way
 * they are written in SQL (as pg_dump knows too); all others are plain strings. */

/* Statements that make new_name like the database model. */
#define LIKE                                                                                       \
    "FOR step IN"                                                                                  \
    " SELECT format('REVOKE ALL ON DATABASE %%I FROM PUBLIC', new_name)"                           \
    " UNION ALL"                                                                                   \
    " SELECT format('GRANT %%s ON DATABASE %%I TO %%s%%s', a.privilege_type, new_name,"            \
    "  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%%I', pg_get_userbyid(a.grantee)) END,"    \
    "  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"                            \
    " FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a"             \
    " WHERE d.oid = model AND a.grantee <> (SELECT datdba FROM pg_database"                        \
    "  WHERE datname = new_name)"                                                                  \
    " UNION ALL"                                                                                   \
    " SELECT format('ALTER %%s SET %%I TO %%s',"                                                   \
    "  CASE s.setrole WHEN 0 THEN format('DATABASE %%I', new_name)"                                \
    "  ELSE format('ROLE %%I IN DATABASE %%I', pg_get_userbyid(s.setrole), new_name) END,"         \
    "  c.name, CASE WHEN lower(c.name) IN ('search_path', 'temp_tablespaces',"                     \
    "  'local_preload_libraries', 'session_preload_libraries') THEN c.value"                       \
    "  ELSE quote_literal(c.value) END)"                                                           \
    " FROM pg_db_role_setting s, unnest(s.setconfig) u,"                                           \
    " LATERAL (SELECT left(u, strpos(u, '=') - 1), substr(u, strpos(u, '=') + 1)) c(name, value)"  \
    " WHERE s.setdatabase = model"                                                                 \
    " UNION ALL"                                                                                   \
    " SELECT format('ALTER DATABASE %%I WITH CONNECTION LIMIT %%s', new_name, datconnlimit)"       \
    " FROM pg_database WHERE oid = model AND datconnlimit >= 0"                                    \
    " UNION ALL"                                                                                   \
    " SELECT format('COMMENT ON DATABASE %%I IS %%L', new_name, text)"                             \
    " FROM shobj_description(model, 'pg_database') text WHERE text IS NOT NULL"                    \
    " LOOP EXECUTE step; END LOOP; "

#define SCRIPT(body)                                                                               \
    "SELECT pg_catalog.format('DO LANGUAGE plpgsql %L',"                                           \
    " pg_catalog.format($script$ " body " $script$, "

const char restore_like_sql[] = SCRIPT( // clang-format off
    "DECLARE new_name CONSTANT text := %2$L; model CONSTANT oid := %1$L; step text; "
    "BEGIN " LIKE "END") "$1::text, $2::text))"; // clang-format on

const char restore_swap_sql[] = SCRIPT( // clang-format off
    "DECLARE"
    " old_name CONSTANT text := %1$L; kept_name CONSTANT text := %2$L;"
    " new_name CONSTANT text := %3$L;"
    " model CONSTANT oid := %4$L; new_oid CONSTANT oid := %5$L;"
    " old_allowed bool; new_allowed bool; step text; problem text; code text := '55006';"
    " done bool := false; seen int; ended int := 0; quiet int := 0;"
    " until CONSTANT timestamptz := clock_timestamp() + interval '7 s'; "
    "BEGIN "
    "SELECT datallowconn INTO old_allowed FROM pg_database"
    " WHERE oid = model AND datname = old_name; "
    "SELECT datallowconn INTO new_allowed FROM pg_database"
    " WHERE oid = new_oid AND datname = new_name; "
    "IF old_allowed IS NULL OR new_allowed IS NULL THEN"
    " RAISE EXCEPTION '%%', format('database %%I is another one now',"
    "  CASE WHEN old_allowed IS NULL THEN old_name ELSE new_name END)"
    "  USING ERRCODE = 'invalid_catalog_name';"
    " END IF; "
    "EXECUTE format('ALTER DATABASE %%I WITH ALLOW_CONNECTIONS false', old_name); "
    "EXECUTE format('ALTER DATABASE %%I WITH ALLOW_CONNECTIONS false', new_name); "
    "COMMIT; "
    "WHILE NOT done AND clock_timestamp() < until LOOP "
    "BEGIN "
    "PERFORM pg_stat_clear_snapshot(); "
    /* A session shows up a moment after it was let in: the first quiet look proves nothing. */
    "SELECT count(pg_terminate_backend(pid)) INTO seen FROM pg_stat_activity"
    " WHERE datid IN (model, new_oid) AND pid <> pg_backend_pid()"
    " AND backend_type IS DISTINCT FROM 'autovacuum worker'; "
    "quiet := CASE WHEN seen = 0 THEN quiet + 1 ELSE 0 END; "
    "ended := greatest(ended, seen); "
    "IF quiet < 3 THEN PERFORM pg_sleep(0.02); "
    "ELSE " LIKE
    "EXECUTE format('ALTER DATABASE %%I RENAME TO %%I', old_name, kept_name); "
    "EXECUTE format('ALTER DATABASE %%I RENAME TO %%I', new_name, old_name); "
    "EXECUTE format('ALTER DATABASE %%I WITH ALLOW_CONNECTIONS true', kept_name); "
    "EXECUTE format('ALTER DATABASE %%I WITH ALLOW_CONNECTIONS true', old_name); "
    "done := true; "
    "END IF; "
    "EXCEPTION WHEN object_in_use OR lock_not_available THEN"
    " problem := SQLERRM; quiet := 0; "
    "WHEN OTHERS OR query_canceled THEN"
    " problem := SQLERRM; code := SQLSTATE; EXIT; "
    "END; "
    "END LOOP; "
    "PERFORM set_config('" RESTORE_ENDED "', ended::text, false); "
    "IF NOT done THEN "
    "EXECUTE format('ALTER DATABASE %%I WITH ALLOW_CONNECTIONS %%s', old_name, old_allowed::text); "
    "EXECUTE format('ALTER DATABASE %%I WITH ALLOW_CONNECTIONS %%s', new_name, new_allowed::text); "
    "COMMIT; "
    "RAISE EXCEPTION '%%', coalesce(problem, 'its sessions did not end in time')"
    " USING ERRCODE = code;"
    " END IF; "
    "END") "$1::text, $2::text, $3::text, $4::text, $5::text))"; // clang-format on

const char restore_settle_sql[] =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_database"
    "  WHERE datname = $1 AND oid = $2::text::oid),"
    " CASE WHEN datallowconn THEN '' ELSE"
    "  pg_catalog.format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS true', datname) END"
    " FROM pg_catalog.pg_database WHERE oid IN ($2::text::oid, $3::text::oid)";
