#include "backend/act_restore.h"

#include "backend/act_restore_sql.h"
#include "backend/backup_words.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/pg_instance.h"
#include "backend/textfile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct restore *of(const struct action *action)
{
    return action->state;
}

/* ---- names ---- */

/* DATABASE_restored, or the first of DATABASE_restored_2 … that is free. */
static char *free_name(const struct restore *restore, const char *base)
{
    char *name = restore_name(base, "_restored"), suffix[32];

    for (unsigned i = 2; restore_find(restore->databases, name) >= 0; i++) {
        free(name);
        snprintf(suffix, sizeof(suffix), "_restored_%u", i);
        name = restore_name(base, suffix);
    }
    return name;
}

static bool has_flag(const struct restore *restore, int row, int column)
{
    return *PQgetvalue(restore->databases, row, column) == 't';
}

static bool check_replaced(struct action *action)
{
    const struct restore *restore = of(action);
    const char *prepared = PQgetvalue(restore->databases, restore->existing, BASE_PREPARED);

    if (has_flag(restore, restore->existing, BASE_TEMPLATE))
        action_refuse(action, "'%s' is a template of databases: it cannot be replaced",
                      restore->target);
    else if (strcmp(prepared, "0") != 0)
        action_refuse(action,
                      "'%s' has %s prepared transactions, which keep it from being renamed; commit "
                      "or roll them back first (pg_prepared_xacts)",
                      restore->target, prepared);
    else
        return true;
    return false;
}

/* The name may be taken only if that is wanted. */
static bool check_target(struct action *action)
{
    const struct restore *restore = of(action);
    const char *fault = restore_name_fault(restore->target);

    if (fault)
        action_refuse(action, "'%s': %s", restore->target, fault);
    else if (restore->existing < 0)
        return true;
    else if (!action->request.replace)
        action_refuse(action,
                      "there is a database '%s' already; give another name (--as), or replace it "
                      "(--replace), which keeps what is there under another name",
                      restore->target);
    else
        return check_replaced(action);
    return false;
}

static void name_plan(struct action *action)
{
    const struct restore *restore = of(action);
    struct plan *plan = &action->plan;
    const char *slash = strrchr(restore->file.path, '/');
    const char *file = slash ? slash + 1 : restore->file.path;

    plan->target = mem_strdup(restore->target);
    plan->confirm = mem_strdup(restore->target);
    plan->environment = postgres_environment(action->impl->pub.postgres_config, restore->target);
    plan->over_existing = restore->existing >= 0;
    plan->title =
        mem_printf(plan->over_existing ? "Restore %s in the place of %s" : "Restore %s as %s", file,
                   restore->target);
}

bool restore_choose(struct action *action)
{
    struct restore *restore = of(action);
    const char *source = restore_file_database(&restore->file);

    if (action->request.as)
        restore->target = mem_strdup(action->request.as);
    else if (source && *source)
        restore->target = action->request.replace ? mem_strdup(source) : free_name(restore, source);
    else
        restore->target = mem_strdup("");
    restore->existing = restore_find(restore->databases, restore->target);
    restore->source = restore_find(restore->databases, source);
    name_plan(action);
    if (!action->request.as && !*restore->target) {
        action_refuse(action, "the dump does not say which database it holds: name one (--as)");
        return false;
    }
    return check_target(action);
}

/* ---- statements ---- */

static const struct pg_conn *conn_of(const struct action *action)
{
    return pg_instance_control(action->impl);
}

/* A quoted name; libpq refuses only bytes that are no text in the connection's encoding. */
static char *quoted(const struct action *action, const char *name)
{
    char *text = pg_conn_identifier(conn_of(action), name);

    return text ? text : mem_strdup("\"\"");
}

static void add_option(const struct action *action, struct strbuf *sql, const char *option,
                       const char *value)
{
    char *literal = value && *value ? pg_conn_literal(conn_of(action), value) : NULL;

    if (literal)
        strbuf_addf(sql, " %s %s", option, literal);
    free(literal);
}

/* How text is to be stored and compared: of one origin, not mixed. */
struct locale {
    const char *encoding, *collate, *ctype, *provider, *locale;
};

static struct locale locale_of(const struct restore *restore)
{
    const struct manifest *manifest = &restore->file.manifest;
    const struct dump *dump = &restore->file.dump;
    const PGresult *facts = restore->facts;

    if (manifest->encoding)
        return (struct locale){manifest->encoding, manifest->collate, manifest->ctype,
                               manifest->locale_provider, manifest->locale};
    if (restore->existing >= 0)
        return (struct locale){
            restore_value(facts, 0, FACT_ENCODING), restore_value(facts, 0, FACT_COLLATE),
            restore_value(facts, 0, FACT_CTYPE), restore_value(facts, 0, FACT_PROVIDER),
            restore_value(facts, 0, FACT_LOCALE)};
    return (struct locale){dump->encoding, dump->collate, dump->ctype, dump->provider,
                           dump->locale};
}

