/* The login of a server, from the environment that images take it from, or its arguments. */
#include "backend/base/mem.h"
#include "backend/container_parse_impl.h"

#include <stdlib.h>
#include <string.h>

/* The likeliest first: the official images', Bitnami's and Red Hat's, those of Patroni's. */
static const char *const postgres_users[] = {
    "POSTGRES_USER",    "POSTGRESQL_USERNAME",        "POSTGRESQL_USER",
    "PGUSER_SUPERUSER", "PATRONI_SUPERUSER_USERNAME", NULL};
static const char *const postgres_passwords[] = {
    "POSTGRES_PASSWORD",          "POSTGRESQL_PASSWORD",       "PGPASSWORD_SUPERUSER",
    "PATRONI_SUPERUSER_PASSWORD", "POSTGRESQL_ADMIN_PASSWORD", NULL};
static const char *const redis_passwords[] = {"REDIS_PASSWORD",
                                              "VALKEY_PASSWORD",
                                              "KEYDB_PASSWORD",
                                              "REDISCLI_AUTH",
                                              "VALKEYCLI_AUTH",
                                              "REDIS_PASS",
                                              NULL};

/* Arguments that images put behind the command's. */
static const char *const redis_arguments[] = {"REDIS_ARGS", "REDIS_EXTRA_FLAGS",
                                              "VALKEY_EXTRA_FLAGS", NULL};

static const char *first_value(const char *const *environment, const char *const *names)
{
    const char *value = NULL;

    for (; *names && !value; names++)
        value = container_environment(environment, *names);
    return value;
}

/* NAME_FILE: the path of a file that holds it. */
static const char *first_file(const char *const *environment, const char *const *names)
{
    char name[64];
    const char *value = NULL;

    for (; *names && !value; names++) {
        const size_t len = strlen(*names);

        memcpy(name, *names, len);
        memcpy(name + len, "_FILE", sizeof("_FILE"));
        value = container_environment(environment, name);
    }
    return value;
}

static void set_login(struct container_login *login, const char *const *environment,
                      const char *const *users, const char *const *passwords)
{
    if (users)
        login->user = mem_strdup(first_value(environment, users));
    if (users && !login->user)
        login->user_file = mem_strdup(first_file(environment, users));
    if (!login->password)
        login->password = mem_strdup(first_value(environment, passwords));
    if (!login->password)
        login->password_file = mem_strdup(first_file(environment, passwords));
}

static bool is_yes(const char *value)
{
    return value &&
           (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

/* ---- --requirepass ---- */

static const char option[] = "--requirepass";

static void take_password(struct container_login *login, char *password)
{
    if (login->password)
        mem_free_secret(login->password, strlen(login->password));
    login->password = password;
}

static void drop(char *secret)
{
    mem_free_secret(secret, strlen(secret));
}

/* The words of a script or of flags: the last --requirepass counts, as for the server. inner: a
 * script that is a word of another one (su -c "redis-server --requirepass …"). */
static void password_of_script(struct container_login *login, const char *script,
                               const char *const *environment, bool inner)
{
    struct script_token token;
    bool follows = false, sure;

    while (container_script_next(&script, &token)) {
        char *word = container_script_unquote(&token, environment, &sure);

        if (follows && sure && *word && !token.separator) {
            take_password(login, word);
        } else {
            if (!inner && !token.separator && strchr(word, ' '))
                password_of_script(login, word, environment, true);
            drop(word);
        }
        follows = token.len == strlen(option) && memcmp(token.s, option, token.len) == 0;
    }
}

/* Its own words: "--requirepass" "X", and "--requirepass X" in one, which the server takes too. */
static void password_of_words(struct container_login *login, const char *const *words)
{
    const size_t len = strlen(option);

    for (; *words; words++) {
        const char *value = NULL;

        if (strcmp(*words, option) == 0 && words[1])
            value = *++words;
        else if (strncmp(*words, option, len) == 0 && (*words)[len] == ' ')
            value = *words + len + strspn(*words + len, " ");
        if (value && *value)
            take_password(login, mem_strdup(value));
    }
}

static void redis_password(struct container_login *login, const char *const *words,
                           const char *const *environment)
{
    for (const char *const *name = redis_arguments; *name; name++) {
        const char *flags = container_environment(environment, *name);

        if (flags)
            password_of_script(login, flags, environment, false);
    }
    for (const char *const *word = words; *word; word++) {
        const char *script = container_script_of(word);

        if (script)
            password_of_script(login, script, environment, false);
    }
    password_of_words(login, words);
}

void container_parse_login(enum container_service service, const char *const *words,
                           const char *const *environment, struct container_login *login)
{
    const char *method = container_environment(environment, "POSTGRES_HOST_AUTH_METHOD");

    login->trust = (method && strcmp(method, "trust") == 0) ||
                   is_yes(container_environment(environment, "ALLOW_EMPTY_PASSWORD"));
    if (service != SERVICE_REDIS)
        set_login(login, environment, postgres_users, postgres_passwords);
    if (service == SERVICE_POSTGRES && !login->user && !login->user_file)
        login->user = mem_strdup("postgres");
    if (service == SERVICE_POSTGRES || login->password || login->password_file)
        return;
    redis_password(login, words, environment);
    set_login(login, environment, NULL, redis_passwords);
}
