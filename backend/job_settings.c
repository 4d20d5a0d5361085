/* What a job's process gets through its pipe. Values are bytes, not text: a password need not be
 * UTF-8, so each byte travels as the character of its number. */
#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const job_secret_names[] = {"PGPASSWORD", "REDISCLI_AUTH", "REDIS_URL", NULL};

static json_t *bytes_out(const char *text)
{
    struct strbuf out = {0};
    json_t *string;

    if (!text)
        return json_null();
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x80) {
            strbuf_addc(&out, (char)byte);
        } else {
            strbuf_addc(&out, (char)(0xC0 | byte >> 6));
            strbuf_addc(&out, (char)(0x80 | (byte & 0x3F)));
        }
    }
    string = json_stringn(out.s ? out.s : "", out.len);
    mem_free_secret(out.s, out.len);
    return string;
}

/* The bytes again, which the caller frees; NULL: absent, or nothing that bytes_out makes. */
static char *bytes_in(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t len = 0;
    char *bytes;

    if (!text)
        return NULL;
    bytes = mem_alloc(strlen(text) + 1);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte >= 0x80) {
            if (byte > 0xC3 || !text[1]) {
                mem_free_secret(bytes, len);
                return NULL;
            }
            byte = (unsigned char)((byte & 0x03) << 6 | (*++text & 0x3F));
        }
        bytes[len++] = (char)byte;
    }
    bytes[len] = '\0';
    return bytes;
}

/* ---- members that are text ---- */

struct member {
    const char *name;
    size_t offset; /* of a char * */
};

static const struct member postgres_members[] = {
    {"env_file", offsetof(struct postgres_config, env_file)},
    {"password_key", offsetof(struct postgres_config, password_key)},
    {"container", offsetof(struct postgres_config, container)},
    {"network", offsetof(struct postgres_config, network)},
    {"given", offsetof(struct postgres_config, given)},
    {"exec_prefix", offsetof(struct postgres_config, exec_prefix)},
    {"command_prefix", offsetof(struct postgres_config, command_prefix)},
    {NULL, 0},
};

static const struct member redis_members[] = {
    {"env_file", offsetof(struct redis_config, env_file)},
    {"password_key", offsetof(struct redis_config, password_key)},
    {"container", offsetof(struct redis_config, container)},
    {"network", offsetof(struct redis_config, network)},
    {"given", offsetof(struct redis_config, given)},
    {"exec_prefix", offsetof(struct redis_config, exec_prefix)},
    {NULL, 0},
};

static const struct member config_members[] = {
    {"path", offsetof(struct config, path)},
    {"audit_file", offsetof(struct config, audit_file)},
    {"docker_host", offsetof(struct config, docker_host)},
    {"restart_command", offsetof(struct config, restart_command)},
    {"backup_directory", offsetof(struct config, backup.directory)},
    {NULL, 0},
};

static void members_out(json_t *object, const void *from, const struct member *members)
{
    for (; members->name; members++) {
        const char *const *text = (const void *)((const char *)from + members->offset);

        json_object_set_new(object, members->name, bytes_out(*text));
    }
}

static void members_in(const json_t *object, void *to, const struct member *members)
{
    for (; members->name; members++) {
        char **text = (void *)((char *)to + members->offset);

        free(*text);
        *text = bytes_in(json_object_get(object, members->name));
    }
}

static json_t *strings_out(const struct strings *strings)
{
    json_t *array = json_array();

    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(array, bytes_out(strings->items[i]));
    return array;
}

static void strings_in(const json_t *array, struct strings *strings)
{
    const json_t *value;
    size_t i;

    json_array_foreach(array, i, value)
    {
        char *text = bytes_in(value);

        if (!text)
            continue;
        strings->items = mem_array(strings->items, strings->count + 1, sizeof(*strings->items));
        strings->items[strings->count++] = text;
    }
}

static int int_in(const json_t *object, const char *name, int other)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? (int)json_integer_value(value) : other;
}

