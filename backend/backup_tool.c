#include "backend/backup_tool.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/conninfo.h"
#include "backend/job_internal.h"
#include "backend/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VERSION_MS = 5000, WORDS_MAX = 4096 };

/* ---- running it ---- */

/* In a group of its own, its output in the pipe. 0, or errno. */
static int start(char *const *argv, int out, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    char **environment = job_clean_environ();
    int error;

    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    error = posix_spawnp(pid, argv[0], &files, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    free(environment);
    return error;
}

/* What it says until it ends. False: it took too long. */
static bool listen_to(int fd, struct strbuf *words)
{
    const int64_t until = job_clock() + VERSION_MS;
    struct pollfd in = {.fd = fd, .events = POLLIN};
    char room[512];
    ssize_t n = 1;

    while (n != 0) {
        const int64_t left = until - job_clock();

        if (left <= 0)
            return false;
        if (poll(&in, 1, (int)left) <= 0)
            continue;
        n = read(fd, room, sizeof(room));
        if (n > 0 && words->len < WORDS_MAX)
            strbuf_add(words, room, (size_t)n);
    }
    return true;
}

static int wait_for_end(pid_t pid)
{
    int status = -1;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* The first line of what it says; *error (both are the caller's): why it cannot be run. */
static char *say_version(char *const *argv, char **error)
{
    struct strbuf words = {0};
    int ends[2], status = -1;
    pid_t pid = 0;
    bool in_time = false;

    *error = NULL;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        *error = mem_strdup(strerror(errno));
        return NULL;
    }
    status = start(argv, ends[1], &pid);
    close(ends[1]);
    if (status == 0) {
        in_time = listen_to(ends[0], &words);
        if (!in_time)
            kill(-pid, SIGKILL);
        status = wait_for_end(pid);
        strbuf_addc(&words, '\n');
        words.s[strcspn(words.s, "\r\n")] = '\0';
        if (!in_time || status != 0)
            *error = mem_strdup(!in_time ? "it did not answer" : words.s);
    } else {
        *error = mem_strdup(strerror(status));
    }
    close(ends[0]);
    if (!*error)
        return strbuf_take(&words);
    strbuf_free(&words);
    return NULL;
}

/* ---- finding it ---- */

static char *version_of_path(const char *path, char **error)
{
    char verb[] = "--version", *copy = mem_strdup(path), *version;
    char *argv[] = {copy, verb, NULL};

    version = say_version(argv, error);
    free(copy);
    return version;
}

/* Takes it if it is the better one: new enough, and nearest to the server. */
static void offer(struct backup_tool *tool, const char *path, int major)
{
    char *error, *version = version_of_path(path, &error);
    const int found = version ? job_tool_parse_version(version) : -1;

    free(error);
    if (found < major || (tool->path && job_tool_parse_version(tool->version) <= found)) {
        free(version);
        return;
    }
    free(tool->path);
    free(tool->version);
    tool->path = mem_strdup(path);
    tool->version = version;
}

static void find_beside(struct backup_tool *tool, const char *name, int major)
{
    static const char *const places[] = {"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *pattern = mem_printf("%s/%s", places[i], name);
        glob_t found;

        if (glob(pattern, 0, NULL, &found) == 0) {
            for (size_t k = 0; k < found.gl_pathc; k++)
                offer(tool, found.gl_pathv[k], major);
            globfree(&found);
        }
        free(pattern);
    }
}

static void find_on_host(const char *name, int major, struct backup_tool *tool)
{
    offer(tool, name, major);
    if (!tool->path)
        find_beside(tool, name, major);
}

/* host: what the host's says of itself, or NULL; why: it says nothing. */
static void refuse(struct backup_tool *tool, const char *name, int major, const char *host,
                   const char *why)
{
    const char *inner = tool->error ? tool->error : "";
    const char *comma = tool->error ? "; " : "";
    char *text;

    if (host)
        text = mem_printf("the host's %s cannot dump a server %d%s%s: install "
                          "postgresql-client-%d, or set command_prefix (\"docker exec -i "
                          "CONTAINER\")",
                          host, major, comma, inner, major);
    else
        text = mem_printf("%s is not on this host (%s)%s%s: install postgresql-client-%d, or set "
                          "command_prefix (\"docker exec -i CONTAINER\")",
                          name, why, comma, inner, major);
    free(tool->error);
    tool->error = text;
}

static void find_behind(const char *prefix, const char *name, int major, struct backup_tool *tool)
{
    char *script = mem_printf("exec %s %s --version", prefix, name), *error;
    char shell[] = "sh", option[] = "-c";
    char *argv[] = {shell, option, script, NULL};

    tool->version = say_version(argv, &error);
    if (!tool->version)
        tool->error = mem_printf("'%s %s' cannot be run: %s", prefix, name, error);
    else if (job_tool_parse_version(tool->version) < major)
        tool->error = mem_printf("'%s %s' is %s, too old for a server %d", prefix, name,
                                 tool->version, major);
    tool->path = mem_strdup(name);
    tool->prefix = mem_strdup(prefix);
    free(error);
    free(script);
}

/* The host has none that does: the server's own container has. */
static void find_in_container(const struct postgres_config *config, const char *name, int major,
                              struct backup_tool *tool)
{
    char *why, *host = version_of_path(name, &why);

    if (config->exec_prefix && *config->exec_prefix)
        find_behind(config->exec_prefix, name, major, tool);
    if (!tool->path || tool->error)
        refuse(tool, name, major, host, why);
    else if (host)
        tool->reason =
            mem_printf("the host's %s cannot dump a server %d: that of the container %s is used",
                       host, major, config->container);
    else
        tool->reason = mem_printf("the host has no %s: that of the container %s is used", name,
                                  config->container);
    free(host);
    free(why);
}

static void find_as_configured(const char *prefix, const char *name, int major,
                               struct backup_tool *tool)
{
    char *error;

    find_behind(prefix, name, major, tool);
    error = tool->error;
    if (error)
        tool->error = mem_printf("%s: check command_prefix", error);
    free(error);
}

void backup_tool_find(const struct postgres_config *config, const char *name, int major,
                      struct backup_tool *tool)
{
    *tool = (struct backup_tool){0};
    if (config->command_prefix && *config->command_prefix) {
        find_as_configured(config->command_prefix, name, major, tool);
        return;
    }
    find_on_host(name, major, tool);
    if (!tool->path)
        find_in_container(config, name, major, tool);
    else if (config->exec_prefix && *config->exec_prefix)
        tool->reason = mem_printf("the host's is used: it is new enough for a server %d", major);
}

void backup_tool_free(struct backup_tool *tool)
{
    free(tool->path);
    free(tool->version);
    free(tool->prefix);
    free(tool->reason);
    free(tool->error);
    *tool = (struct backup_tool){0};
}

/* ---- its call ---- */

/* A conninfo is full of single quotes: double ones around it can be read. */
static char *quote(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-./,:@%+=";

    if (*word && word[strspn(word, plain)] == '\0')
        return mem_strdup(word);
    return strpbrk(word, "\"$`\\!") ? textfile_shell_quoted(word) : mem_printf("\"%s\"", word);
}

static void add_word(struct strbuf *call, const char *word)
{
    char *quoted = quote(word);

    strbuf_addf(call, "%s%s", call->len ? " " : "", quoted);
    free(quoted);
}

/* As job_tool_new has it, which knows more: where the password is. */
static char *conninfo_of(const struct postgres_config *config, const char *job,
                         const char *database, bool prefixed)
{
    char *application = mem_printf("sharedtop job %s", job), *conninfo = NULL, *error = NULL;
    struct strbuf own = {0};

    if (prefixed) {
        conninfo_add(&own, "dbname", database ? database : "postgres");
        conninfo_add(&own, "application_name", application);
        conninfo = strbuf_take(&own);
    } else {
        conninfo = conninfo_for_tool(config->conninfo, database, application, false, &error);
    }
    free(error);
    free(application);
    return conninfo;
}

char *backup_tool_call(const struct postgres_config *config, const struct backup_tool *tool,
                       const char *other, const char *job, const char *database, const char *user,
                       const char *const *words)
{
    const char *path = tool->path ? tool->path : "pg_dump", *slash = strrchr(path, '/');
    char *name = other ? mem_printf("%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, other)
                       : mem_strdup(path);
    const bool prefixed = tool->prefix != NULL;
    char *conninfo = conninfo_of(config, job, database, prefixed);
    struct strbuf call = {0};

    if (prefixed)
        strbuf_adds(&call, tool->prefix);
    add_word(&call, name);
    add_word(&call, "--no-password");
    if (prefixed) {
        add_word(&call, "--username");
        add_word(&call, user);
    }
    add_word(&call, "--dbname");
    add_word(&call, conninfo ? conninfo : "");
    for (; *words; words++)
        add_word(&call, *words);
    free(conninfo);
    free(name);
    return strbuf_take(&call);
}
