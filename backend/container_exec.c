#include "backend/container_exec.h"

#include "backend/base/mem.h"
#include "backend/container_exec_guard.h"
#include "backend/container_exec_open.h"
#include "backend/container_exec_stream.h"
#include "backend/container_exec_terminal.h"
#include "backend/textfile.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFUSED = 125, NOT_RUN = 126, NOT_FOUND = 127, VARIABLES_MAX = 16 };

static const char usage[] =
    "usage: sharedtop exec [--socket PATH] [-i] [-t] [-e VARIABLE] CONTAINER COMMAND "
    "[ARGUMENT...]";

struct call {
    const char *socket;
    struct exec_wanted wanted;
    const char *variables[VARIABLES_MAX + 1];
    size_t variable_count;
};

/* ---- arguments ---- */

/* One word of options; false: it is none that is known. */
static bool take_letters(struct call *call, const char *word)
{
    for (word++; *word; word++) {
        if (*word == 'i')
            call->wanted.stdin_too = true;
        else if (*word == 't')
            call->wanted.terminal = true;
        else
            return false;
    }
    return true;
}

/* NULL: good; else what is wrong. */
static const char *parse(int argc, char *const *argv, struct call *call)
{
    static const char option[] = "--socket";
    const size_t len = sizeof(option) - 1;
    int at = 1;

    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strcmp(argv[at], option) == 0 && at + 1 < argc)
            call->socket = argv[++at];
        else if (strncmp(argv[at], option, len) == 0 && argv[at][len] == '=')
            call->socket = argv[at] + len + 1;
        else if (strcmp(argv[at], "-e") == 0 && at + 1 < argc &&
                 call->variable_count < VARIABLES_MAX)
            call->variables[call->variable_count++] = argv[++at];
        else if (argv[at][1] == '-' || !take_letters(call, argv[at]))
            return usage;
    }
    if (argc - at < 2)
        return usage;
    call->wanted.variables = call->variables;
    call->wanted.container = argv[at];
    call->wanted.argv = (const char *const *)argv + at + 1;
    return NULL;
}

/* ---- words ---- */

static int refuse(const char *error, int status)
{
    char *clean = container_clean(error);

    fprintf(stderr, "sharedtop exec: %s\n", clean);
    free(clean);
    return status;
}

/* The program could not be started: the engine's words about it, without its preamble. */
static void tell_excuse(const struct call *call, const char *excuse)
{
    const char *at = strstr(excuse, "exec: \"");
    char *text = mem_printf("%s: cannot run %s: %s", call->wanted.container, call->wanted.argv[0],
                            at ? at : excuse);

    refuse(text, 0);
    free(text);
}

/* ---- running ---- */

struct session {
    const struct container_client *client;
    const char *id;
    bool sized;
};

/* The program must run before its terminal has a size: what fails is tried again. */
static void follow_size(struct session *session)
{
    unsigned rows, columns;

    if (exec_terminal_resized())
        session->sized = false;
    if (!session->sized && exec_terminal_size(&rows, &columns))
        session->sized = exec_resize(session->client, session->id, rows, columns);
}

static bool heed(void *context)
{
    follow_size(context);
    return exec_terminal_signal() != 0;
}

static enum exec_end run_in_terminal(const struct container_client *client, const struct call *call,
                                     const struct exec_opened *opened, char **excuse)
{
    struct session session = {.client = client, .id = opened->id};
    struct exec_terminal terminal;
    struct exec_stream stream = {.socket = opened->socket,
                                 .feeds = call->wanted.stdin_too,
                                 .raw = true,
                                 .waiting = &terminal.waiting,
                                 .heed = heed,
                                 .context = &session};
    enum exec_end end;

    exec_terminal_begin(&terminal);
    for (int tries = 0; tries < 20 && !session.sized; tries++) {
        follow_size(&session);
        if (!session.sized && usleep(10000) != 0)
            break;
    }
    session.sized = true;
    end = exec_stream_run(&stream, &opened->more, excuse);
    exec_terminal_end(&terminal);
    return end;
}

static enum exec_end run_plain(const struct call *call, const struct exec_opened *opened,
                               char **excuse)
{
    const struct exec_stream stream = {.socket = opened->socket, .feeds = call->wanted.stdin_too};

    signal(SIGPIPE, SIG_IGN);
    return exec_stream_run(&stream, &opened->more, excuse);
}

/* As the signal would have ended us. */
static int end_by(int number)
{
    sigset_t only;

    signal(number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    return 128 + number;
}

/* After the stream's end: the exit status. */
static int conclude(const struct container_client *client, const struct call *call,
                    const struct exec_opened *opened, const char *excuse)
{
    char *error;
    int status = exec_status(client, opened->id, &error);

    if (status < 0) {
        status = refuse(error, REFUSED);
        free(error);
    } else if (excuse && (status == NOT_RUN || status == NOT_FOUND)) {
        tell_excuse(call, excuse);
    } else if (excuse && fwrite(excuse, strlen(excuse), 1, stdout) != 1) {
        status = 128 + SIGPIPE;
    }
    return status;
}

static int run(const struct container_client *client, const struct call *call)
{
    struct exec_guard guard = {0};
    struct exec_wanted wanted = call->wanted;
    struct exec_opened opened;
    char *error, *excuse = NULL;
    enum exec_end end;
    int status;

    if (wanted.terminal)
        exec_guard_begin(&guard, client, &wanted);
    if (!exec_open(client, &wanted, &opened, &error)) {
        exec_guard_end(&guard, true);
        status = refuse(error, REFUSED);
        free(error);
        return status;
    }
    end = wanted.terminal ? run_in_terminal(client, call, &opened, &excuse)
                          : run_plain(call, &opened, &excuse);
    if (end == EXEC_ENDED)
        status = conclude(client, call, &opened, excuse);
    else if (end == EXEC_BROKEN)
        status = refuse("the engine's stream broke off", REFUSED);
    else
        status = 128 + SIGPIPE;
    exec_guard_end(&guard, end == EXEC_ENDED);
    exec_opened_free(&opened);
    free(excuse);
    return end == EXEC_HEEDED ? end_by(exec_terminal_signal()) : status;
}

int container_exec_main(int argc, char *const *argv)
{
    struct call call = {0};
    struct container_client client;
    const char *wrong = parse(argc, argv, &call);
    char *error;
    int status;

    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
        return REFUSED;
    }
    if (!container_client_open(call.socket, &client, &error)) {
        status = refuse(error, REFUSED);
        free(error);
        return status;
    }
    status = run(&client, &call);
    container_client_close(&client);
    return status;
}

/* ---- for others ---- */

/* This program, also when its file was replaced since. */
static char *own_path(void)
{
    static const char gone[] = " (deleted)";
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    const size_t tail = sizeof(gone) - 1;

    if (len <= 0)
        return mem_strdup("sharedtop");
    path[len] = '\0';
    if ((size_t)len > tail && strcmp(path + (size_t)len - tail, gone) == 0)
        path[(size_t)len - tail] = '\0';
    return mem_strdup(path);
}

char *container_exec_prefix(const char *socket, const char *container, bool terminal)
{
    char *path = own_path(), *program = textfile_shell_quoted(path);
    char *name = textfile_shell_quoted(container);
    char *place = socket ? textfile_shell_quoted(socket) : NULL;
    char *prefix = mem_printf("%s exec%s%s %s %s", program, place ? " --socket " : "",
                              place ? place : "", terminal ? "-it" : "-i", name);

    free(path);
    free(program);
    free(name);
    free(place);
    return prefix;
}
