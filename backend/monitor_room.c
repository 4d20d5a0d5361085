#include "backend/monitor_room.h"

#include "backend/monitor_guard.h"

#include <stdio.h>

enum {
    SWITCH_MIN_MS = 200,
    UNKNOWN_RATE = 4 << 20,  /* bytes a second, as long as there is no figure */
    FASTER = 3,              /* what was seen shared the processors with us, who may be gone */
    SPARE_BYTES = 256 << 10, /* that the kernel takes before the server has to keep them */
    LOCAL_BYTES = 3 << 20,   /* that ours takes when it is the server's too */
    ADVISED = 2              /* times what is missing: the stream is not always the same */
};

/* MONITOR repeats what comes in, with quotes and a stamp. */
#define REPEATED 1.5

#define MEGA (1 << 20)

double monitor_room_rate(const struct monitor_room *room)
{
    double rate = room->stream > 0 ? room->stream : UNKNOWN_RATE;

    if (rate < REPEATED * room->input)
        rate = REPEATED * room->input;
    return rate + room->growth;
}

/* If it can lose any: half the room that it has, at that rate. */
int monitor_room_switch_ms(const struct monitor_room *room)
{
    double rate = FASTER * monitor_room_rate(room);
    double ms = 1e3 * ((double)room->left / 2 + SPARE_BYTES) / rate - room->late_ms;

    if (room->left < 0 || ms > GUARD_SWITCH_MS)
        return GUARD_SWITCH_MS;
    return ms < SWITCH_MIN_MS ? SWITCH_MIN_MS : (int)ms;
}

/* As it was seen; without a figure yet at least what comes in is repeated. */
static double seen_rate(const struct monitor_room *room)
{
    if (room->stream > 0)
        return room->stream;
    return room->input >= 0 ? room->input : UNKNOWN_RATE;
}

/* Bytes; not above 0: the room does. */
static double missing(const struct monitor_room *room, long long held)
{
    double spare = room->direct ? LOCAL_BYTES : SPARE_BYTES;

    return seen_rate(room) * (SWITCH_MIN_MS + room->late_ms) / 1e3 -
           ((double)room->left + (double)held + spare);
}

bool monitor_room_is_tight(const struct monitor_room *room, long long held)
{
    return room->left >= 0 && missing(room, held) > 0;
}

void monitor_room_explain(const struct monitor_room *room, long long held, char *text, size_t size)
{
    double more = ADVISED * missing(room, held) + (double)room->over;

    snprintf(text, size,
             "too little room in the server: %lld kB until it %s, and MONITOR brings %.1f MB/s; "
             "raise its maxmemory by %.0f MB meanwhile, or watch a replica, which evicts nothing",
             room->left >> 10, room->refuses ? "refuses writes" : "evicts keys",
             seen_rate(room) / MEGA, more > 0 ? (double)(long long)(more / MEGA) + 1 : 1.0);
}
