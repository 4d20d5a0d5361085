#include "backend/config_internal.h"

#include "backend/base/mem.h"
#include "backend/container_socket.h"

#include <limits.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GROUP_OF(group_title, group_rows)                                                          \
    .title = (group_title), .settings = (group_rows), .count = COUNT(group_rows)

static void *add_postgres(void *object)
{
    return config_append_postgres(object);
}

static void *add_redis(void *object)
{
    return config_append_redis(object);
}

/* An entry that is faulty keeps a pattern that matches no database. */
static void *add_environment(void *object)
{
    struct postgres_config *postgres = object;
    struct config_pattern *pattern;

    postgres->environments = mem_array(postgres->environments, postgres->environment_count + 1,
                                       sizeof(*postgres->environments));
    pattern = &postgres->environments[postgres->environment_count++];
    *pattern = (struct config_pattern){mem_strdup(""), ENV_UNKNOWN};
    return pattern;
}

static void *add_database(void *object)
{
    struct redis_config *redis = object;
    struct redis_db_config *database;

    redis->databases =
        mem_array(redis->databases, redis->database_count + 1, sizeof(*redis->databases));
    database = &redis->databases[redis->database_count++];
    *database = (struct redis_db_config){.db = -1};
    return database;
}

static void note_postgres_oom(struct reader *reader, const config_setting_t *setting, void *object)
{
    struct postgres_config *postgres = object;

    (void)reader;
    (void)setting;
    postgres->has_oom_score_adj = true;
}

static void note_redis_oom(struct reader *reader, const config_setting_t *setting, void *object)
{
    struct redis_config *redis = object;

    (void)reader;
    (void)setting;
    redis->has_oom_score_adj = true;
}

static void check_docker_host(struct reader *reader, const config_setting_t *setting, void *object)
{
    const struct config *config = object;
    char *error = NULL;

    if (config->docker_host)
        free(engine_socket_path(config->docker_host, &error));
    if (error)
        reader_fault(reader, setting, "docker_host: %s", error);
    free(error);
}

static void note_theme(struct reader *reader, const config_setting_t *setting, void *object)
{
    (void)object;
    reader->config->theme_line = (int)config_setting_source_line(setting);
}

static void note_postgres(struct reader *reader, const config_setting_t *setting, void *object)
{
    (void)setting;
    (void)object;
    reader->config->lists_postgres = true;
}

static void note_redis(struct reader *reader, const config_setting_t *setting, void *object)
{
    (void)setting;
    (void)object;
    reader->config->lists_redis = true;
}

#define BACKUP(field) offsetof(struct config, backup.field)
static const struct setting backup_settings[] = {
    {.name = "directory",
     .type = SETTING_NAME,
     .offset = BACKUP(directory),
     .example = "\"/var/backups/sharedtop\""},
    {.name = "keep", .type = SETTING_INT, .offset = BACKUP(keep), .max = INT_MAX, .example = "7"},
};
static const struct setting_group backup_group = {GROUP_OF("backup", backup_settings)};

static const struct setting restart_settings[] = {
    {.name = "command",
     .type = SETTING_OPTIONAL,
     .offset = offsetof(struct config, restart_command),
     .example = "\"make -C /opt/docker/aether/repo restart-shared\""},
};
static const struct setting_group restart_group = {GROUP_OF("restart", restart_settings)};

#define PATTERN(field) offsetof(struct config_pattern, field)
static const struct setting pattern_settings[] = {
    {.name = "pattern",
     .type = SETTING_NAME,
     .offset = PATTERN(pattern),
     .example = "\"*_prod\"",
     .required = "pattern = \"*_prod\";"},
    {.name = "environment",
     .type = SETTING_ENVIRONMENT,
     .offset = PATTERN(environment),
     .example = "\"production\"",
     .required = "environment = \"production\";"},
};
static const struct setting_group pattern_group = {
    GROUP_OF("an environments entry", pattern_settings)};

static const char *const postgres_acts[] = {"restore"};
static const char *const redis_acts[] = {"flush"};

