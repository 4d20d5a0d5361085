#include "tests/integration/pg_pooler.h"

#include "backend/base/mem.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_LINKS = 8, BUFFER = 65536, POOLER_PORT = 6432 };

struct link {
    int client, server;
    bool keyed; /* the process id has passed */
};

/* ---- the child ---- */

static int unix_socket(const char *directory, int port, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *any = (const struct sockaddr *)&address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.%d", directory, port);
    if (listens ? bind(fd, any, sizeof(address)) == 0 && listen(fd, MAX_LINKS) == 0
                : connect(fd, any, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Messages are a letter, a length that counts itself, and a body; 'K' holds the process id. */
static void forge_pid(struct link *link, char *bytes, size_t len)
{
    size_t at = 0;

    while (!link->keyed && at + 9 <= len) {
        uint32_t size;

        memcpy(&size, bytes + at + 1, sizeof(size));
        if (bytes[at] == 'K') {
            memset(bytes + at + 5, 1, 4);
            link->keyed = true;
        }
        at += 1 + (size_t)ntohl(size);
    }
}

/* A statement that is used but not prepared in the same breath is unknown to this server process. */
static void forget_statement(char *bytes, size_t len)
{
    static const char name[] = "sharedtop_activity", sql[] = "pg_stat_get_activity(NULL)";
    char *at = memmem(bytes, len, name, sizeof(name));

    if (at && !memmem(bytes, len, sql, sizeof(sql) - 1))
        at[0] = 'x';
}

static void note_request(char *bytes, size_t len, struct pg_pooler_seen *seen)
{
    if (memmem(bytes, len, "sharedtop_", 10))
        atomic_fetch_add(&seen->prepared, 1);
    if (atomic_load(&seen->forgets))
        forget_statement(bytes, len);
}

static bool pass(int from, int to, struct link *link, struct pg_pooler_seen *seen)
{
    static char bytes[BUFFER];
    ssize_t len = read(from, bytes, sizeof(bytes));

    if (len <= 0)
        return false;
    if (from == link->client)
        note_request(bytes, (size_t)len, seen);
    else if (!atomic_load(&seen->forgets))
        forge_pid(link, bytes, (size_t)len);
    for (ssize_t done = 0, n; done < len; done += n) {
        n = write(to, bytes + done, (size_t)(len - done));
        if (n <= 0)
            return false;
    }
    return true;
}

static void drop_link(struct link *link)
{
    close(link->client);
    close(link->server);
    *link = (struct link){-1, -1, false};
}

static void accept_link(int listener, const char *directory, int port, struct link *links,
                        struct pg_pooler_seen *seen)
{
    int fd = accept(listener, NULL, NULL);

    for (size_t i = 0; i < MAX_LINKS; i++) {
        if (links[i].client >= 0)
            continue;
        links[i] = (struct link){fd, unix_socket(directory, port, false), false};
        atomic_fetch_add(&seen->sessions, 1);
        return;
    }
    close(fd);
}

static void __attribute__((noreturn))
run_pooler(int listener, const char *directory, int port, struct pg_pooler_seen *seen)
{
    struct link links[MAX_LINKS];

    for (size_t i = 0; i < MAX_LINKS; i++)
        links[i] = (struct link){-1, -1, false};
    for (;;) {
        struct pollfd fds[1 + 2 * MAX_LINKS] = {{.fd = listener, .events = POLLIN}};

        for (size_t i = 0; i < MAX_LINKS; i++) {
            fds[1 + 2 * i] = (struct pollfd){.fd = links[i].client, .events = POLLIN};
            fds[2 + 2 * i] = (struct pollfd){.fd = links[i].server, .events = POLLIN};
        }
        if (poll(fds, 1 + 2 * MAX_LINKS, -1) < 0)
            _exit(1);
        for (size_t i = 0; i < MAX_LINKS; i++) {
            struct link *link = &links[i];

            if (fds[1 + 2 * i].revents && !pass(link->client, link->server, link, seen))
                drop_link(link);
            else if (fds[2 + 2 * i].revents && !pass(link->server, link->client, link, seen))
                drop_link(link);
        }
        if (fds[0].revents)
            accept_link(listener, directory, port, links, seen);
    }
}

/* ---- for the tests ---- */

int pg_pooler_start(void **state)
{
    struct pg_pooler *pooler = mem_zalloc(sizeof(*pooler));
    const char *directory;
    int listener, port;

    pooler->lab = lab_start(NULL);
    directory = lab_get(pooler->lab, "LAB_DIR");
    port = (int)strtol(lab_get(pooler->lab, "LAB_PG_PORT"), NULL, 10);
    pooler->seen = mmap(NULL, sizeof(*pooler->seen), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    listener = unix_socket(directory, POOLER_PORT, true);
    assert_true(pooler->seen != MAP_FAILED && listener >= 0);
    pooler->pid = fork();
    if (pooler->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        run_pooler(listener, directory, port, pooler->seen);
    }
    close(listener);
    *state = pooler;
    return 0;
}

int pg_pooler_stop(void **state)
{
    struct pg_pooler *pooler = *state;

    kill(pooler->pid, SIGKILL);
    waitpid(pooler->pid, NULL, 0);
    munmap(pooler->seen, sizeof(*pooler->seen));
    lab_stop(pooler->lab);
    free(pooler);
    return 0;
}

char *pg_pooler_conninfo(const struct pg_pooler *pooler)
{
    return mem_printf("%s port=%d", lab_get(pooler->lab, "LAB_PG"), POOLER_PORT);
}