/* Servers before 15 have one provider and no word for it. */
static void add_provider(const struct action *action, struct strbuf *sql,
                         const struct locale *locale)
{
    const char *provider = locale->provider;

    if (!provider ||
        (strcmp(provider, "libc") == 0 && pg_conn_server_version(conn_of(action)) < 150000))
        return;
    strbuf_addf(sql, " LOCALE_PROVIDER %s", provider);
    if (strcmp(provider, "icu") == 0)
        add_option(action, sql, "ICU_LOCALE", locale->locale);
    else if (strcmp(provider, "builtin") == 0)
        add_option(action, sql, "BUILTIN_LOCALE", locale->locale);
}

/* What stands in the dump or its manifest goes into the statement unquoted only if it is known. */
static bool known_provider(const char *provider)
{
    static const char *const known[] = {"libc", "icu", "builtin"};

    for (size_t i = 0; provider && i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(provider, known[i]) == 0)
            return true;
    }
    return false;
}

static char *create_statement(const struct action *action)
{
    const struct restore *restore = of(action);
    struct locale locale = locale_of(restore);
    struct strbuf sql = {0};
    char *name = quoted(action, restore->temporary);
    char *owner = quoted(action, PQgetvalue(restore->facts, 0, FACT_OWNER));

    if (!known_provider(locale.provider))
        locale.provider = NULL;
    strbuf_addf(&sql, "CREATE DATABASE %s TEMPLATE template0 OWNER %s", name, owner);
    add_option(action, &sql, "ENCODING", locale.encoding);
    add_option(action, &sql, "LC_COLLATE", locale.collate);
    add_option(action, &sql, "LC_CTYPE", locale.ctype);
    add_provider(action, &sql, &locale);
    free(name);
    free(owner);
    return strbuf_take(&sql);
}

static void add_tool(struct action *action)
{
    const struct restore *restore = of(action);
    const char *prefix = action->impl->pub.postgres_config->command_prefix;
    const char *owner = PQgetvalue(restore->facts, 0, FACT_OWNER);
    char *file = textfile_shell_quoted(restore->file.path);
    char *role = textfile_shell_quoted(owner);

    plan_add(&action->plan, PLAN_COMMAND, "",
             "%s%spg_restore --exit-on-error --verbose%s%s%s -d %s < %s",
             prefix && *prefix ? prefix : "", prefix && *prefix ? " " : "",
             restore->no_owner ? " --no-owner --role=" : "", restore->no_owner ? role : "",
             restore->no_acl ? " --no-acl" : "", restore->temporary, file);
    free(file);
    free(role);
}

/* Which one it is, the job finds out: before it creates anything. */
static void add_choice(struct action *action)
{
    const struct postgres_config *config = action->impl->pub.postgres_config;
    const int major = pg_conn_server_version(conn_of(action)) / 10000;

    if (config->exec_prefix && !(config->command_prefix && *config->command_prefix))
        plan_add(&action->plan, PLAN_EVIDENCE, "tool",
                 "the host's pg_restore if its version is at least %d, else that of the container "
                 "%s (%s pg_restore)",
                 major, config->container, config->exec_prefix);
}

static void add_last(struct action *action)
{
    const struct restore *restore = of(action);
    char *temporary = quoted(action, restore->temporary);
    char *target = quoted(action, restore->target);
    char *kept = restore->kept ? quoted(action, restore->kept) : NULL;

    if (kept)
        plan_add(&action->plan, PLAN_COMMAND, "",
                 "ALTER DATABASE … ALLOW_CONNECTIONS false (both), pg_terminate_backend (sessions "
                 "on both), and in one transaction: ALTER DATABASE %s RENAME TO %s; ALTER DATABASE "
                 "%s RENAME TO %s",
                 target, kept, temporary, target);
    else
        plan_add(&action->plan, PLAN_COMMAND, "", "ALTER DATABASE %s RENAME TO %s", temporary,
                 target);
    free(temporary);
    free(target);
    free(kept);
}

static void add_commands(struct action *action)
{
    const struct restore *restore = of(action);
    char *temporary = quoted(action, restore->temporary);

    plan_add(&action->plan, PLAN_COMMAND, "", "pg_restore -f /dev/null (reads the whole file%s)",
             restore->file.manifest.sha256 ? ", after its SHA-256 was compared" : "");
    plan_add(&action->plan, PLAN_COMMAND, "", "%s", restore->create);
    plan_add(&action->plan, PLAN_COMMAND, "", "REVOKE CONNECT ON DATABASE %s FROM PUBLIC",
             temporary);
    add_tool(action);
    plan_add(&action->plan, PLAN_COMMAND, "", "tables%s are counted and compared; ANALYZE",
             restore->file.manifest.counted ? ", their rows and large objects" : "");
    add_last(action);
    free(temporary);
}

