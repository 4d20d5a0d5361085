#include "backend/monitor_guard.h"

#include "backend/base/mem.h"
#include "backend/monitor_watch.h"
#include "backend/redis_link.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_S = 5,    /* for its process to get ready */
    LATE_MS = 1000, /* after its time Redis 5 ends a blocking command, of LATE_CLIENTS or more */
    LATE_CLIENTS = 50
};

struct monitor_guard {
    struct guard_shared *shared;
    int life;      /* the end that only this process holds */
    int switch_fd; /* the connection of the switch that lies in the server; -1: none yet */
    uint64_t seen;
};

uint32_t monitor_guard_token(void)
{
    uint32_t token = 0;

    if (getrandom(&token, sizeof(token), GRND_NONBLOCK) != sizeof(token))
        token = (uint32_t)getpid() * 2654435761U;
    return 1000000000U + token % 1000000000U;
}

static struct guard_shared *new_shared(const struct guard_stream *stream)
{
    struct guard_shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return NULL;
    shared->stream = *stream;
    atomic_init(&shared->state, GUARD_STARTING);
    atomic_init(&shared->memory, -1);
    atomic_init(&shared->limit, GUARD_MEMORY_MAX);
    return shared;
}

/* ---- its process ---- */

/* Where a sandbox refuses close_range. */
static void close_listed(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (fd > STDERR_FILENO + 1 && fd != dirfd(dir))
            close(fd);
    }
    if (dir)
        closedir(dir);
}

static void close_all_but(int kept)
{
    dup2(kept, STDERR_FILENO + 1);
    if (syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0) != 0)
        close_listed();
}

/* What belongs to the dashboard is let go: its terminal, its signals, its connections, which would
 * stay open through us when it is gone. */
static int leave_home(int life)
{
    static const int handled[] = {SIGINT,  SIGQUIT, SIGHUP,  SIGTERM, SIGTSTP, SIGTTIN,
                                  SIGTTOU, SIGPIPE, SIGCHLD, SIGCONT, SIGWINCH};
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    int null = open("/dev/null", O_RDWR);
    sigset_t none;

    signal(SIGALRM, SIG_DFL); /* it does not stay, should it hang on what a thread had locked */
    alarm(START_S);
    setsid();
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
        signal(handled[i], SIG_IGN);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        signal(crashes[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    close_all_but(life);
    if (chdir("/") < 0)
        errno = 0;
    prctl(PR_SET_NAME, "sharedtop-guard");
    setpriority(PRIO_PROCESS, 0, -5); /* if it may */
    return STDERR_FILENO + 1;
}

/* Twice, so that nobody has to wait for the second. */
static bool start_process(struct guard_shared *shared, const struct redis_address *address,
                          const int *life)
{
    pid_t child = fork(), second, waited;
    int status = 1;

    if (child == 0) {
        second = fork();
        if (second == 0)
            monitor_watch(shared, address, leave_home(life[0]));
        _exit(second < 0);
    }
    if (child < 0)
        return false;
    do {
        waited = waitpid(child, &status, 0);
    } while (waited < 0 && errno == EINTR);
    /* Where SIGCHLD is ignored nobody can say how it ended; a guard that is not there is noticed. */
    return waited < 0 ? errno == ECHILD : WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct monitor_guard *monitor_guard_start(const struct redis_address *address,
                                          const struct guard_stream *stream)
{
    struct guard_shared *shared = new_shared(stream);
    struct monitor_guard *guard;
    int life[2];
    bool started;

    if (!shared)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, life) < 0) {
        munmap(shared, sizeof(*shared));
        return NULL;
    }
    started = start_process(shared, address, life);
    close(life[0]);
    guard = mem_zalloc(sizeof(*guard));
    *guard = (struct monitor_guard){.shared = shared, .life = life[1], .switch_fd = -1};
    if (started)
        return guard;
    monitor_guard_free(guard);
    return NULL;
}

void monitor_guard_beat(struct monitor_guard *guard)
{
    atomic_fetch_add_explicit(&guard->shared->beat, 1, memory_order_relaxed);
}

void monitor_guard_rate(struct monitor_guard *guard, uint64_t bytes_per_second)
{
    atomic_store_explicit(&guard->shared->rate, bytes_per_second ? bytes_per_second : 1,
                          memory_order_relaxed);
}

enum guard_state monitor_guard_state(const struct monitor_guard *guard, char *reason, size_t size)
{
    int state = atomic_load_explicit(&guard->shared->state, memory_order_acquire);

    if (state == GUARD_REFUSED || state == GUARD_ENDED)
        snprintf(reason, size, "%s", guard->shared->reason);
    else
        reason[0] = '\0';
    return (enum guard_state)state;
}

bool monitor_guard_moves(struct monitor_guard *guard)
{
    uint64_t now = atomic_load_explicit(&guard->shared->pulse, memory_order_relaxed);
    bool moves = now != guard->seen;

    guard->seen = now;
    return moves;
}

long long monitor_guard_memory(const struct monitor_guard *guard)
{
    return atomic_load_explicit(&guard->shared->memory, memory_order_relaxed);
}

long long monitor_guard_limit(const struct monitor_guard *guard)
{
    return atomic_load_explicit(&guard->shared->limit, memory_order_relaxed);
}

int monitor_guard_fd(const struct monitor_guard *guard)
{
    return guard->life;
}

/* The reader's process keeps the connection open when this one has gone: even what it has not taken
 * yet lies in its socket. */
bool monitor_hand_on(int life, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = {.bytes = ""};
    struct iovec data = {.iov_base = (char[]){'s'}, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(int));
    return sendmsg(life, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* A newer one takes the place of the old, which the guard shuts down. */
static bool take_switch(struct monitor_guard *guard)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    const struct cmsghdr *head;

    if (recvmsg(guard->life, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
        return false;
    head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_type != SCM_RIGHTS)
        return true; /* no descriptor is left here: the guard holds it alone */
    if (guard->switch_fd >= 0)
        close(guard->switch_fd);
    memcpy(&guard->switch_fd, CMSG_DATA(head), sizeof(int));
    return true;
}

bool monitor_guard_is_gone(struct monitor_guard *guard)
{
    struct pollfd life = {.fd = guard->life, .events = POLLIN};

    if (poll(&life, 1, 0) != 1)
        return false;
    while (take_switch(guard))
        continue;
    return life.revents & (POLLHUP | POLLERR);
}

void monitor_guard_free(struct monitor_guard *guard)
{
    if (!guard)
        return;
    send(guard->life, "b", 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* it may have gone before */
    if (guard->switch_fd >= 0)
        close(guard->switch_fd);
    close(guard->life);
    munmap(guard->shared, sizeof(*guard->shared));
    free(guard);
}

/* As Redis writes it; "" for what is no address of a network. */
static void write_address(const struct sockaddr_storage *address, char *text, size_t size)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    char host[INET6_ADDRSTRLEN];

    text[0] = '\0';
    if (address->ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)))
        snprintf(text, size, "%s:%d", host, ntohs(v4->sin_port));
    if (address->ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)))
        snprintf(text, size, "[%s]:%d", host, ntohs(v6->sin6_port));
}

