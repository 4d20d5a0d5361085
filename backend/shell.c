#include "backend/shell.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/conninfo.h"
#include "backend/container_place.h"
#include "backend/job_internal.h"
#include "backend/redis_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION "sharedtop shell"

/* Says where one is, and keeps what a program that failed has said until it was read: the dashboard
 * covers it after that. The keys' signals are the program's own. */
static const char wrapper[] =
    "trap : INT QUIT\n"
    "printf '%s\\n' \"$1\"; name=$2; shift 2\n"
    "\"$@\"; status=$?\n"
    "[ $status = 0 ] || {\n"
    "  printf '\\n%s ended with status %s. Enter: back to sharedtop ' \"$name\" \"$status\"\n"
    "  read -r answer\n"
    "}\n"
    "exit $status\n";

/* ---- lists of words ---- */

static size_t length(char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

/* word is taken over. */
static void take_word(char ***list, char *word)
{
    size_t n = length(*list);

    *list = mem_array(*list, n + 2, sizeof(**list));
    (*list)[n] = word;
    (*list)[n + 1] = NULL;
}

static void add_word(char ***list, const char *word)
{
    take_word(list, mem_strdup(word));
}

static void begin(struct shell_call *call, const char *banner, const char *name)
{
    *call = (struct shell_call){.inherited = -1};
    add_word(&call->argv, "sh");
    add_word(&call->argv, "-c");
    add_word(&call->argv, wrapper);
    add_word(&call->argv, "sh");
    add_word(&call->argv, banner);
    add_word(&call->argv, name);
}

/* What others' children get, without one variable. */
static void copy_environment(struct shell_call *call, const char *without)
{
    char **clean = job_clean_environ();
    size_t len = strlen(without);

    for (char **item = clean; *item; item++) {
        if (strncmp(*item, without, len) != 0 || (*item)[len] != '=')
            add_word(&call->environment, *item);
    }
    free(clean);
}

static void free_words(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        mem_free_secret(list[i], strlen(list[i]));
    free(list);
}

void shell_call_free(struct shell_call *call)
{
    free_words(call->argv);
    free_words(call->environment);
    if (call->inherited >= 0)
        close(call->inherited);
    *call = (struct shell_call){.inherited = -1};
}

/* ---- psql ---- */

/* A file in memory that nobody finds by a name. */
static int memory_file(const char *line)
{
    int fd = memfd_create("pass", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    if (fchmod(fd, 0600) == 0 && dprintf(fd, "%s\n", line) > 0)
        return fd;
    close(fd);
    return -1;
}

/* True also when there is no password to hand over: psql asks for one then, if it has to. */
static bool hand_over_password(const struct postgres_config *config, struct shell_call *call,
                               char **error)
{
    char *password = job_password(config, error), *line = password ? passfile_line(password) : NULL;

    if (line) {
        call->inherited = memory_file(line);
        if (call->inherited < 0)
            *error = mem_printf("cannot hand the password over: %s", strerror(errno));
        mem_free_secret(line, strlen(line));
    } else if (password) {
        *error =
            mem_strdup("the password holds a line break, which psql does not take from a file");
    }
    if (password)
        mem_free_secret(password, strlen(password));
    return !*error;
}

static bool host_psql(const struct postgres_config *config, const char *database,
                      struct shell_call *call, char **error)
{
    char *conninfo;

    if (!hand_over_password(config, call, error))
        return false;
    conninfo =
        conninfo_for_tool(config->conninfo, database, APPLICATION, call->inherited >= 0, error);
    if (!conninfo)
        return false;
    add_word(&call->argv, "psql");
    add_word(&call->argv, "--dbname");
    take_word(&call->argv, conninfo);
    copy_environment(call, call->inherited >= 0 ? "PGPASSFILE" : "");
    if (call->inherited >= 0)
        add_word(&call->environment, "PGPASSFILE=/proc/self/fd/3");
    return true;
}

/* What `docker exec -i` of the configuration, or our own exec, is for pipes with; a person needs a
 * terminal there. secret: a variable of the environment that goes along, or NULL. */
static char *with_terminal(const char *prefix, const char *mark, const char *secret)
{
    const char *at = NULL;

    for (const char *next = prefix; (next = strstr(next, mark)) != NULL; next++)
        at = next;
    if (!at)
        return mem_strdup(prefix);
    return mem_printf("%.*s%.*st%s%s %s", (int)(at - prefix), prefix, (int)strlen(mark) - 1, mark,
                      secret ? " -e " : "", secret ? secret : "", at + strlen(mark));
}

/* ---- in the container ---- */

static bool is_set(const char *text)
{
    return text && *text;
}

static bool is_on_host(const char *name)
{
    const char *at = getenv("PATH");
    bool found = false;

    while (at && *at && !found) {
        const size_t len = strcspn(at, ":");
        char *path = mem_printf("%.*s/%s", (int)len, at, name);

        found = len > 0 && access(path, X_OK) == 0;
        free(path);
        at += len + (at[len] == ':');
    }
    return found;
}

/* sh -c 'exec PREFIX "$@"' sh NAME */
static void add_prefix(struct shell_call *call, char *prefix, const char *name)
{
    add_word(&call->argv, "sh");
    add_word(&call->argv, "-c");
    take_word(&call->argv, mem_printf("exec %s \"$@\"", prefix));
    add_word(&call->argv, "sh");
    add_word(&call->argv, name);
    free(prefix);
}

/* By our own exec, which hands the password on without showing it; takes it over. */
static void add_container(struct shell_call *call, const char *prefix, const char *name,
                          const char *variable, char *password)
{
    add_prefix(call, with_terminal(prefix, " -i ", password ? variable : NULL), name);
    copy_environment(call, "");
    if (password) {
        take_word(&call->environment, mem_printf("%s=%s", variable, password));
        mem_free_secret(password, strlen(password));
    }
}

/* ---- psql behind a prefix ---- */

/* Where it runs it connects by the local socket, as the user that we are. */
static void add_login(const struct postgres_config *config, const char *database,
                      struct shell_call *call)
{
    PQconninfoOption *own = PQconninfoParse(config->conninfo, NULL), *defaults = PQconndefaults();
    const char *user = conninfo_value(own, "user"),
               *name = database ? database : conninfo_value(own, "dbname");
    struct strbuf conninfo = {0};

    if (!user)
        user = conninfo_value(defaults, "user");
    if (user) {
        add_word(&call->argv, "--username");
        add_word(&call->argv, user);
    }
    if (name)
        conninfo_add(&conninfo, "dbname", name);
    conninfo_add(&conninfo, "application_name", APPLICATION);
    add_word(&call->argv, "--dbname");
    take_word(&call->argv, strbuf_take(&conninfo));
    PQconninfoFree(own);
    PQconninfoFree(defaults);
}

/* A password that it needs there it asks for itself: neither arguments nor environment of a program
 * in between are a place for one. */
static void prefixed_psql(const struct postgres_config *config, const char *database,
                          struct shell_call *call)
{
    add_prefix(call, with_terminal(config->command_prefix, " exec -i ", NULL), "psql");
    copy_environment(call, "");
    add_login(config, database, call);
}

static bool container_psql(const struct postgres_config *config, const char *database,
                           struct shell_call *call, char **error)
{
    char *password = job_password(config, error);

    if (*error)
        return false;
    add_container(call, config->exec_prefix, "psql", "PGPASSWORD", password);
    add_login(config, database, call);
    return true;
}

static bool is_in_container(const char *name, const char *exec_prefix)
{
    return is_set(exec_prefix) && !is_on_host(name);
}

bool shell_postgres(const struct postgres_config *config, const char *database, const char *banner,
                    struct shell_call *call, char **error)
{
    bool good = true;

    *error = NULL;
    begin(call, banner, "psql");
    if (is_set(config->command_prefix))
        prefixed_psql(config, database, call);
    else if (!container_postgres_is_known(config, error))
        good = false;
    else if (is_in_container("psql", config->exec_prefix))
        good = container_psql(config, database, call, error);
    else
        good = host_psql(config, database, call, error);
    if (!good)
        shell_call_free(call);
    return good;
}

/* ---- redis-cli ---- */

static void add_security(struct shell_call *call, const struct redis_address *address)
{
    if (address->tls)
        add_word(&call->argv, "--tls");
    if (address->tls_name) {
        add_word(&call->argv, "--sni");
        add_word(&call->argv, address->tls_name);
    }
    if (address->user) {
        add_word(&call->argv, "--user");
        add_word(&call->argv, address->user);
    }
}

static void add_place(struct shell_call *call, const struct redis_address *address)
{
    if (address->path) {
        add_word(&call->argv, "-s");
        add_word(&call->argv, address->path);
    } else {
        add_word(&call->argv, "-h");
        add_word(&call->argv, address->host);
        add_word(&call->argv, "-p");
        take_word(&call->argv, mem_printf("%d", address->port));
    }
    add_security(call, address);
}

static void host_redis(const struct redis_address *address, struct shell_call *call)
{
    add_word(&call->argv, "redis-cli");
    add_place(call, address);
    copy_environment(call, "");
    /* redis-cli takes a password from its arguments, which all may read, or from here, which only
     * its own user may. */
    if (address->password)
        take_word(&call->environment, mem_printf("REDISCLI_AUTH=%s", address->password));
}

/* At home it is at its own port: that of the address, unless the address is a published one. */
static void container_redis(const struct redis_config *config, const struct redis_address *address,
                            struct shell_call *call)
{
    const bool published = !address->host || strncmp(address->host, "127.", 4) == 0 ||
                           strcmp(address->host, "::1") == 0;

    add_container(call, config->exec_prefix, "redis-cli", "REDISCLI_AUTH",
                  mem_strdup(address->password));
    if (!published) {
        add_word(&call->argv, "-p");
        take_word(&call->argv, mem_printf("%d", address->port));
    }
    add_security(call, address);
}

bool shell_redis(const struct redis_config *config, int db, const char *banner,
                 struct shell_call *call, char **error)
{
    struct redis_address address = {0};

    *error = NULL;
    if (!redis_target(config, &address, error))
        return false;
    begin(call, banner, "redis-cli");
    if (is_in_container("redis-cli", config->exec_prefix))
        container_redis(config, &address, call);
    else
        host_redis(&address, call);
    add_word(&call->argv, "-n");
    take_word(&call->argv, mem_printf("%d", db >= 0 ? db : address.db));
    redis_address_free(&address);
    return true;
}