#define POSTGRES(field) offsetof(struct postgres_config, field)
static const struct setting postgres_settings[] = {
    {.name = "name",
     .type = SETTING_NAME,
     .offset = POSTGRES(name),
     .example = "\"shared_postgres\""},
    {.name = "conninfo",
     .type = SETTING_TEXT,
     .offset = POSTGRES(conninfo),
     .example = "\"host=127.0.0.1 port=5432 user=admin dbname=postgres\"",
     .check = check_conninfo},
    {.name = "env_file",
     .type = SETTING_OPTIONAL,
     .offset = POSTGRES(env_file),
     .example = "\"/opt/docker/shared/.env\""},
    {.name = "password_key",
     .type = SETTING_NAME,
     .offset = POSTGRES(password_key),
     .example = "\"POSTGRES_PASSWORD\""},
    {.name = "container",
     .type = SETTING_OPTIONAL,
     .offset = POSTGRES(container),
     .example = "\"shared_postgres\""},
    {.name = "network",
     .type = SETTING_OPTIONAL,
     .offset = POSTGRES(network),
     .example = "\"backend\""},
    {.name = "command_prefix",
     .type = SETTING_OPTIONAL,
     .offset = POSTGRES(command_prefix),
     .example = "\"docker exec -i shared_postgres\""},
    {.name = "oom_score_adj",
     .type = SETTING_INT,
     .offset = POSTGRES(oom_score_adj),
     .min = -1000,
     .max = 1000,
     .example = "-800",
     .check = note_postgres_oom},
    {.name = "allow_production",
     .type = SETTING_WORDS,
     .offset = POSTGRES(allow_production),
     .words = postgres_acts,
     .word_count = COUNT(postgres_acts),
     .example = "[\"restore\"]"},
    {.name = "environments",
     .type = SETTING_LIST,
     .group = &pattern_group,
     .add = add_environment,
     .example = "( { pattern = \"*_prod\"; environment = \"production\"; } )"},
};
static const struct setting_group postgres_group = {GROUP_OF("a postgres entry", postgres_settings),
                                                    .check = check_postgres_env_file};

#define DATABASE(field) offsetof(struct redis_db_config, field)
static const struct setting database_settings[] = {
    {.name = "db",
     .type = SETTING_INT,
     .offset = DATABASE(db),
     .max = INT_MAX,
     .example = "0",
     .required = "db = 0;"},
    {.name = "environment",
     .type = SETTING_ENVIRONMENT,
     .offset = DATABASE(environment),
     .example = "\"production\""},
    {.name = "use",
     .type = SETTING_OPTIONAL,
     .offset = DATABASE(use),
     .example = "\"Django cache\""},
    {.name = "celery", .type = SETTING_BOOL, .offset = DATABASE(celery), .example = "true"},
};
static const struct setting_group database_group = {
    GROUP_OF("a databases entry", database_settings)};

#define REDIS(field) offsetof(struct redis_config, field)
static const struct setting redis_settings[] = {
    {.name = "name", .type = SETTING_NAME, .offset = REDIS(name), .example = "\"shared_redis\""},
    {.name = "url",
     .type = SETTING_TEXT,
     .offset = REDIS(url),
     .example = "\"redis://127.0.0.1:6379\"",
     .check = check_url},
    {.name = "env_file",
     .type = SETTING_OPTIONAL,
     .offset = REDIS(env_file),
     .example = "\"/opt/docker/shared/.env\""},
    {.name = "password_key",
     .type = SETTING_NAME,
     .offset = REDIS(password_key),
     .example = "\"REDIS_PASSWORD\""},
    {.name = "container",
     .type = SETTING_OPTIONAL,
     .offset = REDIS(container),
     .example = "\"shared_redis\""},
    {.name = "network",
     .type = SETTING_OPTIONAL,
     .offset = REDIS(network),
     .example = "\"backend\""},
    {.name = "oom_score_adj",
     .type = SETTING_INT,
     .offset = REDIS(oom_score_adj),
     .min = -1000,
     .max = 1000,
     .example = "-500",
     .check = note_redis_oom},
    {.name = "trash_db",
     .type = SETTING_INT,
     .offset = REDIS(trash_db),
     .min = -1,
     .max = 1023,
     .example = "15"},
    {.name = "undo_seconds",
     .type = SETTING_INT,
     .offset = REDIS(undo_seconds),
     .min = 1,
     .max = 86400,
     .example = "600"},
    {.name = "allow_production",
     .type = SETTING_WORDS,
     .offset = REDIS(allow_production),
     .words = redis_acts,
     .word_count = COUNT(redis_acts),
     .example = "[\"flush\"]"},
    {.name = "databases",
     .type = SETTING_LIST,
     .group = &database_group,
     .add = add_database,
     .example = "( { db = 0; environment = \"production\"; } )",
     .check = check_databases},
};