bool monitor_guard_is_direct(int fd, const char *line, size_t len)
{
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC}, peer = own;
    socklen_t own_size = sizeof(own), peer_size = sizeof(peer);
    char addr[64], laddr[64];

    if (getsockname(fd, (struct sockaddr *)&own, &own_size) < 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_size) < 0)
        return false;
    write_address(&own, addr, sizeof(addr));
    write_address(&peer, laddr, sizeof(laddr));
    return monitor_client_is_direct(line, len, addr, laddr);
}

/* ---- pure ---- */

static long long field(const char *line, size_t len, const char *name)
{
    const char *at = memmem(line, len, name, strlen(name));
    long long value = 0;
    bool any = false;

    for (at = at ? at + strlen(name) : NULL; at && at < line + len && *at >= '0' && *at <= '9';
         at++) {
        if (value > (1LL << 56))
            return -1;
        value = 10 * value + (*at - '0');
        any = true;
    }
    return any ? value : -1;
}

long long monitor_client_memory(const char *line, size_t len)
{
    long long total = field(line, len, " tot-mem=");

    return total >= 0 ? total : field(line, len, " omem=");
}

size_t monitor_client_line(const char *list, size_t len, long long client, const char **line)
{
    char begin[32];
    size_t want = (size_t)snprintf(begin, sizeof(begin), "id=%lld ", client);
    const char *end = list + len;

    for (const char *at = list; at < end;) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((lf ? lf : end) - at);

        if (size >= want && memcmp(at, begin, want) == 0) {
            *line = at;
            return size;
        }
        at += size + 1;
    }
    return 0;
}

/* The path of a socket may hold spaces: what follows says where it ends. */
bool monitor_client_address(const char *line, size_t len, char *address, size_t size)
{
    static const char name[] = " addr=";
    const char *at = memmem(line, len, name, sizeof(name) - 1), *end, *fd;

    if (!at)
        return false;
    at += sizeof(name) - 1;
    len -= (size_t)(at - line);
    end = memmem(at, len, " laddr=", 7);
    fd = memmem(at, len, " fd=", 4);
    if (!end || (fd && fd < end))
        end = fd;
    if (!end || (size_t)(end - at) >= size)
        return false;
    memcpy(address, at, (size_t)(end - at));
    address[end - at] = '\0';
    return true;
}

