#include "backend/container_exec_guard.h"

#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STANDS_MS = 3000 };

/* A line of input: all is over. The end of it: we have gone. */
static const char watching[] =
    "f=$1; echo; read -r x && { rm -f \"$f\"; exit; }\n"
    "read -r p <\"$f\" && { kill -INT \"$p\"; sleep 1; kill -HUP \"$p\"; }; rm -f \"$f\"\n";

static const char announcing[] =
    "f=$1; shift; umask 077; (set -C; echo $$ >\"$f\") 2>/dev/null; exec \"$@\"";

static char *random_name(void)
{
    uint64_t salt[2];

    if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return NULL;
    return mem_printf("/dev/shm/.sharedtop-exec-%016llx%016llx", (unsigned long long)salt[0],
                      (unsigned long long)salt[1]);
}

/* Its empty line has come: a shell runs there. */
static bool has_said_so(const struct exec_opened *opened)
{
    const int64_t until = job_clock() + STANDS_MS;
    struct pollfd in = {.fd = opened->socket, .events = POLLIN};
    char room[64];
    size_t len = opened->more.len < sizeof(room) ? opened->more.len : sizeof(room);

    memcpy(room, opened->more.s ? opened->more.s : "", len);
    while (len < 9) { /* a frame of one byte */
        const int64_t left = until - job_clock();
        ssize_t n;

        if (left <= 0 || poll(&in, 1, (int)left) < 0)
            return false;
        n = recv(opened->socket, room + len, sizeof(room) - len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        len += n > 0 ? (size_t)n : 0;
    }
    return room[0] == 1 && room[7] == 1 && room[8] == '\n';
}

static void announce(struct exec_guard *guard, struct exec_wanted *wanted)
{
    const char *const before[] = {"sh", "-c", announcing, "sh", guard->file};
    const size_t first = sizeof(before) / sizeof(before[0]);
    size_t count = 0;

    while (wanted->argv[count])
        count++;
    guard->argv = mem_array(NULL, first + count + 1, sizeof(*guard->argv));
    memcpy(guard->argv, before, sizeof(before));
    memcpy(guard->argv + first, wanted->argv, (count + 1) * sizeof(*wanted->argv));
    wanted->argv = guard->argv;
}

void exec_guard_begin(struct exec_guard *guard, const struct container_client *client,
                      struct exec_wanted *wanted)
{
    char *file = random_name(), *error = NULL;
    const char *const argv[] = {"sh", "-c", watching, "sh", file, NULL};
    const struct exec_wanted watch = {
        .container = wanted->container, .argv = argv, .stdin_too = true};

    *guard = (struct exec_guard){.opened.socket = -1, .file = file};
    guard->stands =
        file && exec_open(client, &watch, &guard->opened, &error) && has_said_so(&guard->opened);
    free(error);
    if (guard->stands)
        announce(guard, wanted);
}

void exec_guard_end(struct exec_guard *guard, bool over)
{
    if (guard->stands && over && send(guard->opened.socket, "\n", 1, MSG_NOSIGNAL) == 1) {
        struct pollfd in = {.fd = guard->opened.socket, .events = POLLIN};

        shutdown(guard->opened.socket, SHUT_WR);
        poll(&in, 1, 1000); /* its end: the file has gone */
    }
    if (guard->argv || guard->file)
        exec_opened_free(&guard->opened);
    free(guard->file);
    free(guard->argv);
    *guard = (struct exec_guard){.opened.socket = -1};
}