static void check_redis(struct reader *reader, const config_setting_t *setting, void *object)
{
    check_redis_env_file(reader, setting, object);
    check_trash_db(reader, setting, object);
}

static const struct setting_group redis_group = {GROUP_OF("a redis entry", redis_settings),
                                                 .check = check_redis};

#define ALERT(field) offsetof(struct alert_config, field)
#define RUNBOOK                                                                                    \
    {                                                                                              \
        .name = "runbook", .type = SETTING_OPTIONAL, .offset = ALERT(runbook),                     \
        .example = "\"https://wiki.example.org/runbooks/postgres\""                                \
    }
static const struct setting runbook_settings[] = {RUNBOOK};
static const struct setting percent_settings[] = {
    {.name = "warning",
     .type = SETTING_NUMBER,
     .offset = ALERT(warning),
     .max = 100,
     .example = "80"},
    {.name = "critical",
     .type = SETTING_NUMBER,
     .offset = ALERT(critical),
     .max = 100,
     .example = "95"},
    RUNBOOK,
};
static const struct setting level_settings[] = {
    {.name = "warning",
     .type = SETTING_NUMBER,
     .offset = ALERT(warning),
     .max = INT_MAX,
     .example = "60"},
    {.name = "critical",
     .type = SETTING_NUMBER,
     .offset = ALERT(critical),
     .max = INT_MAX,
     .example = "300"},
    RUNBOOK,
};
static const struct setting_group runbook_group = {
    GROUP_OF("an alert without levels", runbook_settings)};
static const struct setting_group percent_group = {GROUP_OF("an alert", percent_settings),
                                                   .check = check_levels};
static const struct setting_group level_group = {GROUP_OF("an alert", level_settings),
                                                 .check = check_levels};

#define ALERT_ROW(text, alert, alert_group, alert_example)                                         \
    {                                                                                              \
        .name = (text), .type = SETTING_GROUP, .offset = offsetof(struct config, alerts[alert]),   \
        .group = &(alert_group), .example = (alert_example)                                        \
    }