static enum environment environment_in(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "environment"));
    enum environment environment = ENV_UNKNOWN;

    if (!text || !environment_parse(text, &environment))
        return ENV_UNKNOWN;
    return environment;
}

/* ---- instances ---- */

static json_t *postgres_out(const struct postgres_config *postgres)
{
    json_t *object = json_object(), *environments = json_array();

    json_object_set_new(object, "name", bytes_out(postgres->name));
    json_object_set_new(object, "conninfo", bytes_out(postgres->conninfo));
    members_out(object, postgres, postgres_members);
    json_object_set_new(object, "allow_production", strings_out(&postgres->allow_production));
    for (size_t i = 0; i < postgres->environment_count; i++) {
        const struct config_pattern *pattern = &postgres->environments[i];
        json_t *entry = json_object();

        json_object_set_new(entry, "pattern", bytes_out(pattern->pattern));
        json_object_set_new(entry, "environment",
                            json_string(environment_name(pattern->environment)));
        json_array_append_new(environments, entry);
    }
    json_object_set_new(object, "environments", environments);
    return object;
}

static bool postgres_in(const json_t *object, struct config *config)
{
    char *name = bytes_in(json_object_get(object, "name"));
    char *conninfo = bytes_in(json_object_get(object, "conninfo"));
    bool good = name && conninfo;

    if (good) {
        struct postgres_config *postgres = config_add_postgres(config, name, conninfo);
        const json_t *entry, *list = json_object_get(object, "environments");
        size_t i;

        members_in(object, postgres, postgres_members);
        strings_in(json_object_get(object, "allow_production"), &postgres->allow_production);
        postgres->environments =
            mem_array(NULL, json_array_size(list), sizeof(*postgres->environments));
        json_array_foreach(list, i, entry)
        {
            char *pattern = bytes_in(json_object_get(entry, "pattern"));

            if (pattern)
                postgres->environments[postgres->environment_count++] =
                    (struct config_pattern){pattern, environment_in(entry)};
        }
    }
    free(name);
    if (conninfo)
        mem_free_secret(conninfo, strlen(conninfo));
    return good;
}

static json_t *redis_out(const struct redis_config *redis)
{
    json_t *object = json_object(), *databases = json_array();

    json_object_set_new(object, "name", bytes_out(redis->name));
    json_object_set_new(object, "url", bytes_out(redis->url));
    members_out(object, redis, redis_members);
    json_object_set_new(object, "trash_db", json_integer(redis->trash_db));
    json_object_set_new(object, "undo_seconds", json_integer(redis->undo_seconds));
    json_object_set_new(object, "allow_production", strings_out(&redis->allow_production));
    for (size_t i = 0; i < redis->database_count; i++) {
        const struct redis_db_config *database = &redis->databases[i];
        json_t *entry = json_object();

        json_object_set_new(entry, "db", json_integer(database->db));
        json_object_set_new(entry, "environment",
                            json_string(environment_name(database->environment)));
        json_object_set_new(entry, "use", bytes_out(database->use));
        json_object_set_new(entry, "celery", json_boolean(database->celery));
        json_array_append_new(databases, entry);
    }
    json_object_set_new(object, "databases", databases);
    return object;
}

static void database_in(const json_t *entry, struct redis_config *redis)
{
    redis->databases[redis->database_count++] = (struct redis_db_config){
        .db = int_in(entry, "db", -1),
        .environment = environment_in(entry),
        .use = bytes_in(json_object_get(entry, "use")),
        .celery = json_is_true(json_object_get(entry, "celery")),
    };
}

static bool redis_in(const json_t *object, struct config *config)
{
    char *name = bytes_in(json_object_get(object, "name"));
    char *url = bytes_in(json_object_get(object, "url"));
    bool good = name && url;

    if (good) {
        struct redis_config *redis = config_add_redis(config, name, url);
        const json_t *entry, *list = json_object_get(object, "databases");
        size_t i;

        members_in(object, redis, redis_members);
        redis->trash_db = int_in(object, "trash_db", -1);
        redis->undo_seconds = int_in(object, "undo_seconds", redis->undo_seconds);
        strings_in(json_object_get(object, "allow_production"), &redis->allow_production);
        redis->databases = mem_array(NULL, json_array_size(list), sizeof(*redis->databases));
        json_array_foreach(list, i, entry)
        {
            database_in(entry, redis);
        }
    }
    free(name);
    if (url)
        mem_free_secret(url, strlen(url));
    return good;
}