/* ---- evidence ---- */

/* Which pg_restore it will be, only the job finds out: before it creates anything. */
static void add_format(struct action *action)
{
    const struct dump *dump = &of(action)->file.dump;
    const int oldest = dump_oldest_tool(dump), server = pg_conn_server_version(conn_of(action));

    plan_add(&action->plan, PLAN_EVIDENCE, "format", "%d.%d, by pg_dump %s", dump->major,
             dump->minor, dump->tool_version ? dump->tool_version : "–");
    add_choice(action);
    if (!oldest)
        plan_add(&action->plan, PLAN_WARNING, "",
                 "its format is newer than any known here: it needs a pg_restore as new as the "
                 "pg_dump that made it");
    else if (oldest > server / 10000)
        plan_add(&action->plan, PLAN_WARNING, "",
                 "it was made by a newer PostgreSQL: it needs pg_restore %d or newer, and this "
                 "server may not know all of its statements",
                 oldest);
}

static void add_file(struct action *action)
{
    const struct restore_file *file = &of(action)->file;
    char bytes[BACKUP_WORD];
    struct plan *plan = &action->plan;

    plan_add(plan, PLAN_EVIDENCE, "file", "%s (%s)", file->path,
             backup_bytes(bytes, (double)file->bytes));
    if (file->manifest.started)
        plan_add(plan, PLAN_EVIDENCE, "made", "%s", file->manifest.started);
    else if (file->dump.made)
        plan_add(plan, PLAN_EVIDENCE, "made", "%s, by the clock of where it was made",
                 file->dump.made);
    if (file->dump.database)
        plan_add(plan, PLAN_EVIDENCE, "of database", "%s%s%s, PostgreSQL %s", file->dump.database,
                 file->manifest.server ? " of " : "",
                 file->manifest.server ? file->manifest.server : "",
                 file->dump.server_version ? file->dump.server_version : "–");
    add_format(action);
}

static void add_contents(struct action *action)
{
    const struct restore_file *file = &of(action)->file;
    const struct manifest *manifest = &file->manifest;
    char bytes[BACKUP_WORD];
    int64_t rows = 0;

    for (size_t i = 0; manifest->counted && i < manifest->count; i++)
        rows += manifest->tables[i].rows > 0 ? manifest->tables[i].rows : 0;
    if (file->dump.listed)
        plan_add(&action->plan, PLAN_EVIDENCE, "holds", "%zu objects, %zu tables",
                 file->dump.entries, file->dump.tables);
    if (manifest->counted)
        plan_add(&action->plan, PLAN_EVIDENCE, "rows", "%" PRId64, rows);
    if (manifest->large_objects > 0)
        plan_add(&action->plan, PLAN_EVIDENCE, "large objects", "%" PRId64,
                 manifest->large_objects);
    if (manifest->database_size >= 0)
        plan_add(&action->plan, PLAN_EVIDENCE, "size then", "%s",
                 backup_bytes(bytes, (double)manifest->database_size));
    if (!file->has_manifest && !file->warning)
        plan_add(&action->plan, PLAN_EVIDENCE, "manifest",
                 "none beside it: its SHA-256 and rows are not compared");
    if (file->warning)
        plan_add(&action->plan, PLAN_WARNING, "", "%s", file->warning);
}

static void add_existing(struct action *action)
{
    const struct restore *restore = of(action);
    const char *sessions = PQgetvalue(restore->databases, restore->existing, BASE_SESSIONS);
    char bytes[BACKUP_WORD];

    plan_add(&action->plan, PLAN_LOSS, "",
             "what is in %s now is no longer used: it is kept as %s until it is dropped by hand",
             restore->target, restore->kept);
    if (strcmp(sessions, "0") != 0)
        plan_add(&action->plan, PLAN_LOSS, "", "the %s sessions on it are ended", sessions);
    plan_add(&action->plan, PLAN_EVIDENCE, "size now", "%s",
             backup_bytes(bytes, restore->size ? strtod(restore->size, NULL) : -1.0));
    plan_add(&action->plan, PLAN_EVIDENCE, "sessions", "%s", sessions);
}

static void add_source(struct action *action)
{
    const struct restore *restore = of(action);

    if (restore->source < 0 || restore->existing >= 0)
        return;
    plan_add(&action->plan, PLAN_EVIDENCE, "then",
             "rights, settings and comment become those of %s, whose place it may take afterwards",
             PQgetvalue(restore->databases, restore->source, BASE_NAME));
}

