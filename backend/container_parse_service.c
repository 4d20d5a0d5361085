/* What runs in a container. The command is asked first: an image of a server is also used for its
 * clients (a dump by cron), and servers run in images of any name. */
#include "backend/base/mem.h"
#include "backend/container_parse_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64, DEPTH_MAX = 4 };

/* What a command says. */
enum verdict {
    VERDICT_NONE,    /* nothing: some program */
    VERDICT_DEFAULT, /* an image's entry point that is left to start what it starts */
    VERDICT_CLIENT,  /* surely no server */
    VERDICT_SENTINEL,
    VERDICT_POSTGRES,
    VERDICT_REDIS
};

struct named {
    const char *name;
    enum verdict verdict;
};

static const struct named programs[] = {
    {"postgres", VERDICT_POSTGRES},
    {"postmaster", VERDICT_POSTGRES},
    {"patroni", VERDICT_POSTGRES},
    {"pg_autoctl", VERDICT_POSTGRES},
    {"pg_ctl", VERDICT_POSTGRES},
    {"pg_ctlcluster", VERDICT_POSTGRES},
    {"run-postgresql", VERDICT_POSTGRES},
    {"redis-server", VERDICT_REDIS},
    {"valkey-server", VERDICT_REDIS},
    {"keydb-server", VERDICT_REDIS},
    {"redict-server", VERDICT_REDIS},
    {"run-redis", VERDICT_REDIS},
    {"run-valkey", VERDICT_REDIS},
    {"redis-sentinel", VERDICT_SENTINEL},
    {"valkey-sentinel", VERDICT_SENTINEL},
    {"keydb-sentinel", VERDICT_SENTINEL},
    {"psql", VERDICT_CLIENT},
    {"pg_dump", VERDICT_CLIENT},
    {"pg_dumpall", VERDICT_CLIENT},
    {"pg_restore", VERDICT_CLIENT},
    {"pg_basebackup", VERDICT_CLIENT},
    {"pg_receivewal", VERDICT_CLIENT},
    {"pg_isready", VERDICT_CLIENT},
    {"pgbench", VERDICT_CLIENT},
    {"createdb", VERDICT_CLIENT},
    {"dropdb", VERDICT_CLIENT},
    {"vacuumdb", VERDICT_CLIENT},
    {"reindexdb", VERDICT_CLIENT},
    {"initdb", VERDICT_CLIENT},
    {"pg_upgrade", VERDICT_CLIENT},
    {"redis-cli", VERDICT_CLIENT},
    {"valkey-cli", VERDICT_CLIENT},
    {"keydb-cli", VERDICT_CLIENT},
    {"redis-benchmark", VERDICT_CLIENT},
    {"valkey-benchmark", VERDICT_CLIENT},
    {"sleep", VERDICT_CLIENT},
    {"tail", VERDICT_CLIENT},
    {"cat", VERDICT_CLIENT},
    {"true", VERDICT_CLIENT},
};

/* Bitnami's images start theirs by /opt/bitnami/scripts/NAME/run.sh. */
static const struct named bitnami[] = {
    {"/bitnami/scripts/postgresql", VERDICT_POSTGRES},
    {"/bitnami/scripts/redis-sentinel/", VERDICT_SENTINEL},
    {"/bitnami/scripts/valkey-sentinel/", VERDICT_SENTINEL},
    {"/bitnami/scripts/redis", VERDICT_REDIS},
    {"/bitnami/scripts/valkey", VERDICT_REDIS},
    {"/bitnami/scripts/keydb", VERDICT_REDIS},
};

/* The last part of an image's name; one that ends with "-" goes on with a digit. */
static const struct named images[] = {
    {"postgres", VERDICT_POSTGRES},
    {"postgresql", VERDICT_POSTGRES},
    {"postgres-", VERDICT_POSTGRES},
    {"postgresql-", VERDICT_POSTGRES},
    {"postgresql-repmgr", VERDICT_POSTGRES},
    {"postgis", VERDICT_POSTGRES},
    {"pgvector", VERDICT_POSTGRES},
    {"timescaledb", VERDICT_POSTGRES},
    {"timescaledb-ha", VERDICT_POSTGRES},
    {"timescaledb-postgis", VERDICT_POSTGRES},
    {"spilo", VERDICT_POSTGRES},
    {"spilo-", VERDICT_POSTGRES},
    {"citus", VERDICT_POSTGRES},
    {"paradedb", VERDICT_POSTGRES},
    {"pgvecto-rs", VERDICT_POSTGRES},
    {"vchord-postgres", VERDICT_POSTGRES},
    {"crunchy-postgres", VERDICT_POSTGRES},
    {"redis", VERDICT_REDIS},
    {"redis-", VERDICT_REDIS},
    {"redis-stack", VERDICT_REDIS},
    {"redis-stack-server", VERDICT_REDIS},
    {"redis-cluster", VERDICT_REDIS},
    {"valkey", VERDICT_REDIS},
    {"valkey-", VERDICT_REDIS},
    {"valkey-bundle", VERDICT_REDIS},
    {"valkey-cluster", VERDICT_REDIS},
    {"keydb", VERDICT_REDIS},
    {"redict", VERDICT_REDIS},
};

