/* Which tool is called, and how: the one behind command_prefix, the host's, or the container's own. */
#include "backend/base/mem.h"
#include "backend/conninfo.h"
#include "backend/container_place.h"
#include "backend/job_internal.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT_MS = 5000 };

/* Runs behind the prefix, where neither our descriptors nor our process group reach. Its first line
 * of input goes into a password file that no one else can read and that goes with the tool. `watch`:
 * the tool reads no input, so that its end means that we have gone. */
static const char wrapper[] =
    "LC_ALL=C; export LC_ALL; umask 077; mode=$1; shift; f=; c=; w=; p=\n"
    "IFS= read -r p || mode=stream\n"
    "end() { [ -z \"$c\" ] || kill \"$c\" 2>/dev/null; }\n"
    "trap end HUP INT TERM; trap : PIPE\n"
    "if [ -n \"$p\" ]; then\n"
    "  for d in /dev/shm \"${TMPDIR:-/tmp}\"; do\n"
    "    f=$(mktemp \"$d/.sharedtop-XXXXXX\" 2>/dev/null) && break; f=\n"
    "  done\n"
    "  if [ -n \"$f\" ]; then\n"
    "    trap 'rm -f \"$f\"' EXIT\n"
    "    printf '%s\\n' \"$p\" >\"$f\"; PGPASSFILE=$f; export PGPASSFILE\n"
    "  fi\n"
    "fi\n"
    "p=; exec 3<&0\n"
    "if [ \"$mode\" = watch ]; then\n"
    "  \"$@\" </dev/null 3<&- & c=$!\n"
    "  { while read -r x <&3; do :; done; kill \"$c\" 2>/dev/null; } >/dev/null 2>&1 & w=$!\n"
    "else\n"
    "  \"$@\" <&3 3<&- & c=$!\n"
    "fi\n"
    "exec 3<&-\n"
    "while wait \"$c\"; s=$?; [ $s -gt 128 ] && kill -0 \"$c\" 2>/dev/null; do :; done\n"
    "[ -z \"$w\" ] || kill \"$w\" 2>/dev/null\n"
    "exit $s\n";

/* ---- versions ---- */

/* "pg_dump (PostgreSQL) 15.18 (Debian …)", "… 19devel" */
int job_tool_parse_version(const char *text)
{
    const char *at = strstr(text, ") ");
    char *end;
    long major;

    if (!at)
        return -1;
    at += 2;
    major = strtol(at, &end, 10);
    return end != at && major > 0 && major < 1000 ? (int)major : -1;
}

/* -1: it cannot be run. */
static int version_of(struct job *job, char **argv)
{
    char word[128] = "";
    int out = memfd_create("version", MFD_CLOEXEC);
    const struct job_tool tool = {.argv = argv, .pass_fd = -1};
    const struct job_run run = {.in = -1, .out = out};
    struct job_exit result;
    bool good;

    if (out < 0)
        return -1;
    job_child_run(job, &tool, &run, true, &result);
    free(result.words);
    good = result.started && !result.cancelled && WIFEXITED(result.status) &&
           WEXITSTATUS(result.status) == 0 && pread(out, word, sizeof(word) - 1, 0) > 0;
    close(out);
    return good ? job_tool_parse_version(word) : -1;
}

static int version_of_path(struct job *job, const char *path)
{
    char verb[] = "--version", *copy = mem_strdup(path);
    char *argv[] = {copy, verb, NULL};
    int version = version_of(job, argv);

    free(copy);
    return version;
}

/* ---- the words of a call ---- */

struct words {
    char **items;
    size_t count;
};

static void add_word(struct words *words, const char *word)
{
    words->items = mem_array(words->items, words->count + 2, sizeof(*words->items));
    words->items[words->count++] = mem_strdup(word);
    words->items[words->count] = NULL;
}

static void add_words(struct words *words, const char *const *more)
{
    for (; more && *more; more++)
        add_word(words, *more);
}

/* Words of a configuration are a shell's: quotes and variables mean what they mean there. */
static void add_prefix(struct words *words, const char *prefix)
{
    char *script = mem_printf("exec %s \"$@\"", prefix);

    add_word(words, "sh");
    add_word(words, "-c");
    add_word(words, script);
    add_word(words, "sh");
    free(script);
}

