#include "backend/backup_words.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

const char *backup_bytes(char out[BACKUP_WORD], double bytes)
{
    static const char units[] = "kMGTPE";
    double value = bytes;
    int unit = -1;

    for (; round(value) >= 1024 && units[unit + 1]; unit++)
        value /= 1024;
    if (!(bytes >= 0))
        snprintf(out, BACKUP_WORD, "–");
    else if (unit < 0)
        snprintf(out, BACKUP_WORD, "%.0f bytes", bytes);
    else
        snprintf(out, BACKUP_WORD, "%.*f%c", value < 99.95 ? 1 : 0, value, units[unit]);
    return out;
}

const char *backup_duration(char out[BACKUP_WORD], double seconds)
{
    const long whole = seconds >= 0 && seconds < 1e9 ? (long)seconds : 0;

    if (!(seconds >= 0 && seconds < 1e9))
        snprintf(out, BACKUP_WORD, "–");
    else if (seconds < 1)
        snprintf(out, BACKUP_WORD, "%.2fs", seconds);
    else if (whole < 60)
        snprintf(out, BACKUP_WORD, "%lds", whole);
    else if (whole < 3600)
        snprintf(out, BACKUP_WORD, "%ldm%02lds", whole / 60, whole % 60);
    else
        snprintf(out, BACKUP_WORD, "%ldh%02ldm", whole / 3600, whole % 3600 / 60);
    return out;
}

const char *backup_now(char out[BACKUP_WORD])
{
    struct timespec now;
    struct tm parts;
    size_t length;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    length = strftime(out, BACKUP_WORD, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + length, BACKUP_WORD - length, ".%03ldZ", now.tv_nsec / 1000000);
    return out;
}

double backup_time(const char *text)
{
    struct tm parts = {0};
    double fraction = 0;
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
    int used = 0;

    if (!rest)
        return NAN;
    if (*rest == '.' && (sscanf(rest, "%lf%n", &fraction, &used) != 1 || // NOLINT(cert-err34-c)
                         !(fraction >= 0 && fraction < 1)))
        return NAN;
    if (rest[used] != 'Z' || rest[used + 1])
        return NAN;
    return (double)timegm(&parts) + fraction;
}