/* Programs that run another one. */
struct wrapper {
    const char *name;
    size_t operands;    /* words between its options and the program */
    const char *valued; /* options whose value is a word of its own */
};

static const struct wrapper wrappers[] = {
    {"exec", 0, " -a "},
    {"command", 0, ""},
    {"nohup", 0, ""},
    {"time", 0, ""},
    {"env", 0, " -u -C "},
    {"nice", 0, " -n "},
    {"ionice", 0, " -c -n "},
    {"timeout", 1, " -s -k "},
    {"stdbuf", 0, " -i -o -e "},
    {"numactl", 0, ""},
    {"setpriv", 0,
     " --reuid --regid --ruid --euid --rgid --egid --groups --inh-caps --ambient-caps"
     " --bounding-set --securebits --pdeathsig --selinux-label --apparmor-profile "},
    {"gosu", 1, ""},
    {"su-exec", 1, ""},
    {"s6-setuidgid", 1, ""},
    {"chpst", 0, " -u -U -e -n "},
    {"sudo", 0, " -u -g "},
    {"runuser", 0, " -u -g "},
    {"tini", 0, " -p -e "},
    {"tini-static", 0, " -p -e "},
    {"docker-init", 0, " -p -e "},
    {"podman-init", 0, ""},
    {"catatonit", 0, ""},
    {"dumb-init", 0, " -r --rewrite "},
    {"busybox", 0, ""},
    {"python", 0, ""},
    {"python3", 0, ""},
};

static const char *const keywords[] = {"if",    "then", "else", "elif", "fi", "while",
                                       "until", "do",   "done", "!",    "{",  "}"};

static bool is_keyword(const char *word)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
        if (strcmp(word, keywords[i]) == 0)
            return true;
    return false;
}

static bool is_assignment(const char *word)
{
    const char *s = word;

    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return *s == '=' && s > word;
}

static const struct wrapper *find_wrapper(const char *name)
{
    for (size_t i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++)
        if (strcmp(name, wrappers[i].name) == 0)
            return wrappers + i;
    return NULL;
}

static bool has_word(const char *list, const char *word)
{
    const size_t len = strlen(word);

    for (const char *s = list; (s = strstr(s, word)); s++)
        if (s > list && s[-1] == ' ' && s[len] == ' ')
            return true;
    return false;
}

/* Past a wrapper's options and operands: words ends with NULL. */
static const char *const *skip_wrapper(const struct wrapper *wrapper, const char *const *words)
{
    size_t operands = wrapper->operands;

    while (*words && **words == '-') {
        if (strcmp(*words, "--") == 0) {
            words++;
            break;
        }
        if (has_word(wrapper->valued, *words) && words[1])
            words++;
        words++;
    }
    while (*words && operands--)
        words++;
    return words;
}

static enum verdict judge(const char *const *words, unsigned depth);

/* The words of one command of a script. */
struct command_words {
    char *items[WORDS_MAX + 1];
    size_t count;
};

static enum verdict judge_collected(struct command_words *words, unsigned depth)
{
    enum verdict verdict = VERDICT_NONE;

    words->items[words->count] = NULL;
    if (words->count)
        verdict = judge((const char *const *)words->items, depth);
    for (size_t i = 0; i < words->count; i++)
        mem_free_secret(words->items[i], strlen(words->items[i]));
    words->count = 0;
    return verdict;
}

/* A server anywhere in it counts, else its last command. */
static enum verdict judge_script(const char *script, unsigned depth)
{
    struct command_words words = {.count = 0};
    struct script_token token;
    enum verdict last = VERDICT_NONE;
    bool more = true, sure;

    while (more && last < VERDICT_SENTINEL) {
        more = container_script_next(&script, &token);
        if (more && !token.separator) {
            char *word = container_script_unquote(&token, NULL, &sure);

            if (words.count < WORDS_MAX && (words.count || !is_keyword(word)))
                words.items[words.count++] = word;
            else
                mem_free_secret(word, strlen(word));
        } else if (words.count) {
            last = judge_collected(&words, depth);
        }
    }
    return last;
}