static bool is_set(const char *text)
{
    return text && *text;
}

static int version_behind(struct job *job, const char *prefix, const char *name)
{
    struct words words = {0};
    int version;

    add_prefix(&words, prefix);
    add_word(&words, name);
    add_word(&words, "--version");
    version = version_of(job, words.items);
    for (size_t i = 0; i < words.count; i++)
        free(words.items[i]);
    free(words.items);
    return version;
}

/* ---- the host's tool ---- */

/* Of those that Debian and others keep beside each other, the one nearest to the server: what a much
 * newer one writes an older server may not read. */
static char *find_beside(struct job *job, const char *name, int major)
{
    static const char *const places[] = {"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"};
    char *best = NULL;
    int best_version = 0;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *pattern = mem_printf("%s/%s", places[i], name);
        glob_t found;

        if (glob(pattern, 0, NULL, &found) == 0) {
            for (size_t k = 0; k < found.gl_pathc; k++) {
                int version = version_of_path(job, found.gl_pathv[k]);

                if (version >= major && (!best || version < best_version)) {
                    free(best);
                    best = mem_strdup(found.gl_pathv[k]);
                    best_version = version;
                }
            }
            globfree(&found);
        }
        free(pattern);
    }
    return best;
}

/* ---- which one ---- */

/* Always false: no tool there serves this server. host, inner: the versions of the host's and of the
 * container's, -1: there is none; inner 0: there is no container. */
static bool refuse_all(struct job *job, const char *name, int major, int host, int inner)
{
    const char *container = inner < 0   ? ", nor in its container"
                            : inner > 0 ? ", and its container's is too old"
                                        : "";

    if (host < 0)
        return job_fail(job,
                        "%s is not on this host%s: install postgresql-client-%d, or set "
                        "command_prefix (\"docker exec -i CONTAINER\")",
                        name, container, major);
    return job_fail(job,
                    "the host's %s is version %d and cannot serve a server %d%s: install "
                    "postgresql-client-%d, or set command_prefix (\"docker exec -i CONTAINER\")",
                    name, host, major, inner < 0 ? ", and its container has none" : container,
                    major);
}

/* *path: the host's tool, the caller frees it; *prefix: of what it is behind. False after job_fail. */
static bool choose(struct job *job, const char *name, char **path, const char **prefix)
{
    const struct postgres_config *config = job->postgres;
    int major, host, inner = 0;

    *path = NULL;
    *prefix = config->command_prefix;
    if (is_set(*prefix))
        return true;
    *prefix = NULL;
    major = job_pg_major(job);
    if (!major)
        return false;
    host = version_of_path(job, name);
    *path = host >= major ? mem_strdup(name) : find_beside(job, name, major);
    if (!*path && is_set(config->exec_prefix)) {
        inner = version_behind(job, config->exec_prefix, name);
        *prefix = inner >= major ? config->exec_prefix : NULL;
    }
    return *path || *prefix || refuse_all(job, name, major, host, inner);
}

/* A file in memory that only the child can open, by /proc/self/fd. */
static int open_passfile(const char *line)
{
    int fd = memfd_create("pass", MFD_CLOEXEC);
    size_t len = strlen(line);

    if (fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, line, len) == (ssize_t)len &&
        write(fd, "\n", 1) == 1)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* *line: the password as a passfile's line, or NULL when libpq finds it by itself. False after
 * job_fail. */
static bool find_password(struct job *job, char **line)
{
    char *error, *password = job_password(job->postgres, &error);

    *line = NULL;
    if (error) {
        job_fail(job, "%s", error);
        free(error);
        return false;
    }
    if (!password)
        return true;
    *line = passfile_line(password);
    mem_free_secret(password, strlen(password));
    return *line || job_fail(job, "the password of %s holds a line break, which no tool takes",
                             job->postgres->name);
}

static void free_line(char *line)
{
    if (line)
        mem_free_secret(line, strlen(line));
}