/* ---- all ---- */

static json_t *secrets_out(void)
{
    json_t *object = json_object();

    for (const char *const *name = job_secret_names; *name; name++) {
        if (getenv(*name))
            json_object_set_new(object, *name, bytes_out(getenv(*name)));
    }
    return object;
}

/* Into the memory of this process alone: /proc shows the environment it was started with. */
static void secrets_in(const json_t *object)
{
    for (const char *const *name = job_secret_names; *name; name++) {
        char *value = bytes_in(json_object_get(object, *name));

        if (value) {
            setenv(*name, value, 1);
            mem_free_secret(value, strlen(value));
        }
    }
}

static bool is_secret(const char *variable)
{
    for (const char *const *name = job_secret_names; *name; name++) {
        size_t len = strlen(*name);

        if (strncmp(variable, *name, len) == 0 && variable[len] == '=')
            return true;
    }
    return false;
}

char **job_clean_environ(void)
{
    size_t count = 0, kept = 0;
    char **clean;

    while (environ[count])
        count++;
    clean = mem_array(NULL, count + 1, sizeof(*clean));
    for (size_t i = 0; i < count; i++) {
        if (!is_secret(environ[i]))
            clean[kept++] = environ[i];
    }
    clean[kept] = NULL;
    return clean;
}

/* Through the same form as what goes to a job's process. */
struct config *job_settings_of(const struct config *config, const struct postgres_config *postgres,
                               const struct redis_config *redis)
{
    struct config *own = config_new();
    json_t *settings = postgres ? postgres_out(postgres) : redis_out(redis);

    own->docker_host = mem_strdup(config->docker_host);
    own->containers = config->containers;
    if (postgres)
        postgres_in(settings, own);
    else
        redis_in(settings, own);
    json_decref(settings);
    return own;
}

json_t *job_settings_json(const struct config *config, const char *audit_path)
{
    json_t *settings = json_object(), *postgres = json_array(), *redis = json_array();

    members_out(settings, config, config_members);
    json_object_set_new(settings, "keep", json_integer(config->backup.keep));
    json_object_set_new(settings, "containers", json_boolean(config->containers));
    json_object_set_new(settings, "audit", bytes_out(audit_path));
    for (size_t i = 0; i < config->postgres_count; i++)
        json_array_append_new(postgres, postgres_out(config->postgres[i]));
    for (size_t i = 0; i < config->redis_count; i++)
        json_array_append_new(redis, redis_out(config->redis[i]));
    json_object_set_new(settings, "postgres", postgres);
    json_object_set_new(settings, "redis", redis);
    json_object_set_new(settings, "secrets", secrets_out());
    return settings;
}

struct config *job_settings_parse(const json_t *settings, char **audit)
{
    struct config *config = config_new();
    const json_t *entry;
    bool good;
    size_t i;

    *audit = bytes_in(json_object_get(settings, "audit"));
    good = *audit != NULL;
    members_in(settings, config, config_members);
    config->backup.keep = int_in(settings, "keep", config->backup.keep);
    config->containers = !json_is_false(json_object_get(settings, "containers"));
    json_array_foreach(json_object_get(settings, "postgres"), i, entry)
    {
        good = postgres_in(entry, config) && good;
    }
    json_array_foreach(json_object_get(settings, "redis"), i, entry)
    {
        good = redis_in(entry, config) && good;
    }
    secrets_in(json_object_get(settings, "secrets"));
    if (good)
        return config;
    config_free(config);
    free(*audit);
    *audit = NULL;
    return NULL;
}
