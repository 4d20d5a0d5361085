/* What the room that is left in a server means for a MONITOR there: how soon its switch has to work,
 * and whether it may run at all. Pure. */
#ifndef BACKEND_MONITOR_ROOM_H
#define BACKEND_MONITOR_ROOM_H

#include <stdbool.h>
#include <stddef.h>

struct monitor_room {
    long long left; /* bytes that the server may still take up; -1: no limit */
    long long over; /* bytes that it has taken up beyond its limit */
    bool refuses;   /* writes then, instead of evicting keys */
    bool direct;    /* the two ends of the stream are in this kernel, with nothing between */
    int late_ms;    /* by which a command that waits there ends later than it should */
    double stream;  /* bytes a second that MONITOR was seen to bring; 0: not known yet */
    double input;   /* bytes a second that come in to the server; -1: not known */
    double growth;  /* bytes a second by which what is kept for us grows */
};

/* What the server makes of it a second, which is more than what is read when the link is slow. */
double monitor_room_rate(const struct monitor_room *room);

/* The time limit of the switch: the server must not lose a key before. */
int monitor_room_switch_ms(const struct monitor_room *room);

/* No switch is so soon that it would do: what comes until then is more than all that the server, of
 * which it keeps held already, and the kernel can take. */
bool monitor_room_is_tight(const struct monitor_room *room, long long held);

/* Why it may not run there, and what would help. */
void monitor_room_explain(const struct monitor_room *room, long long held, char *text, size_t size);

#endif