/* Adds how to connect; has_password: its file is there. */
static bool add_conninfo(struct job *job, struct words *words, const char *database,
                         bool has_password)
{
    char *application = job_application(job), *conninfo = NULL, *error = NULL;

    if (container_postgres_is_known(job->postgres, &error))
        conninfo =
            conninfo_for_tool(job->postgres->conninfo, database, application, has_password, &error);

    if (conninfo) {
        add_word(words, "--no-password");
        add_word(words, "--dbname");
        add_word(words, conninfo);
    } else {
        job_fail(job, "%s", error);
    }
    free(application);
    free(conninfo);
    free(error);
    return !error;
}

static bool host_tool(struct job *job, struct job_tool *tool, struct words *words, const char *path,
                      const char *database)
{
    char *line = NULL;
    bool good;

    add_word(words, path);
    if (!database)
        return true;
    good = find_password(job, &line);
    if (good && line) {
        tool->pass_fd = open_passfile(line);
        good = tool->pass_fd >= 0 ||
               job_fail(job, "no memory for the password file: %s", strerror(errno));
    }
    if (good)
        good = add_conninfo(job, words, database, line != NULL);
    free_line(line);
    return good;
}

/* ---- the tool behind a prefix ---- */

/* Of its socket, too: behind a prefix the usual port is tried unless another one is named. */
static void add_port(struct strbuf *conninfo, struct job *job, PGconn *conn)
{
    char *error = NULL;
    PGresult *result =
        job_pg_ask(job, conn, "SELECT current_setting('port')", 0, NULL, PORT_MS, &error);

    if (result && PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "5432") != 0)
        conninfo_add(conninfo, "port", PQgetvalue(result, 0, 0));
    PQclear(result);
    free(error);
}

/* It connects from where it is, by the local socket, as the user that we are. */
static bool add_login(struct job *job, struct job_tool *tool, struct words *words,
                      const char *database)
{
    char *application = job_application(job), *error = NULL, *line = NULL;
    PGconn *conn = job_pg_connect(job, job->postgres, NULL, application, 0, &error);
    struct strbuf conninfo = {0};

    if (!conn)
        job_fail(job, "%s", error);
    if (conn && PQpass(conn) && *PQpass(conn))
        line = passfile_line(PQpass(conn));
    tool->input = mem_printf("%s\n", line ? line : "");
    free_line(line);
    if (conn) {
        conninfo_add(&conninfo, "dbname", database);
        conninfo_add(&conninfo, "application_name", application);
        if (!is_set(job->postgres->command_prefix))
            add_port(&conninfo, job, conn);
        add_word(words, "--no-password");
        add_word(words, "--username");
        add_word(words, PQuser(conn));
        add_word(words, "--dbname");
        add_word(words, conninfo.s);
    }
    PQfinish(conn);
    strbuf_free(&conninfo);
    free(application);
    free(error);
    return conn != NULL;
}

static bool prefixed_tool(struct job *job, struct job_tool *tool, struct words *words,
                          const char *prefix, const char *database)
{
    tool->prefixed = true;
    add_prefix(words, prefix);
    add_word(words, "sh");
    add_word(words, "-c");
    add_word(words, wrapper);
    add_word(words, "sh");
    tool->mode_at = words->count;
    add_word(words, "watch");
    add_word(words, tool->name);
    if (database)
        return add_login(job, tool, words, database);
    tool->input = mem_strdup("\n");
    return true;
}

/* ---- for the works ---- */

bool job_tool_new(struct job *job, struct job_tool *tool, const char *name, const char *database,
                  const char *const *words)
{
    struct words all = {0};
    const char *prefix;
    char *path;
    bool good;

    *tool = (struct job_tool){.pass_fd = -1, .name = name};
    job_process_of(job)->sessions = true;
    good = choose(job, name, &path, &prefix);
    if (good && prefix)
        good = prefixed_tool(job, tool, &all, prefix, database);
    else if (good)
        good = host_tool(job, tool, &all, path, database);
    free(path);
    add_words(&all, words);
    tool->argv = all.items;
    if (!good)
        job_tool_free(tool);
    return good;
}

void job_tool_free(struct job_tool *tool)
{
    for (char **word = tool->argv; word && *word; word++)
        free(*word);
    free(tool->argv);
    free_line(tool->input);
    if (tool->pass_fd >= 0)
        close(tool->pass_fd);
    *tool = (struct job_tool){.pass_fd = -1};
}