static void add_roles(struct action *action)
{
    const struct restore *restore = of(action);
    const char *owners = restore_value(restore->facts, 0, FACT_OWNERS);
    const char *grantees = restore_value(restore->facts, 0, FACT_GRANTEES);
    struct plan *plan = &action->plan;

    if (owners)
        plan_add(plan, PLAN_WARNING, "",
                 "there is no role %s here, which owns objects of the dump: everything will belong "
                 "to %s; create it first to keep the owners",
                 owners, PQgetvalue(restore->facts, 0, FACT_OWNER));
    if (grantees)
        plan_add(plan, PLAN_WARNING, "",
                 "there is no role %s here, to whom the dump grants rights: no grants will be "
                 "restored; create it first to keep them",
                 grantees);
}

/* ---- what forbids it ---- */

static bool check_facts(struct action *action)
{
    const struct restore *restore = of(action);
    const PGresult *facts = restore->facts;
    const char *extensions = restore_value(facts, 0, FACT_EXTENSIONS);
    const char *untrusted = restore_value(facts, 0, FACT_UNTRUSTED);
    const char *owner = PQgetvalue(facts, 0, FACT_OWNER);

    if (*PQgetvalue(facts, 0, FACT_STANDBY) == 't')
        action_refuse(action, "%s is a standby: nothing can be restored there",
                      action->plan.instance);
    else if (*PQgetvalue(facts, 0, FACT_CREATEDB) != 't')
        action_refuse(action,
                      "the role that this program uses may not create databases: ALTER ROLE "
                      "… CREATEDB");
    else if (extensions)
        action_refuse(action,
                      "the dump needs extension %s, which %s does not have: install its package",
                      extensions, action->plan.instance);
    else if (restore->no_owner && untrusted && *PQgetvalue(facts, 0, FACT_OWNER_SUPER) != 't')
        action_refuse(action,
                      "the dump's owner %s is no role here, and %s, to whom all would belong, may "
                      "not install extension %s: create the missing role first",
                      restore_value(facts, 0, FACT_OWNERS), owner, untrusted);
    else
        return true;
    return false;
}

/* Text goes to the job as JSON. */
static bool is_text(const char *text)
{
    json_t *string = json_string(text);

    json_decref(string);
    return string != NULL;
}

static bool check_text(struct action *action)
{
    const struct restore *restore = of(action);

    if (!is_text(restore->file.path))
        action_refuse(action, "the path of the dump is no UTF-8: give it another name");
    else if (!is_text(restore->create) || !is_text(restore->target))
        action_refuse(action, "the name of the database or of its owner is no UTF-8");
    else
        return true;
    return false;
}

bool restore_plan(struct action *action)
{
    struct restore *restore = of(action);

    restore->no_owner = restore_value(restore->facts, 0, FACT_OWNERS) != NULL;
    restore->no_acl = restore_value(restore->facts, 0, FACT_GRANTEES) != NULL;
    restore->temporary = mem_printf(RESTORE_PREFIX "%s", action->id);
    if (restore->existing >= 0)
        restore->kept = restore_kept_name(restore->target, time(NULL));
    if (!conn_of(action)) {
        action_end(action, OUTCOME_FAILED, "%s cannot be asked any more: its connection has gone",
                   action->plan.instance);
        return false;
    }
    restore->create = create_statement(action);
    add_commands(action);
    if (restore->existing >= 0)
        add_existing(action);
    add_file(action);
    add_contents(action);
    add_source(action);
    add_roles(action);
    return check_facts(action) && check_text(action);
}

/* ---- for the job ---- */

/* The first database that may be connected to while the target is renamed. */
static const char *maintenance(const struct restore *restore)
{
    for (int row = 0; row < PQntuples(restore->databases); row++) {
        if (row != restore->existing && has_flag(restore, row, BASE_OPEN))
            return PQgetvalue(restore->databases, row, BASE_NAME);
    }
    return NULL;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text)
        json_object_set_new(object, name, json_string(text));
}

json_t *restore_parameters(const struct action *action)
{
    const struct restore *restore = of(action);
    const int like = restore->existing >= 0 ? restore->existing : restore->source;
    json_t *parameters = json_object();

    set_text(parameters, "file", restore->file.path);
    set_text(parameters, "identity", restore->file.identity);
    set_text(parameters, "target", restore->target);
    set_text(parameters, "create", restore->create);
    set_text(parameters, "maintenance", maintenance(restore));
    set_text(parameters, "kept", restore->kept);
    if (restore->no_owner)
        set_text(parameters, "role", PQgetvalue(restore->facts, 0, FACT_OWNER));
    if (like >= 0)
        set_text(parameters, "like", PQgetvalue(restore->databases, like, BASE_OID));
    if (restore->existing < 0 && restore->source >= 0)
        set_text(parameters, "offer", PQgetvalue(restore->databases, restore->source, BASE_NAME));
    json_object_set_new(parameters, "no_acl", json_boolean(restore->no_acl));
    return parameters;
}