static enum verdict judge_program(const char *const *words)
{
    const char *name = container_base_name(*words);
    enum verdict verdict = VERDICT_NONE;

    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
        if (strcmp(name, programs[i].name) == 0)
            verdict = programs[i].verdict;
    for (size_t i = sizeof(bitnami) / sizeof(*bitnami); i-- > 0;)
        if (strstr(*words, bitnami[i].name))
            verdict = bitnami[i].verdict;
    if (verdict == VERDICT_REDIS)
        for (words++; *words; words++)
            if (strcmp(*words, "--sentinel") == 0)
                return VERDICT_SENTINEL;
    return verdict;
}

/* su USER -c SCRIPT, runuser USER -c SCRIPT */
static const char *script_of_su(const char *const *words)
{
    const char *name = container_base_name(*words);

    if (strcmp(name, "su") == 0 || strcmp(name, "runuser") == 0)
        for (words++; *words; words++)
            if (strcmp(*words, "-c") == 0)
                return words[1];
    return NULL;
}

/* Past a shell and its options: what it runs is a program as others. */
static const char *const *skip_shell(const char *const *words)
{
    for (words++; *words && **words == '-'; words++)
        ;
    return words;
}

static enum verdict judge(const char *const *words, unsigned depth)
{
    bool entry = false;

    while (*words && depth <= DEPTH_MAX) {
        const char *name = container_base_name(*words);
        const char *script = container_script_of(words);
        const struct wrapper *wrapper = find_wrapper(name);

        script = script ? script : script_of_su(words);
        if (script)
            return judge_script(script, depth + 1);
        if (container_is_shell(name)) {
            words = skip_shell(words);
            if (!*words) /* it waits for a person */
                return VERDICT_CLIENT;
        } else if (strstr(name, "entrypoint") && !judge_program(words)) {
            entry = true;
            words++;
            if (*words && **words == '-') /* options for the program that it knows */
                break;
        } else if (wrapper) {
            words = skip_wrapper(wrapper, words + 1);
        } else if (is_keyword(*words) || is_assignment(*words)) {
            words++;
        } else {
            return judge_program(words);
        }
    }
    return entry ? VERDICT_DEFAULT : VERDICT_NONE;
}

/* ---- images ---- */

/* "registry:5000/library/postgres:18-alpine@sha256:…" → "postgres" */
static void image_base(const char *image, char *base, size_t size)
{
    const size_t whole = strcspn(image, "@");
    size_t from = whole, len = 0;

    while (from > 0 && image[from - 1] != '/')
        from--;
    while (from < whole && image[from] != ':' && len + 1 < size)
        base[len++] = (char)tolower((unsigned char)image[from++]);
    base[len] = 0;
}

static enum verdict judge_image(const char *base)
{
    for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++) {
        const char *name = images[i].name;
        const size_t len = strlen(name);

        if (strcmp(base, name) == 0 || (name[len - 1] == '-' && strncmp(base, name, len) == 0 &&
                                        isdigit((unsigned char)base[len])))
            return images[i].verdict;
    }
    return VERDICT_NONE;
}

/* Images that were made from an official one keep its environment. Those of tools do too. */
static enum verdict judge_environment(const char *base, const char *const *environment)
{
    static const char *const tools[] = {"exporter", "backup", "admin",     "bouncer",
                                        "pool",     "proxy",  "commander", "sentinel"};

    for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
        if (strstr(base, tools[i]))
            return VERDICT_NONE;
    if (container_environment(environment, "PG_MAJOR") &&
        container_environment(environment, "PGDATA"))
        return VERDICT_POSTGRES;
    if (container_environment(environment, "REDIS_DOWNLOAD_URL") ||
        container_environment(environment, "VALKEY_DOWNLOAD_URL"))
        return VERDICT_REDIS;
    return VERDICT_NONE;
}

enum container_service container_service_of(const char *image, const char *const *command,
                                            const char *const *environment)
{
    enum verdict verdict = command ? judge(command, 0) : VERDICT_NONE;
    const bool unsaid = verdict == VERDICT_DEFAULT || !command || !*command;
    char base[128];

    image_base(image ? image : "", base, sizeof(base));
    if (verdict == VERDICT_NONE || verdict == VERDICT_DEFAULT)
        verdict = judge_image(base);
    if (verdict == VERDICT_NONE && unsaid)
        verdict = judge_environment(base, environment);
    switch (verdict) {
    case VERDICT_POSTGRES: return SERVICE_POSTGRES;
    case VERDICT_REDIS: return SERVICE_REDIS;
    default: return SERVICE_OTHER;
    }
}