/* That address and no longer one. */
static bool has_address(const char *line, size_t len, const char *name, const char *address)
{
    char want[80];
    int size = snprintf(want, sizeof(want), "%s%s ", name, address);

    return size > 0 && (size_t)size < sizeof(want) && memmem(line, len, want, (size_t)size);
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

bool monitor_client_is_direct(const char *line, size_t len, const char *addr, const char *laddr)
{
    if (!is_loopback(addr) || !is_loopback(laddr) || !has_address(line, len, " addr=", addr))
        return false;
    return !memmem(line, len, " laddr=", 7) || has_address(line, len, " laddr=", laddr);
}

bool monitor_client_is_ours(const char *line, size_t len)
{
    static const char name[] = " name=" REDIS_CLIENT_NAME " ";

    return memmem(line, len, name, sizeof(name) - 1) != NULL;
}

void monitor_info_run(const char *info, size_t len, char *run, size_t size)
{
    static const char name[] = "\nrun_id:";
    const char *at = memmem(info, len, name, sizeof(name) - 1);
    size_t n = 0;

    for (at = at ? at + sizeof(name) - 1 : NULL;
         at && at < info + len && n + 1 < size && *at != '\r' && *at != '\n'; at++)
        run[n++] = *at;
    run[n] = '\0';
}

bool monitor_error_is_syntax(const char *error)
{
    static const char *const words[] = {"syntax error", "unknown subcommand",
                                        "wrong number of arguments"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strncmp(error, "ERR ", 4) == 0 && strcasestr(error, words[i]))
            return true;
    }
    return false;
}

long long monitor_info_number(const char *info, const char *name)
{
    const char *at = strstr(info, name);

    at = at ? at + strlen(name) : "";
    return *at >= '0' && *at <= '9' ? strtoll(at, NULL, 10) : -1;
}

bool monitor_info_is_replica(const char *info)
{
    return strstr(info, "\nrole:slave") != NULL;
}

bool monitor_info_tells(const char *info)
{
    long long max = monitor_info_number(info, "\nmaxmemory:");

    return max == 0 || (max > 0 && monitor_info_number(info, "\nused_memory:") >= 0);
}

/* Before Redis 5 a replica evicts as its master does. */
long long monitor_info_room(const char *info)
{
    long long used = monitor_info_number(info, "\nused_memory:");
    long long max = monitor_info_number(info, "\nmaxmemory:");

    if (max == 0 ||
        (monitor_info_is_replica(info) && monitor_info_number(info, "\nredis_version:") >= 5))
        return -1;
    return used >= 0 && max > used ? max - used : 0;
}

double monitor_info_input(const char *info)
{
    static const char name[] = "\ninstantaneous_input_kbps:";
    const char *at = strstr(info, name);
    double kilobytes = at ? strtod(at + sizeof(name) - 1, NULL) : -1;

    return kilobytes >= 0 && kilobytes < 1e12 ? 1024 * kilobytes : -1;
}

int monitor_info_late_ms(const char *info)
{
    bool many = monitor_info_number(info, "\nconnected_clients:") >= LATE_CLIENTS;

    return many && monitor_info_number(info, "\nredis_version:") < 6 ? LATE_MS : 0;
}

bool monitor_info_lists(const char *info, size_t line, size_t free)
{
    long long clients = monitor_info_number(info, "\nconnected_clients:");
    long long room = monitor_info_room(info);
    double list = (double)clients * (double)line;

    return room < 0 || (clients >= 0 && (list <= (double)free || (double)room >= 4 * list));
}

static bool ends_with(const char *line, size_t len, const char *end, size_t size)
{
    return len >= size && memcmp(line + len - size, end, size) == 0;
}

bool monitor_is_guard_line(const char *line, size_t len)
{
    static const char server[] = "] \"" GUARD_INFO "\" \"" GUARD_INFO_SERVER "\"",
                      memory[] = "] \"" GUARD_INFO "\" \"" GUARD_INFO_MEMORY "\"",
                      replication[] = "] \"" GUARD_INFO "\" \"" GUARD_INFO_REPLICATION "\"";

    switch (len < 2 ? '\0' : line[len - 2]) {
    case 'r': return ends_with(line, len, server, sizeof(server) - 1);
    case 'y': return ends_with(line, len, memory, sizeof(memory) - 1);
    case 'N': return ends_with(line, len, replication, sizeof(replication) - 1);
    default: return false;
    }
}

long long monitor_memory_limit(long long used, long long max)
{
    long long limit = max > 0 && used >= 0 ? (max - used) / 8 : 0;

    if (max == 0 || limit > GUARD_MEMORY_MAX)
        return GUARD_MEMORY_MAX;
    return limit < GUARD_MEMORY_MIN ? GUARD_MEMORY_MIN : limit;
}
