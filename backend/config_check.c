#include "backend/config_internal.h"

#include "backend/base/mem.h"
#include "backend/base/nearest.h"
#include "backend/conninfo.h"
#include "backend/envfile.h"
#include "backend/redis_url.h"
#include "backend/textfile.h"

#include <stdlib.h>
#include <string.h>

/* ---- addresses ---- */

/* True when libpq's message, which quotes what it does not understand, could quote a secret. */
static bool may_hold_secret(const char *conninfo)
{
    return strcasestr(conninfo, "pass") || strstr(conninfo, "://");
}

/* ": did you mean X?" for the word in quotes of libpq's message, or how to write it all. */
static char *conninfo_mend(const char *message)
{
    static const char usual[] = "write \"host=… port=… user=… dbname=…\", or postgresql://…";
    PQconninfoOption *options = PQconninfoParse("", NULL), *option;
    const char *open = strchr(message, '"');
    const char *names[128], *near = NULL;
    size_t count = 0;
    char *word, *mend;

    for (option = options; option && option->keyword && count < 128; option++)
        names[count++] = option->keyword;
    if (open) {
        word = mem_strndup(open + 1, strcspn(open + 1, "\""));
        near = nearest_name(word, names, count);
        free(word);
    }
    mend = near ? mem_printf("did you mean \"%s\"?", near) : mem_strdup(usual);
    PQconninfoFree(options);
    return mend;
}

char *conninfo_error(const char *conninfo)
{
    char *message = NULL, *mend, *error;
    PQconninfoOption *options = PQconninfoParse(conninfo, &message);

    if (options) {
        PQconninfoFree(options);
        return NULL;
    }
    if (may_hold_secret(conninfo) || !message) {
        error = mem_strdup("libpq cannot read it (not shown, it may hold a password): quote values "
                           "with spaces as 'a b'; in a URI write special characters as %XX");
    } else {
        message[strcspn(message, "\n")] = '\0';
        mend = conninfo_mend(message);
        error = mem_printf("%s: %s", message, mend);
        free(mend);
    }
    PQfreemem(message);
    return error;
}

char *redis_url_error(const char *url)
{
    struct redis_address address;
    char *error = NULL;

    if (!*url)
        return NULL;
    if (!redis_url_parse(url, &address, &error))
        return error;
    redis_address_free(&address);
    return NULL;
}

static bool conninfo_has_password(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    bool found = conninfo_value(options, "password") || conninfo_value(options, "sslpassword");

    PQconninfoFree(options);
    return found;
}

static bool url_has_password(const char *url)
{
    struct redis_address address;
    char *error = NULL;
    bool found;

    if (!redis_url_parse(url, &address, &error)) {
        free(error);
        return false;
    }
    found = address.password && *address.password;
    redis_address_free(&address);
    return found;
}

/* ---- who may read secrets ---- */

static bool reported(struct reader *reader, const char *file)
{
    struct strings *files = &reader->reported;
    size_t i;

    for (i = 0; i < files->count; i++) {
        if (!strcmp(files->items[i], file))
            return true;
    }
    files->items = mem_array(files->items, files->count + 1, sizeof(*files->items));
    files->items[files->count++] = mem_strdup(file);
    return false;
}

/* Once for each file. */
static void check_mode(struct reader *reader, const config_setting_t *setting, const char *file,
                       const char *what)
{
    char *quoted;

    if (!textfile_readable_by_others(file) || reported(reader, file))
        return;
    quoted = textfile_shell_quoted(file);
    reader_warning(reader, setting, "%s can be read by other users: run chmod 600 %s", what,
                   quoted);
    free(quoted);
}

void check_conninfo(struct reader *reader, const config_setting_t *setting, void *object)
{
    const struct postgres_config *postgres = object;
    char *error = conninfo_error(postgres->conninfo);

    if (error)
        reader_fault(reader, setting, "conninfo: %s", error);
    else if (conninfo_has_password(postgres->conninfo))
        check_mode(reader, setting, reader_file(reader, setting),
                   "conninfo holds a password and this file");
    free(error);
}

void check_url(struct reader *reader, const config_setting_t *setting, void *object)
{
    const struct redis_config *redis = object;
    char *error = redis_url_error(redis->url);

    if (error)
        reader_fault(reader, setting, "url: %s", error);
    else if (*redis->url && url_has_password(redis->url))
        check_mode(reader, setting, reader_file(reader, setting),
                   "url holds a password and this file");
    free(error);
}

static void check_env_file(struct reader *reader, const config_setting_t *entry, const char *path,
                           const char *key)
{
    const config_setting_t *setting = config_setting_get_member(entry, "env_file");
    char *error = NULL, *what, *secret;

    if (!setting || !path)
        return;
    what = mem_printf("env_file %s", path);
    check_mode(reader, setting, path, what);
    free(what);
    if (!reader->env_files)
        return;
    secret = envfile_read(path, key, &error);
    if (!secret)
        reader_warning(reader, setting, "%s", error);
    mem_free_secret(secret, secret ? strlen(secret) : 0);
    free(error);
}

