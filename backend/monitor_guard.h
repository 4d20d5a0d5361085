/* What ends a MONITOR when its reader cannot: a small process in a session of its own, which watches
 * the reader's heartbeat and what the server keeps for it, and a switch that lies in the server
 * itself. On a connection beside the stream stands a blocking command with a time limit, and behind
 * it CLIENT KILL of the stream: unless that connection is closed in time (in favour of a newer one),
 * the server ends the stream alone, even when nothing reaches it any more. The guard lays the switch and
 * hands its connection on to the reader's process, so that it lies there as long as one of the two
 * lives: whichever of them stops or dies, in whatever order, it works. */
#ifndef BACKEND_MONITOR_GUARD_H
#define BACKEND_MONITOR_GUARD_H

#include "backend/redis_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GUARD_STALL_MS = 1000,  /* without a heartbeat it kills */
    GUARD_SWITCH_MS = 2500, /* after which the server does at most, when nobody renews the switch */
    GUARD_LINE = 400,       /* bytes that CLIENT LIST has for a client */
    GUARD_LIST_FREE =
        12 << 10, /* so many of it stand in what a connection takes before 6.2 anyway */
    GUARD_MEMORY_MIN = 256 << 10,
    GUARD_MEMORY_MAX = 4 << 20 /* bytes that the server may keep for the stream */
};

enum guard_state {
    GUARD_STARTING,
    GUARD_ARMED,
    GUARD_REFUSED, /* it cannot guard: MONITOR must not begin */
    GUARD_ENDED    /* it has ended the stream, or the server has */
};

/* Written as nobody does, so that the reader can leave out what the guard asks. */
#define GUARD_INFO             "iNfO"
#define GUARD_INFO_SERVER      "sERvEr"
#define GUARD_INFO_MEMORY      "mEMoRy"
#define GUARD_INFO_REPLICATION "rEPlIcAtIoN"

#define GUARD_NO_LIST                                                                              \
    "too little room in the server: before Redis 6.2 it lists all its clients or none, and the "   \
    "list could cost keys"

#define GUARD_NO_FIGURES                                                                           \
    "the server does not tell its memory and its limit (used_memory and maxmemory of INFO), so "   \
    "nobody knows what MONITOR would cost it"

/* Who is guarded: by its id alone it could be somebody else's, on another server. */
struct guard_stream {
    long long client;
    uint32_t token;    /* in the guard's blocking commands, by which they are told from others' */
    bool named;        /* its name is ours */
    bool direct;       /* see monitor_guard_is_direct */
    char run[48];      /* run_id of the server */
    char address[128]; /* addr of CLIENT LIST */
};

struct monitor_guard;

/* Starts the process for that stream (address: a numeric host or a path). NULL: the system has no
 * process left. May be called from any thread, which must not have asked for signals. */
struct monitor_guard *monitor_guard_start(const struct redis_address *address,
                                          const struct guard_stream *stream);

/* One for a guard that is to be started. */
uint32_t monitor_guard_token(void);

/* Polled for no events it wakes when the process has gone, whoever ended it. */
int monitor_guard_fd(const struct monitor_guard *guard);

/* Takes over what the guard hands on, too: to be asked again and again. */
bool monitor_guard_is_gone(struct monitor_guard *guard);

/* The reader is alive: at least every GUARD_STALL_MS / 4. */
void monitor_guard_beat(struct monitor_guard *guard);

/* What the stream brings: where the server has little room left, the switch works sooner. */
void monitor_guard_rate(struct monitor_guard *guard, uint64_t bytes_per_second);

/* reason (of size bytes): why it has refused or ended; else "". */
enum guard_state monitor_guard_state(const struct monitor_guard *guard, char *reason, size_t size);

/* False: the process itself does not move any more (asked at times that are at least 2 s apart). */
bool monitor_guard_moves(struct monitor_guard *guard);

/* Bytes that the server keeps for the stream (CLIENT LIST tot-mem, or omem); -1: not known. */
long long monitor_guard_memory(const struct monitor_guard *guard);

/* What it will kill at. */
long long monitor_guard_limit(const struct monitor_guard *guard);

/* The stream is closed: the process ends, now. */
void monitor_guard_free(struct monitor_guard *guard);

/* Does that connection, whose line of CLIENT LIST it is, lead over the loopback to the server itself?
 * Where a port is forwarded the server sees the address of who forwards it. */
bool monitor_guard_is_direct(int fd, const char *line, size_t len);

/* ---- pure ---- */

/* tot-mem (6.2+), else omem, of a line of CLIENT LIST; -1: it has neither. */
long long monitor_client_memory(const char *line, size_t len);

/* The line of that client in what CLIENT LIST says, and its length; 0: it is not there. */
size_t monitor_client_line(const char *list, size_t len, long long client, const char **line);

/* Its addr; false: it has none, or none that fits. */
bool monitor_client_address(const char *line, size_t len, char *address, size_t size);

/* Has it that addr, and that laddr (6.2+) if it has one, and are both of the loopback? */
bool monitor_client_is_direct(const char *line, size_t len, const char *addr, const char *laddr);

/* Has it the name of our connections? */
bool monitor_client_is_ours(const char *line, size_t len);

/* run_id of INFO server; "" if there is none. */
void monitor_info_run(const char *info, size_t len, char *run, size_t size);

/* Does that error say that the server does not know how it was asked? Any other may be gone when it
 * is asked again. */
bool monitor_error_is_syntax(const char *error);

/* ---- INFO, which ends with NUL ---- */

/* A number (name: "\nused_memory:"); -1: it is not there, or is none. */
long long monitor_info_number(const char *info, const char *name);

/* Bytes that the server may still take up before it evicts keys or refuses writes; -1: no limit, or a
 * replica, which leaves both to its master, by all of INFO. What is not told is no room. */
long long monitor_info_room(const char *info);

/* Does it tell what the room follows from? */
bool monitor_info_tells(const char *info);

/* Is it a replica (INFO replication)? */
bool monitor_info_is_replica(const char *info);

/* Bytes a second that come in (INFO stats); -1: not known. */
double monitor_info_input(const char *info);

/* By which a command that waits there may end later than it should, as one of many clients. */
int monitor_info_late_ms(const char *info);

/* Has the server, by its INFO, room to list all clients? The list is memory in the server until it is
 * read, and keys are evicted for it. line: bytes a client, GUARD_LINE if nothing better is known; so
 * many as free take no room. */
bool monitor_info_lists(const char *info, size_t line, size_t free);

/* Is that line of MONITOR what a guard asked? */
bool monitor_is_guard_line(const char *line, size_t len);

/* What may be kept for the stream where used of max bytes are in use (0: no limit; -1: not known). */
long long monitor_memory_limit(long long used, long long max);

#endif