#define RUNBOOK_EXAMPLE "{ runbook = \"https://wiki.example.org/runbooks/postgres\"; }"
#define PERCENT_EXAMPLE "{ warning = 80; critical = 95; }"
#define LEVEL_EXAMPLE   "{ warning = 60; critical = 300; }"
static const struct setting alert_settings[] = {
    ALERT_ROW("PostgresDown", ALERT_POSTGRES_DOWN, runbook_group, RUNBOOK_EXAMPLE),
    ALERT_ROW("PostgresConnectionsHigh", ALERT_POSTGRES_CONNECTIONS_HIGH, percent_group,
              PERCENT_EXAMPLE),
    ALERT_ROW("RedisDown", ALERT_REDIS_DOWN, runbook_group, RUNBOOK_EXAMPLE),
    ALERT_ROW("RedisMemoryHigh", ALERT_REDIS_MEMORY_HIGH, percent_group, PERCENT_EXAMPLE),
    ALERT_ROW("RedisEvicting", ALERT_REDIS_EVICTING, level_group, LEVEL_EXAMPLE),
    ALERT_ROW("RedisSaveFailing", ALERT_REDIS_SAVE_FAILING, runbook_group, RUNBOOK_EXAMPLE),
    ALERT_ROW("LongQuery", ALERT_LONG_QUERY, level_group, LEVEL_EXAMPLE),
    ALERT_ROW("IdleInTransaction", ALERT_IDLE_IN_TRANSACTION, level_group, LEVEL_EXAMPLE),
    ALERT_ROW("BlockedSessions", ALERT_BLOCKED_SESSIONS, level_group, LEVEL_EXAMPLE),
    ALERT_ROW("ContainerDown", ALERT_CONTAINER_DOWN, runbook_group, RUNBOOK_EXAMPLE),
    ALERT_ROW("ContainerRestarting", ALERT_CONTAINER_RESTARTING, level_group, LEVEL_EXAMPLE),
    ALERT_ROW("ContainerMemoryHigh", ALERT_CONTAINER_MEMORY_HIGH, percent_group, PERCENT_EXAMPLE),
    ALERT_ROW("OomKilled", ALERT_OOM_KILLED, runbook_group, RUNBOOK_EXAMPLE),
    ALERT_ROW("OomScoreWrong", ALERT_OOM_SCORE_WRONG, runbook_group, RUNBOOK_EXAMPLE),
};
static const struct setting_group alert_group = {GROUP_OF("alerts", alert_settings)};

#define CONFIG(field) offsetof(struct config, field)
static const struct setting top_settings[] = {
    {.name = "interval",
     .type = SETTING_NUMBER,
     .offset = CONFIG(interval),
     .min = CONFIG_INTERVAL_MIN,
     .max = CONFIG_INTERVAL_MAX,
     .example = "1.0"},
    {.name = "theme",
     .type = SETTING_NAME,
     .offset = CONFIG(theme),
     .example = "\"default\"",
     .check = note_theme},
    {.name = "read_only", .type = SETTING_BOOL, .offset = CONFIG(read_only), .example = "true"},
    {.name = "ascii", .type = SETTING_BOOL, .offset = CONFIG(ascii), .example = "true"},
    {.name = "bell", .type = SETTING_BOOL, .offset = CONFIG(bell), .example = "false"},
    {.name = "mouse", .type = SETTING_BOOL, .offset = CONFIG(mouse), .example = "true"},
    {.name = "audit_file",
     .type = SETTING_OPTIONAL,
     .offset = CONFIG(audit_file),
     .example = "\"/var/log/sharedtop/audit.jsonl\""},
    {.name = "docker_host",
     .type = SETTING_OPTIONAL,
     .offset = CONFIG(docker_host),
     .example = "\"unix:///run/docker.sock\"",
     .check = check_docker_host},
    {.name = "containers", .type = SETTING_BOOL, .offset = CONFIG(containers), .example = "false"},
    {.name = "backup",
     .type = SETTING_GROUP,
     .group = &backup_group,
     .example = "{ directory = \"/var/backups/sharedtop\"; keep = 7; }"},
    {.name = "postgres",
     .type = SETTING_LIST,
     .group = &postgres_group,
     .add = add_postgres,
     .example = "( { conninfo = \"host=127.0.0.1\"; } )",
     .check = note_postgres},
    {.name = "redis",
     .type = SETTING_LIST,
     .group = &redis_group,
     .add = add_redis,
     .example = "( { url = \"redis://127.0.0.1:6379\"; } )",
     .check = note_redis},
    {.name = "restart",
     .type = SETTING_GROUP,
     .group = &restart_group,
     .example = "{ command = \"make -C /opt/docker/aether/repo restart-shared\"; }"},
    {.name = "alerts",
     .type = SETTING_GROUP,
     .group = &alert_group,
     .example = "{ LongQuery = { warning = 60; critical = 300; }; }"},
    {.name = "keys", .type = SETTING_KEYS, .example = "{ quit = \"q\"; }"},
};

const struct setting_group config_settings = {GROUP_OF(NULL, top_settings),
                                              .check = check_instance_names};