void check_postgres_env_file(struct reader *reader, const config_setting_t *setting, void *object)
{
    const struct postgres_config *postgres = object;

    check_env_file(reader, setting, postgres->env_file, postgres->password_key);
}

void check_redis_env_file(struct reader *reader, const config_setting_t *setting, void *object)
{
    const struct redis_config *redis = object;

    check_env_file(reader, setting, redis->env_file, redis->password_key);
}

/* ---- settings that must agree ---- */

/* The whole number at name in a group, or -1. */
static int number_in(const config_setting_t *group, const char *name)
{
    int value;

    return config_setting_is_group(group) && config_setting_lookup_int(group, name, &value) ? value
                                                                                            : -1;
}

static const config_setting_t *entry_with_db(const config_setting_t *databases, int before, int db)
{
    int i;

    for (i = 0; i < before; i++) {
        const config_setting_t *entry = config_setting_get_elem(databases, (unsigned)i);

        if (number_in(entry, "db") == db)
            return config_setting_get_member(entry, "db");
    }
    return NULL;
}

void check_databases(struct reader *reader, const config_setting_t *setting, void *object)
{
    int i;

    (void)object;
    for (i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *entry = config_setting_get_elem(setting, (unsigned)i);
        int db = number_in(entry, "db");
        const config_setting_t *first = db < 0 ? NULL : entry_with_db(setting, i, db);

        if (first)
            reader_fault(reader, config_setting_get_member(entry, "db"),
                         "db %d is already in line %u: remove one", db,
                         (unsigned)config_setting_source_line(first));
    }
}

void check_trash_db(struct reader *reader, const config_setting_t *setting, void *object)
{
    const struct redis_config *redis = object;
    const config_setting_t *trash = config_setting_get_member(setting, "trash_db");
    const config_setting_t *databases = config_setting_get_member(setting, "databases");
    const config_setting_t *used;

    if (!trash || !databases || !config_setting_is_list(databases) || redis->trash_db < 0)
        return;
    used = entry_with_db(databases, config_setting_length(databases), redis->trash_db);
    if (used)
        reader_fault(reader, trash,
                     "trash_db %d is in use by databases (line %u): name a database that nothing "
                     "uses, or -1 for none",
                     redis->trash_db, (unsigned)config_setting_source_line(used));
}

void check_levels(struct reader *reader, const config_setting_t *setting, void *object)
{
    const struct alert_config *alert = object;
    const config_setting_t *critical = config_setting_get_member(setting, "critical");
    const config_setting_t *warning = config_setting_get_member(setting, "warning");

    if (alert->warning <= 0 || alert->critical <= 0 || alert->warning <= alert->critical)
        return;
    reader_fault(reader,
                 warning    ? warning
                 : critical ? critical
                            : setting,
                 "%s: warning %g is above critical %g%s: raise critical or lower warning",
                 config_setting_name(setting), alert->warning, alert->critical,
                 !critical  ? " (its default)"
                 : !warning ? " (warning is the default)"
                            : "");
}

struct name_at {
    const char *name;
    const config_setting_t *setting;
};

/* Adds the names in a list of instances, with a fault for each that is there already. */
static size_t collect_names(struct reader *reader, const config_setting_t *list,
                            struct name_at **names, size_t count)
{
    int i;

    for (i = 0; list && config_setting_is_list(list) && i < config_setting_length(list); i++) {
        const config_setting_t *entry = config_setting_get_elem(list, (unsigned)i);
        const config_setting_t *setting;
        const char *name;
        size_t k = 0;

        if (!config_setting_is_group(entry) ||
            !config_setting_lookup_string(entry, "name", &name) || !*name)
            continue;
        setting = config_setting_get_member(entry, "name");
        while (k < count && strcmp((*names)[k].name, name) != 0)
            k++;
        if (k < count)
            reader_fault(reader, setting,
                         "name \"%s\" is already in line %u: give each instance its own", name,
                         (unsigned)config_setting_source_line((*names)[k].setting));
        *names = mem_array(*names, count + 1, sizeof(**names));
        (*names)[count++] = (struct name_at){name, setting};
    }
    return count;
}

void check_instance_names(struct reader *reader, const config_setting_t *setting, void *object)
{
    struct name_at *names = NULL;
    size_t count;

    (void)object;
    count = collect_names(reader, config_setting_get_member(setting, "postgres"), &names, 0);
    collect_names(reader, config_setting_get_member(setting, "redis"), &names, count);
    free(names);
}
